import { printableLine } from "../../kit/printable.ts";
import { isTerminal } from "../../kit/terminal.ts";
import type { TaskEvent } from "../../task/task.ts";
import { writeError } from "../output.ts";
import type { Renderer } from "./progress.ts";
import { Region, type Terminal } from "./region.ts";
import { paceOf, seconds, transferLine, transferWords } from "./transfer.ts";

/** Milliseconds before anything is shown, between redraws, and between plain lines. */
const PATIENCE = 1_000;
const EVERY = 100;
const PLAIN_EVERY = 5_000;

interface Transfer {
  readonly label: string;
  done: number;
  total: number | undefined;
  readonly startedAt: number;
}

/**
 * Progress of a command that moves bytes (load, save, push): nothing in the first second, then a bar for each transfer on a terminal; a
 * plain line each elsewhere, when it is over, and now and then one for those that last. Nothing stays on a terminal when it is over.
 */
export function createBars(terminal: Terminal | undefined, write: (text: string) => void, now: () => number = Date.now): Renderer {
  const transfers = new Map<string, Transfer>();
  const over = new Set<string>();
  const begun = now();
  const region = terminal && new Region(terminal);
  let shownAt = begun + PATIENCE - (terminal ? EVERY : PLAIN_EVERY);

  const wordsOf = ({ label, done, total, startedAt }: Transfer) => transferWords(label, done, total, now() - startedAt);

  function listener(event: TaskEvent): void {
    if (event.type === "note") {
      if (region) region.above(printableLine(event.text));
      else write(`${printableLine(event.text)}\n`);
    }
    if (event.type !== "bytes") return;
    const key = `${event.id}\n${event.label}`;
    const one = transfers.get(key) ?? { label: event.label, done: 0, total: event.total, startedAt: event.at };
    one.done = event.done;
    one.total = event.total;
    transfers.set(key, one);
    if (!region && now() - begun >= PATIENCE && one.done === one.total && !over.has(key)) {
      over.add(key);
      write(`${wordsOf(one)}\n`);
    }
    if (now() - shownAt < (terminal ? EVERY : PLAIN_EVERY)) return;
    shownAt = now();
    const running = [...transfers.values()].filter(({ done, total }) => total === undefined || done < total);
    if (region) {
      const lines = running.map((each) => {
        const lasted = now() - each.startedAt;
        return region.row(
          `${transferLine(each.label, each.done, each.total)} ${paceOf(each.done, each.total, lasted)}`.trimEnd(),
          seconds(lasted),
        );
      });
      region.draw(lines.slice(-(region.rows - 1)));
    } else for (const each of running) write(`${wordsOf(each)}\n`);
  }

  return { listener, finish: () => region?.end([]), tellsFailure: false };
}

/** Bars on standard error; none at all with `quiet`. */
export function barsFor(env: Readonly<Record<string, string | undefined>>, quiet: boolean): Renderer {
  if (quiet) return { listener: () => {}, finish: () => {}, tellsFailure: false };
  const { stderr } = process;
  const capable = isTerminal(2) && env["TERM"] !== "dumb" && env["TERM"] !== "";
  const terminal = { write: writeError, columns: () => stderr.columns || 80, rows: () => stderr.rows || 24, color: !env["NO_COLOR"] };
  return createBars(capable ? terminal : undefined, writeError);
}
