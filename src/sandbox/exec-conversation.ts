import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { Failure } from "../kit/error.ts";
import { livenessOf, type ProcessIdentity } from "../kit/liveness.ts";
import type { Task } from "../task/task.ts";
import { errnoName } from "./errno.ts";
import { HELD } from "./exec-table.ts";
import { FrameReader } from "./frames.ts";
import type { InnerTable } from "./inner-table.ts";
import { type RawTerminal, restoreTerminal } from "./raw.ts";
import type { SandboxIo, SandboxSpec } from "./spec.ts";
import { explain, type Table } from "./table.ts";
import { programTrouble, setupTrouble } from "./trouble.ts";

/** A process that is about to enter a sandbox: the helper was started and waits for its tables. */
export interface Entry {
  readonly child: ChildProcess;
  readonly target: ProcessIdentity;
  readonly entrance: Table;
  readonly inner: InnerTable;
  readonly spec: SandboxSpec;
  readonly io: SandboxIo;
  /** Whether its end is waited for. */
  readonly bound: boolean;
  readonly terminal: RawTerminal | undefined;
}

/**
 * Sends the first table, and the second once the first holds the right target; brings the bytes to and fro. Gives what wait(2) says of the
 * process, undefined where it is not waited for. Throws as `execInside`.
 */
export async function converse(entry: Entry, task: Task): Promise<number | undefined> {
  const { child, io, bound, terminal } = entry;
  const [, , , table, reports, frames] = child.stdio as unknown as [null, null, null, Writable, Readable, Readable];
  const kill = () => child.kill("SIGKILL");
  task.signal.addEventListener("abort", kill, { once: true });
  let held = false;
  let heard = false;
  let pid = 0;
  let status: number | undefined;
  let failure: Failure | undefined;
  let report = Buffer.alloc(0);
  // The two pipes are heard in any order.
  const started = () => {
    if (heard && pid > 0 && !failure && !task.signal.aborted) io.started?.({ pid, signal: (name) => void child.kill(name) });
  };
  const reader = new FrameReader();
  frames.on("data", (piece: Buffer) => {
    for (const { at, stream, bytes } of reader.push(piece)) {
      if (stream === 1 || stream === 2) io.out?.(stream, bytes, at);
      else if (stream === HELD) {
        held = true;
        // From here on the number is the target's for good; whether it was before is asked now.
        if (livenessOf(entry.target) === "dead") failure = hasEnded();
        table.end(failure ? undefined : entry.inner.table.bytes);
      } else if (stream === 3) {
        pid = Number.parseInt(bytes.toString("latin1"), 10);
        started();
      } else status = bytes.readInt32LE(0);
    }
  });
  reports.on("data", (piece: Buffer) => {
    report = Buffer.concat([report, piece]);
  });
  const begun = new Promise<void>((resolve) => {
    reports.once("close", () => {
      if (report.length >= 8) failure ??= explained(entry, held, report.readInt32LE(0), report.readInt32LE(4));
      heard = true;
      started();
      resolve();
    });
  });
  const over = new Promise<void>((resolve, reject) => {
    child.once("error", (error) => reject(new Failure("SANDBOX", `the sandbox helper did not start: ${error.message}`, { cause: error })));
    child.once("close", resolve);
  });
  table.on("error", () => {});
  table.write(entry.entrance.bytes);
  try {
    await (bound ? over : Promise.race([begun, over]));
  } finally {
    task.signal.removeEventListener("abort", kill);
    if (terminal && status === undefined) restoreTerminal(terminal);
  }
  task.signal.throwIfAborted();
  if (failure) throw failure;
  if (!held) throw new Failure("SANDBOX", "the process was ended from outside before it entered");
  if (!bound) child.unref();
  return status;
}

function explained({ entrance, inner, spec }: Entry, held: boolean, operation: number, number: number): Failure {
  const table = held ? inner.table : entrance;
  const errno = errnoName(number);
  if (!held && errno === "ESRCH") return hasEnded();
  const trouble = held ? inner.troubles.get(operation) : undefined;
  if (trouble) return programTrouble(trouble, spec, table.label(operation).replace(/^exec /, ""), errno);
  return setupTrouble(explain(table, operation, number), errno);
}

/** What is said where a container ended between being found and being entered. */
export function hasEnded(): Failure {
  return new Failure("CONFLICT", "the container has ended meanwhile");
}
