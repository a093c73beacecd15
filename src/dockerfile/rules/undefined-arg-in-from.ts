import { nearest } from "./nearest.ts";
import type { Rule } from "./rule.ts";

export const undefinedArgInFrom: Rule = {
  name: "UndefinedArgInFrom",
  description: "FROM command must use declared ARGs",
  why: "FROM sees only the ARGs that stand before the first FROM and the predefined platform arguments. Any other name is empty there, which gives another image than meant or none.",
  bad: "ARG BASE=scratch\nFROM ${BAES:-scratch}\nCOPY app /app\n",
  good: "ARG BASE=scratch\nFROM ${BASE}\nCOPY app /app\n",
  from({ stage, base, platform, global }, report) {
    const known = [...global.names, ...[...global.args.keys()].filter((name) => !global.names.includes(name))];
    for (const { unset } of platform ? [base, platform] : [base]) {
      for (const name of unset) {
        if (known.includes(name)) continue;
        const near = nearest(name, known);
        report(stage.span, `FROM argument '${name}' is not declared${near === undefined ? "" : ` (did you mean ${near}?)`}`);
      }
    }
  },
};
