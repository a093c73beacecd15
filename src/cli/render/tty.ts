import { printableLine } from "../../kit/printable.ts";
import type { TaskEvent } from "../../task/task.ts";
import { type Finding, findingSummary } from "./findings.ts";
import { overprinted } from "./overprint.ts";
import type { Renderer } from "./progress.ts";
import { Region, type RegionLine, type Terminal } from "./region.ts";
import { paceOf, seconds, transferLine } from "./transfer.ts";

/** Milliseconds between two redraws. */
const EVERY = 100;
/** Lines of output shown under a running step. */
const TAIL = 6;
const RED = 31;
const BLUE = 34;
const FAINT = 2;

interface Step {
  readonly label: string;
  readonly startedAt: number;
  endedAt: number | undefined;
  state: "started" | "cached" | "done" | "failed";
  readonly transfers: Map<string, { done: number; total: number | undefined; startedAt: number; at: number }>;
  /** Parts that are done. */
  readonly told: string[];
  tail: string[];
}

/** A region of the terminal that is redrawn at most ten times a second, in the look of buildx: a head line, then a line for each step. */
export function createTty(terminal: Terminal, now: () => number = Date.now): Renderer {
  const steps = new Map<string, Step>();
  const findings: Finding[] = [];
  const begun = now();
  const region = new Region(terminal);
  let drawnAt = begun;
  const timer = setInterval(() => draw(), EVERY);
  timer.unref();

  function listener(event: TaskEvent): void {
    if (event.type === "finding") findings.push(event);
    else if (event.type === "note") region.above(`NOTE: ${printableLine(event.text)}`);
    else {
      const step = steps.get(event.id) ?? newStep(event.type === "step" || event.type === "bytes" ? event.label : event.id, event.at);
      steps.set(event.id, step);
      if (event.type === "step" && event.state !== "started") {
        step.state = event.state;
        step.endedAt = event.at;
      } else if (event.type === "bytes") {
        const startedAt = step.transfers.get(event.label)?.startedAt ?? event.at;
        step.transfers.set(event.label, { done: event.done, total: event.total, startedAt, at: event.at });
      } else if (event.type === "status") {
        step.told.push(printableLine(event.text));
      } else if (event.type === "output") {
        const last = (step.tail.pop() ?? "") + event.text;
        step.tail = last
          .split("\n")
          .slice(-TAIL - 1)
          .map((one) => overprinted(one).slice(-1000));
      }
    }
    // The timer does not come while files are read in one go: events draw as well.
    if (now() - drawnAt >= EVERY) draw();
  }

  function draw(): void {
    drawnAt = now();
    // What does not fit is left out from the top: the newest steps are at the bottom.
    const lines = [...steps.values()].flatMap(stepLines);
    region.draw([head(""), ...lines.slice(-(region.rows - 2))]);
  }

  function head(ending: string): RegionLine {
    const ended = [...steps.values()].filter((step) => step.endedAt !== undefined).length;
    return region.row(`[+] Building ${seconds(now() - begun)} (${ended}/${steps.size})${ending}`, "");
  }

  function stepLines(step: Step): RegionLine[] {
    const running = step.endedAt === undefined;
    const mark = step.state === "cached" ? "CACHED " : step.state === "failed" ? "ERROR " : "";
    const paint = step.state === "failed" ? RED : running ? 0 : BLUE;
    const lines = [region.row(` => ${mark}${step.label}`, seconds((step.endedAt ?? now()) - step.startedAt), paint)];
    for (const [label, one] of step.state === "cached" ? [] : step.transfers) {
      // Short transfers come and go; what lasts gets a bar.
      const lasted = one.at - one.startedAt;
      if (running || lasted >= 1000)
        lines.push(
          region.row(
            ` => => ${transferLine(label, one.done, one.total)} ${running ? paceOf(one.done, one.total, lasted) : ""}`.trimEnd(),
            seconds(lasted),
            paint,
          ),
        );
    }
    for (const text of step.told) lines.push(region.row(` => => ${text}`, "", paint));
    if (!running && step.state !== "failed") return lines;
    const tail = step.tail.filter((one) => one !== "").slice(-TAIL);
    return [...lines, ...tail.map((text) => region.row(` => # ${printableLine(text)}`, "", FAINT))];
  }

  function finish(): void {
    clearInterval(timer);
    const failed = [...steps.values()].some((step) => step.state === "failed");
    region.end(steps.size > 0 ? [head(failed ? " ERROR" : " FINISHED"), ...[...steps.values()].flatMap(stepLines)] : []);
    const summary = findingSummary(findings);
    if (summary !== "") terminal.write(summary);
  }

  return { listener, finish, tellsFailure: false };
}

function newStep(label: string, at: number): Step {
  return { label: printableLine(label), startedAt: at, endedAt: undefined, state: "started", transfers: new Map(), told: [], tail: [] };
}
