import type { Rule } from "./rule.ts";

export const consistentInstructionCasing: Rule = {
  name: "ConsistentInstructionCasing",
  description: "All commands within the Dockerfile should use the same casing (either upper or lower)",
  why: "Instructions may be written in any case. A file that mixes them is hard to scan, and a word like `Copy` is neither. What most of the instructions use is taken as the style of the file; upper case wins a tie.",
  bad: "FROM scratch\nCOPY app /app\nuser 65534\n",
  good: "FROM scratch\nCOPY app /app\nUSER 65534\n",
  file({ program: { stages } }, report) {
    const all = stages.flatMap((stage) => [stage.instruction, ...stage.commands.map((command) => command.instruction)]);
    const lower = all.filter(({ keyword }) => keyword === keyword.toLowerCase()).length;
    const upper = all.filter(({ keyword }) => keyword === keyword.toUpperCase()).length;
    for (const { keyword, span } of all) {
      if (keyword === (lower > upper ? keyword.toLowerCase() : keyword.toUpperCase())) continue;
      report(span, `Command '${keyword}' should match the case of the command majority (${lower > upper ? "lowercase" : "uppercase"})`);
    }
  },
};
