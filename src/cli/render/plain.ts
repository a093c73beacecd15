import type { Failure } from "../../kit/error.ts";
import { printableLine } from "../../kit/printable.ts";
import type { TaskEvent } from "../../task/task.ts";
import { type Finding, findingLine, findingSummary } from "./findings.ts";
import { humanSize } from "./human.ts";
import { overprinted } from "./overprint.ts";
import type { Renderer } from "./progress.ts";

/** Milliseconds between two lines about the same transfer. */
const EVERY = 2_000;
/** Lines of output shown again under a failure. */
const TAIL = 10;
/** Characters of an unfinished line of output that are held back, at most. */
const HELD = 64 << 10;

interface Step {
  readonly number: number;
  readonly label: string;
  readonly startedAt: number;
  readonly transfers: Map<string, { done: number; total: number | undefined; toldAt: number; told: number }>;
  readonly tail: string[];
  held: string;
  failed: boolean;
}

/**
 * Lines as `buildx --progress plain` writes them: each step has a number, its lines start with it, blocks of different steps are parted by
 * an empty line. Transfers are told when they are done, and every two seconds while they last.
 */
export function createPlain(write: (text: string) => void): Renderer {
  const steps = new Map<string, Step>();
  const findings: Finding[] = [];
  let current: Step | undefined;
  let wrote = false;

  const open = (id: string, label: string, at: number): Step => {
    const known = steps.get(id);
    if (known) return known;
    const step = {
      number: steps.size + 1,
      label: printableLine(label),
      startedAt: at,
      transfers: new Map(),
      tail: [],
      held: "",
      failed: false,
    };
    steps.set(id, step);
    return step;
  };
  const line = (step: Step, text: string): void => {
    if (current !== step) {
      write(`${wrote ? "\n" : ""}#${step.number} ${step.label}\n`);
      current = step;
      wrote = true;
    }
    if (text !== "") write(`#${step.number} ${text}\n`);
  };
  const seconds = (step: Step, at: number) => `${(Math.max(0, at - step.startedAt) / 1000).toFixed(1)}s`;

  function listener(event: TaskEvent): void {
    switch (event.type) {
      case "step":
        return stepEvent(event);
      case "bytes":
        return bytesEvent(event);
      case "status":
        return line(open(event.id, event.id, event.at), `${printableLine(event.text)} done`);
      case "output":
        return outputEvent(event);
      case "finding":
        findings.push(event);
        if (current) line(current, `WARN: ${findingLine(event)}`);
        return;
      case "note":
        write(`${wrote ? "\n" : ""}NOTE: ${printableLine(event.text)}\n`);
        wrote = true;
        current = undefined;
    }
  }

  function stepEvent(event: Extract<TaskEvent, { type: "step" }>): void {
    const step = open(event.id, event.label, event.at);
    if (event.state === "started") return line(step, "");
    flush(step);
    for (const [label, { done, told }] of step.transfers) if (told !== done) line(step, `${label} ${humanSize(done)} done`);
    if (event.state === "cached") line(step, "CACHED");
    else if (event.state === "done") line(step, `DONE ${seconds(step, event.at)}`);
    else {
      step.failed = true;
      line(step, `ERROR: ${printableLine((event.failure?.message ?? "failed").split("\n")[0] as string)}`);
    }
  }

  function bytesEvent(event: Extract<TaskEvent, { type: "bytes" }>): void {
    const step = open(event.id, event.label, event.at);
    const label = printableLine(event.label);
    const known = step.transfers.get(label);
    const transfer = known ?? { done: 0, total: event.total, toldAt: event.at, told: -1 };
    transfer.done = event.done;
    transfer.total = event.total;
    step.transfers.set(label, transfer);
    const complete = event.total !== undefined && event.done >= event.total;
    if (transfer.told === event.done || (!complete && event.at - transfer.toldAt < EVERY)) return;
    const of = event.total === undefined || complete ? "" : ` / ${humanSize(event.total)}`;
    line(step, `${label} ${humanSize(event.done)}${of}${complete ? " done" : ` ${seconds(step, event.at)}`}`);
    transfer.toldAt = event.at;
    transfer.told = event.done;
  }

  function outputEvent(event: Extract<TaskEvent, { type: "output" }>): void {
    const step = open(event.id, event.id, event.at);
    const parts = (step.held + event.text).split("\n");
    step.held = parts.pop() as string;
    if (step.held.length > HELD) {
      parts.push(step.held);
      step.held = "";
    }
    for (const part of parts) told(step, part, event.at);
  }

  function told(step: Step, text: string, at: number): void {
    const shown = printableLine(overprinted(text));
    line(step, `${(Math.max(0, at - step.startedAt) / 1000).toFixed(3)} ${shown}`);
    step.tail.push(shown.slice(0, 1000));
    if (step.tail.length > TAIL) step.tail.shift();
  }

  function flush(step: Step): void {
    if (step.held !== "") told(step, step.held, Date.now());
    step.held = "";
  }

  function finish(failure?: Failure): void {
    for (const step of steps.values()) {
      flush(step);
      if (failure && step.failed) write(`------\n > ${step.label}:\n${step.tail.map((one) => `${one}\n`).join("")}------\n`);
    }
    write(findingSummary(findings));
  }

  return { listener, finish, tellsFailure: false };
}
