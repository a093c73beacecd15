import { printableLine } from "../kit/printable.ts";
import type { SourceSpan } from "../kit/span.ts";

const RULE = "--------------------";
/** Letters of a line that are shown. */
const WIDTH = 1_000;

/**
 * The lines around a place, as `docker build` shows them: a header `NAME:LINE`, a rule, numbered lines with `>>>` at
 * those of the span, a rule; no line feed at the end. `around` is how many lines to show on both sides: docker shows
 * two around one line and one around several. Lines are escaped for a terminal, and very long ones cut. "" when the span
 * lies outside.
 */
export function excerpt(lines: readonly string[], span: SourceSpan, around = span.endLine > span.line ? 1 : 2): string {
  const end = Math.min(span.endLine, lines.length);
  if (span.line < 1 || span.line > lines.length) return "";
  const from = Math.max(1, span.line - around);
  const to = Math.min(lines.length, end + around);
  const shown = [`${printableLine(span.file)}:${span.line}`, RULE];
  for (let line = from; line <= to; line++) {
    const mark = line >= span.line && line <= end ? ">>>" : "   ";
    shown.push(` ${String(line).padStart(3)} | ${mark} ${visible(lines[line - 1] as string)}`);
  }
  shown.push(RULE);
  return shown.join("\n");
}

function visible(line: string): string {
  return printableLine(line.length > WIDTH ? `${line.slice(0, WIDTH)}\u2026` : line.replace(/\r+$/, ""));
}
