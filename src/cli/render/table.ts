/**
 * Aligns lines whose cells are separated by tabs, as docker's tables are: a cell is at least 10 wide, 3 blanks follow the widest of its
 * column, the last cell of a line is not padded. As in Go's text/tabwriter, a column is a run of neighbouring lines that have it.
 */
export function alignColumns(text: string): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const widths = lines.map((cells) => cells.slice(1).map(() => 0));
  const columns = Math.max(0, ...widths.map((row) => row.length));
  for (let column = 0; column < columns; column++) {
    for (let from = 0; from < lines.length; ) {
      if (column >= (widths[from] as number[]).length) {
        from++;
        continue;
      }
      let to = from;
      let widest = 0;
      for (; to < lines.length && column < (widths[to] as number[]).length; to++)
        widest = Math.max(widest, size((lines[to] as string[])[column]));
      for (let i = from; i < to; i++) (widths[i] as number[])[column] = Math.max(10, widest + 3);
      from = to;
    }
  }
  return lines
    .map((cells, i) =>
      cells
        .map((cell, j) => (j < cells.length - 1 ? cell + " ".repeat(((widths[i] as number[])[j] as number) - size(cell)) : cell))
        .join(""),
    )
    .join("\n");
}

function size(cell: string | undefined): number {
  if (cell === undefined) return 0;
  let count = 0;
  for (const _ of cell) count++;
  return count;
}
