import type { Failure } from "../../kit/error.ts";
import { printableLine } from "../../kit/printable.ts";
import type { TaskEvent } from "../../task/task.ts";
import { type Finding, findingSummary } from "./findings.ts";
import { humanSize } from "./human.ts";
import type { Renderer } from "./progress.ts";
import { columnsOf, cutToColumns } from "./width.ts";

export interface Terminal {
  write(text: string): void;
  columns(): number;
  rows(): number;
  readonly color: boolean;
}

/** Milliseconds between two redraws. */
const EVERY = 100;
/** Lines of output shown under a running step. */
const TAIL = 6;
const BAR = 20;
const HIDE = "\u001b[?25l";
const SHOW = "\u001b[?25h";

interface Step {
  readonly label: string;
  readonly startedAt: number;
  endedAt: number | undefined;
  state: "started" | "cached" | "done" | "failed";
  readonly transfers: Map<string, { done: number; total: number | undefined; startedAt: number; at: number }>;
  tail: string[];
}

/** A region of the terminal that is redrawn at most ten times a second, in the look of buildx: a head line, then a line for each step. */
export function createTty(terminal: Terminal, now: () => number = Date.now): Renderer {
  const steps = new Map<string, Step>();
  const findings: Finding[] = [];
  const begun = now();
  let drawn: readonly number[] = [];
  let drawnAt = 0;
  let over = false;
  const color = (code: number, text: string) => (terminal.color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const timer = setInterval(() => draw(), EVERY);
  timer.unref();
  // A second interrupt leaves without finish(): the cursor must come back all the same.
  const restore = () => terminal.write(SHOW);
  process.once("exit", restore);

  function listener(event: TaskEvent): void {
    if (event.type === "finding") findings.push(event);
    else if (event.type === "note") above(`NOTE: ${printableLine(event.text)}`);
    else {
      const step = steps.get(event.id) ?? newStep(event.type === "output" ? event.id : event.label, event.at);
      steps.set(event.id, step);
      if (event.type === "step" && event.state !== "started") {
        step.state = event.state;
        step.endedAt = event.at;
      } else if (event.type === "bytes") {
        const startedAt = step.transfers.get(event.label)?.startedAt ?? event.at;
        step.transfers.set(event.label, { done: event.done, total: event.total, startedAt, at: event.at });
      } else if (event.type === "output") {
        const last = (step.tail.pop() ?? "") + event.text;
        step.tail = last
          .split("\n")
          .slice(-TAIL - 1)
          .map((one) => one.slice(-1000));
      }
    }
    // The timer does not come while files are read in one go: events draw as well.
    if (now() - drawnAt >= EVERY) draw();
  }

  /** A line that stays, above the region. */
  function above(text: string): void {
    terminal.write(`${erase()}${text}\n`);
    drawn = [];
    draw();
  }

  function erase(): string {
    const columns = Math.max(1, terminal.columns());
    // Lines that no longer fit after the window became narrower take several rows now.
    const rows = drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    return rows > 0 ? `\r\u001b[${rows}A\u001b[J` : "";
  }

  function draw(): void {
    if (over) return;
    drawnAt = now();
    const lines = region(Math.max(1, terminal.columns()), Math.max(2, terminal.rows()));
    terminal.write(`${HIDE}${erase()}${lines.map((line) => `${line.text}\n`).join("")}`);
    drawn = lines.map((line) => line.width);
  }

  function region(columns: number, rows: number): { text: string; width: number }[] {
    const ended = [...steps.values()].filter((step) => step.endedAt !== undefined).length;
    const head = `[+] Building ${seconds(now() - begun)} (${ended}/${steps.size})${over ? (failed() ? " ERROR" : " FINISHED") : ""}`;
    const lines = [...steps.values()].flatMap((step) => stepLines(step, columns));
    // What does not fit is left out from the top: the newest steps are at the bottom.
    const shown = over ? lines : lines.slice(-(rows - 2));
    return [{ text: cutToColumns(head, columns), width: Math.min(columnsOf(head), columns) }, ...shown];
  }

  function stepLines(step: Step, columns: number): { text: string; width: number }[] {
    const time = seconds((step.endedAt ?? now()) - step.startedAt);
    const mark = step.state === "cached" ? "CACHED " : step.state === "failed" ? "ERROR " : "";
    const paint = step.state === "failed" ? 31 : step.endedAt === undefined ? 0 : 34;
    const lines = [row(` => ${mark}${step.label}`, time, columns, paint)];
    if (step.state === "cached") return lines;
    for (const [label, one] of step.transfers) {
      // Short transfers come and go; what lasts gets a bar.
      if (step.endedAt === undefined || one.at - one.startedAt >= 1000)
        lines.push(row(` => => ${transfer(label, one)}`, seconds(one.at - one.startedAt), columns, paint));
    }
    if (step.endedAt === undefined || step.state === "failed") {
      for (const text of step.tail.filter((one) => one !== "").slice(-TAIL))
        lines.push(row(` => # ${printableLine(text)}`, "", columns, 2));
    }
    return lines;
  }

  function row(left: string, right: string, columns: number, paint: number): { text: string; width: number } {
    const room = columns - right.length - 2;
    const text = room < 10 ? cutToColumns(left, columns) : padded(cutToColumns(left, room), room + 1) + right;
    return { text: paint === 0 ? text : color(paint, text), width: columnsOf(text) };
  }

  const failed = () => [...steps.values()].some((step) => step.state === "failed");

  function finish(_failure?: Failure): void {
    clearInterval(timer);
    process.removeListener("exit", restore);
    over = true;
    const lines = steps.size > 0 ? region(Math.max(1, terminal.columns()), terminal.rows()) : [];
    terminal.write(`${erase()}${lines.map((line) => `${line.text}\n`).join("")}${SHOW}${findingSummary(findings)}`);
    drawn = [];
  }

  return { listener, finish, tellsFailure: false };
}

function newStep(label: string, at: number): Step {
  return { label: printableLine(label), startedAt: at, endedAt: undefined, state: "started", transfers: new Map(), tail: [] };
}

function transfer(label: string, { done, total }: { readonly done: number; readonly total: number | undefined }): string {
  const name = printableLine(label);
  if (total === undefined || total === 0) return `${name} ${humanSize(done)}`;
  const full = Math.min(BAR, Math.floor((done / total) * BAR));
  const bar = "=".repeat(full) + (full < BAR ? ">" : "");
  return `${name} [${bar.padEnd(BAR).slice(0, BAR)}] ${humanSize(done)} / ${humanSize(total)}`;
}

function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)}s`;
}

function padded(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - columnsOf(text)));
}
