import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { Failure } from "../kit/error.ts";
import { livenessOf, type ProcessIdentity } from "../kit/liveness.ts";
import type { Task } from "../task/task.ts";
import { engineCommand } from "./engine.ts";
import { errnoName } from "./errno.ts";
import { F_SETFL, O_NONBLOCK, POLLIN } from "./flags.ts";
import { dieWithParent, FD, lifeLine } from "./guard.ts";
import { janitor } from "./janitor.ts";
import { newTable } from "./perform.ts";
import { INPUT_FD } from "./pipes.ts";
import { type RawTerminal, rawTerminal, restoreTerminal } from "./raw.ts";
import { feed } from "./run.ts";
import type { SandboxIo } from "./spec.ts";
import { writeStreams } from "./streams.ts";
import { explain, type Table } from "./table.ts";
import { setupTrouble } from "./trouble.ts";

export interface AttachOptions {
  /** Whether the sandbox has a terminal: its size follows nought's own, which is in raw mode meanwhile. */
  readonly terminal: boolean;
  /** Told once input is brought. */
  started?(): void;
}

/**
 * Brings input to a sandbox that was started detached, with a terminal or with `keepInput`, until the sandbox ends or the task is stopped;
 * the end of the input ends nothing. What the program writes is read from its log. As an ordinary user, from outside of user namespaces or
 * inside that of the sandbox.
 *
 * The process that moves the bytes has the way in as a descriptor (INPUT_FD), of which a copy is taken: pidfd_getfd(2).
 * Throws CONFLICT where the sandbox has ended, USAGE where its input was not kept open, SANDBOX where it may not be reached.
 */
export async function attachInput(
  init: ProcessIdentity,
  input: NonNullable<SandboxIo["stdin"]>,
  options: AttachOptions,
  task: Task,
): Promise<void> {
  task.signal.throwIfAborted();
  if (livenessOf(init) === "dead") throw hasEnded();
  const inherit = input === "inherit";
  const keeper = parentOf(init.pid);
  const terminal = inherit && options.terminal ? rawTerminal() : undefined;
  const table = attachTable(init.pid, keeper, inherit, terminal);
  const engine = engineCommand();
  const child = spawn(engine.command, engine.args, {
    stdio: [inherit ? "inherit" : "pipe", "ignore", "ignore", "pipe", "pipe", "pipe"],
    env: {},
    cwd: "/",
  });
  const [, , , stream, reports, ready] = child.stdio as unknown as [null, null, null, Writable, Readable, Readable];
  const kill = () => child.kill("SIGKILL");
  task.signal.addEventListener("abort", kill, { once: true });
  let failure: Failure | undefined;
  let report = Buffer.alloc(0);
  stream.on("error", () => {});
  stream.write(table.bytes);
  reports.on("data", (piece: Buffer) => {
    report = Buffer.concat([report, piece]);
  });
  ready.once("data", () => {
    // Both are held now: if the sandbox lives, they were the right ones.
    if (livenessOf(init) === "dead" || parentOf(init.pid) !== keeper) {
      failure = hasEnded();
      return void kill();
    }
    stream.end(".");
    options.started?.();
  });
  if (child.stdin && typeof input === "object") void feed(child.stdin, input);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", (error) =>
        reject(new Failure("SANDBOX", `the sandbox helper did not start: ${error.message}`, { cause: error })),
      );
      child.once("close", resolve);
    });
  } finally {
    task.signal.removeEventListener("abort", kill);
    if (terminal && child.exitCode !== 0) restoreTerminal(terminal);
  }
  task.signal.throwIfAborted();
  if (report.length >= 8) failure ??= trouble(table, report.readInt32LE(0), errnoName(report.readInt32LE(4)), report.readInt32LE(4));
  if (failure) throw failure;
}

function attachTable(init: number, keeper: number, inherit: boolean, terminal: RawTerminal | undefined): Table {
  const table = newTable();
  const held = table.register();
  const watched = table.register();
  const way = table.register();
  const child = table.register();
  const parent = table.mark();
  const said = table.register();
  const go = table.mark();
  dieWithParent(table, process.pid);
  table.call("close_range", [FD.frames + 1, 0xffffffff, 0]);
  if (!inherit) table.call("setsid", [], { ignore: true });
  const cleaner = janitor(table, [], terminal);
  table.call("pidfd_open", [init, 0], { into: watched, label: "pidfd_open" });
  table.call("pidfd_open", [keeper, 0], { into: held, label: "pidfd_open" });
  table.call("pidfd_getfd", [held, INPUT_FD, 0], { into: way, label: "pidfd_getfd" });
  table.call("write", [FD.frames, table.text("."), 1]);
  table.call("read", [FD.table, table.space(8), 1], { into: said });
  table.jumpEqual(said, 1, go);
  table.leave(1);
  table.place(go);
  table.call("fcntl", [way, F_SETFL, O_NONBLOCK], { ignore: true });
  // The pump waits for a child, which waits for the sandbox.
  const line = lifeLine(table);
  table.clone(0, child, parent, "fork");
  line.hold();
  const poll = table.space(8);
  table.store(watched, poll);
  table.store(POLLIN, { at: poll.at + 4 });
  table.call("ppoll", [poll, 1, 0, 0, 0], { ignore: true });
  table.leave(0);
  table.place(parent);
  line.keep();
  for (const fd of [FD.table, FD.report, FD.frames]) table.call("close", [fd]);
  const streams = { input: { from: 0, to: way }, ...(terminal ? { window: 0 } : {}) };
  const code = table.register();
  table.pump(child, writeStreams(table, streams), code);
  cleaner?.dismiss();
  table.leave(0);
  return table.finish();
}

function trouble(table: Table, operation: number, errno: string, number: number): Failure {
  const label = table.label(operation);
  if (errno === "ESRCH") return hasEnded();
  if (label === "pidfd_getfd" && errno === "EBADF")
    return new Failure("USAGE", "the container was started without a way in", { hint: "Start it with -i or -t." });
  return setupTrouble(explain(table, operation, number), errno);
}

function hasEnded(): Failure {
  return new Failure("CONFLICT", "the container has ended");
}

/** The parent of a process, or 0. proc(5): field 4. */
function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0;
  }
}
