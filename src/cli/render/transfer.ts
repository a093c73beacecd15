import { printableLine } from "../../kit/printable.ts";
import { humanSize } from "./human.ts";

const BAR = 20;

/** `transferring context [=====>     ] 12MB / 100MB`; without a total only what is done. Sizes are bytes. */
export function transferLine(label: string, done: number, total: number | undefined): string {
  const name = printableLine(label);
  if (total === undefined || total === 0) return `${name} ${humanSize(done)}`;
  const full = Math.min(BAR, Math.floor((done / total) * BAR));
  const bar = (full < BAR ? `${"=".repeat(full)}>` : "=".repeat(BAR)).padEnd(BAR);
  return `${name} [${bar}] ${humanSize(done)} / ${humanSize(total)}`;
}

/** `1.2s`. */
export function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)}s`;
}
