import { printableLine } from "../../kit/printable.ts";
import type { TaskEvent } from "../../task/task.ts";

export type Finding = Extract<TaskEvent, { type: "finding" }>;

/** `UndefinedVar: Usage of undefined variable '$b' (line 3)`. */
export function findingLine(finding: Finding): string {
  const line = finding.source ? ` (line ${finding.source.line})` : "";
  return `${printableLine(finding.rule)}: ${printableLine(finding.detail ?? finding.message)}${line}`;
}

/** What buildx writes under a build: how many warnings, and a line for each. Empty without any. */
export function findingSummary(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  const head = `${findings.length} warning${findings.length === 1 ? "" : "s"} found (use nought build --check to expand):`;
  return `\n ${head}\n${findings.map((one) => ` - ${findingLine(one)}\n`).join("")}`;
}
