import type { Rule } from "./rule.ts";

export const noEmptyContinuation: Rule = {
  name: "NoEmptyContinuation",
  description: "Empty continuation lines will become errors in a future release",
  why: "An empty line after a line that ends in the escape character looks like the end of the instruction and is none: what follows still belongs to it. Leave the line out, or put a comment there.",
  bad: "FROM scratch\nLABEL name=app \\\n\n      version=1\n",
  good: "FROM scratch\nLABEL name=app \\\n      # released weekly\n      version=1\n",
  syntax({ file, warnings }, report) {
    for (const { rule, line } of warnings)
      if (rule === "NoEmptyContinuation") report({ file, line, endLine: line }, "Empty continuation line");
  },
};
