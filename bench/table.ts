/** Figures as text. */
import type { Use } from "./measure.ts";
import type { Tool } from "./tools.ts";

type Medians = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Rows of cells as columns. */
export function lay(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, k) => Math.max(...rows.map((row) => (row[k] ?? "").length)));
  return rows
    .map((row) => row.map((cell, k) => (k === 0 ? cell.padEnd(widths[k] as number) : cell.padStart(widths[k] as number))).join("  "))
    .join("\n");
}

/** Milliseconds by row and tool, then nought's ratio to each peer, and whether the aim against docker is met. */
export function renderTable(medians: Medians, tools: readonly Tool[], aims: Readonly<Record<string, number>>): string {
  const mine = (tools[0] as Tool).name;
  const peers = tools.slice(2);
  const head = ["ms", ...tools.map((tool) => tool.name), ...peers.map((tool) => `nought / ${tool.name.split(" ")[0]}`), "aim"];
  const rows = Object.entries(medians).map(([row, byTool]) => {
    const ratios = peers.map((tool) => (byTool[mine] as number) / (byTool[tool.name] as number));
    const docker = peers.findIndex((tool) => tool.name.startsWith("docker"));
    const aim = aims[row];
    const verdict = aim === undefined || docker < 0 ? "" : `${aim} ${(ratios[docker] as number) <= aim ? "met" : "MISSED"}`;
    return [row, ...tools.map((tool) => (byTool[tool.name] as number).toFixed(0)), ...ratios.map((ratio) => ratio.toFixed(3)), verdict];
  });
  return lay([head, ...rows]);
}

/** Memory and bytes of nought's whole process. */
export function renderUse(
  uses: ReadonlyMap<string, Use & { readonly bytes: number }>,
  budgets: { readonly memoryMB?: number; readonly bytes?: Readonly<Record<string, number>> },
): string {
  const head = ["nought", "peak MB", "CPU ms", "input MB", "read MB", "written MB", "read / input", "written / input", "aim"];
  const rows = [...uses].map(([row, use]) => {
    const ratios = { read: use.read / use.bytes, written: use.written / use.bytes };
    const missed = [
      ...(budgets.memoryMB !== undefined && use.rssKB / 1024 > budgets.memoryMB ? [`memory above ${budgets.memoryMB} MB`] : []),
      ...(["read", "written"] as const).filter((kind) => ratios[kind] > (budgets.bytes?.[`${row} ${kind}`] ?? Number.POSITIVE_INFINITY)),
    ];
    const mb = (bytes: number) => (bytes / 1e6).toFixed(1);
    const [read, written] = row.endsWith("cold") ? [ratios.read.toFixed(3), ratios.written.toFixed(3)] : ["", ""];
    return [
      row,
      (use.rssKB / 1024).toFixed(0),
      use.cpuMs.toFixed(0),
      mb(use.bytes),
      mb(use.read),
      mb(use.written),
      read,
      written,
      missed.length > 0 ? `MISSED: ${missed.join(", ")}` : "",
    ];
  });
  return lay([head, ...rows]);
}
