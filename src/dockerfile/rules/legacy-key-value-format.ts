import type { Rule } from "./rule.ts";

export const legacyKeyValueFormat: Rule = {
  name: "LegacyKeyValueFormat",
  description: "Legacy key/value format with whitespace separator should not be used",
  why: "`ENV name value` takes the whole rest of the line as the value and can set one variable only; `ENV a b=c` sets `a` to `b=c`. With `=` it is plain what is meant.",
  bad: "FROM scratch\nENV MODE production\n",
  good: "FROM scratch\nENV MODE=production\n",
  command({ command, keyword, span }, report) {
    if (command.kind !== "env" && command.kind !== "label") return;
    for (const pair of command.pairs)
      if (pair.old) report(span, `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`);
  },
};
