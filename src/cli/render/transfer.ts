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

/** The same for a log: `sha256:… 12MB / 100MB 8.4MB/s, 10s left`, and at its end `sha256:… 100MB in 11.9s, 8.4MB/s`. */
export function transferWords(label: string, done: number, total: number | undefined, ms: number): string {
  const name = printableLine(label);
  const pace = paceOf(done, total, ms);
  const over = total !== undefined && done >= total;
  if (over) return `${name} ${humanSize(done)} in ${seconds(ms)}${pace === "" ? "" : `, ${pace}`}`;
  return `${name} ${humanSize(done)}${total === undefined || total === 0 ? "" : ` / ${humanSize(total)}`} ${pace || seconds(ms)}`;
}

/** `8.4MB/s, 12s left`: how fast it went so far, and how long the rest takes at that pace. Empty in the first half second. */
export function paceOf(done: number, total: number | undefined, ms: number): string {
  if (ms < 500 || done === 0) return "";
  const perSecond = (done * 1000) / ms;
  const left = total === undefined || total <= done ? undefined : Math.ceil((total - done) / perSecond);
  const time =
    left === undefined ? "" : `, ${left < 60 ? `${left}s` : `${Math.floor(left / 60)}m${String(left % 60).padStart(2, "0")}s`} left`;
  return `${humanSize(perSecond)}/s${time}`;
}

/** `1.2s`. */
export function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)}s`;
}
