import { printableLine } from "../kit/printable.ts";

/**
 * Columns as Go's text/tabwriter aligns them: each as wide as its widest cell plus `gap` blanks, the last one not padded. Every line
 * ends in a line feed. Cells are escaped for a terminal.
 */
export function printTable(rows: readonly (readonly string[])[], gap: number): string {
  const cells = rows.map((row) => row.map(printableLine));
  const length = (cell: string | undefined): number => Array.from(cell ?? "").length;
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => length(row[column]))) + gap);
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell + " ".repeat((widths[column] ?? 0) - length(cell)))).join("");
  return cells.map((row) => `${line(row)}\n`).join("");
}
