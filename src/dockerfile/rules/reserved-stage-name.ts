import { quote } from "../quote.ts";
import type { Rule } from "./rule.ts";

export const reservedStageName: Rule = {
  name: "ReservedStageName",
  description: "Reserved words should not be used as stage names",
  why: "`context` is the name of the build context and `scratch` that of the empty base. A stage called so cannot be told from them. (nought goes further and refuses `scratch`.)",
  bad: "FROM scratch AS context\nCOPY app /app\n",
  good: "FROM scratch AS files\nCOPY app /app\n",
  file({ program: { stages } }, report) {
    for (const { name, span } of stages)
      if (name === "context" || name === "scratch")
        report(span, `Stage name should not use the same name as reserved stage ${quote(name)}`);
  },
};
