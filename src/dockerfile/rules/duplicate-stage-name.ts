import { quote } from "../quote.ts";
import type { Rule } from "./rule.ts";

export const duplicateStageName: Rule = {
  name: "DuplicateStageName",
  description: "Stage names should be unique",
  why: "When two stages share a name, `FROM name` means the nearest one above while `--from=name` and `--target name` mean the last one. The other can only be reached by its number.",
  bad: "FROM scratch AS files\nCOPY a /\nFROM scratch AS files\nCOPY b /\n",
  good: "FROM scratch AS first\nCOPY a /\nFROM scratch AS second\nCOPY b /\n",
  file({ program: { stages } }, report) {
    const seen = new Set<string>();
    for (const { name, span } of stages) {
      if (name === undefined) continue;
      if (seen.has(name)) report(span, `Duplicate stage name ${quote(name)}, stage names should be unique`);
      seen.add(name);
    }
  },
};
