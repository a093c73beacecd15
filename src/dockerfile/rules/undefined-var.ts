import { nearest } from "./nearest.ts";
import type { Rule } from "./rule.ts";

export const undefinedVar: Rule = {
  name: "UndefinedVar",
  description: "Variables should be defined before their use",
  why: "A variable that neither ARG nor ENV nor the base image sets is empty: a typing mistake goes unnoticed until something is copied to the wrong place. ARGs before the first FROM do not count; name them again inside the stage.",
  bad: "FROM scratch\nARG DIR=/opt\nCOPY app $DRI/app\n",
  good: "FROM scratch\nARG DIR=/opt\nCOPY app $DIR/app\n",
  command({ unset, span }, report) {
    for (const { name, known } of unset) {
      const near = nearest(name, known);
      report(span, `Usage of undefined variable '$${name}'${near === undefined ? "" : ` (did you mean $${near}?)`}`);
    }
  },
};
