import type { Rule } from "./rule.ts";

export const fromAsCasing: Rule = {
  name: "FromAsCasing",
  description: "The 'as' keyword should match the case of the 'from' keyword",
  why: "`FROM … as …` mixes two styles in one line. Either case works; a file reads best when keywords look alike.",
  bad: "FROM scratch as files\nCOPY app /app\n",
  good: "FROM scratch AS files\nCOPY app /app\n",
  instruction({ name, keyword, args, span }, report) {
    const as = name === "from" && args.length > 2 ? args[1] : undefined;
    // A keyword in mixed case is ConsistentInstructionCasing's; FROM's own decides nothing then.
    if (as === undefined || (keyword !== keyword.toLowerCase() && keyword !== keyword.toUpperCase())) return;
    if (as !== (keyword === keyword.toLowerCase() ? "as" : "AS")) report(span, `'${as}' and '${keyword}' keywords' casing do not match`);
  },
};
