import { existsSync } from "node:fs";
import { constants } from "node:os";
import type { Writable } from "node:stream";
import { Failure } from "../kit/error.ts";
import type { Task } from "../task/task.ts";
import { Beginning } from "./beginning.ts";
import { removeCgroups } from "./cgroup.ts";
import { checkSpec } from "./check-spec.ts";
import { type Launched, launch } from "./launch.ts";
import { type Machine, withProc } from "./machine.ts";
import { restoreTerminal } from "./raw.ts";
import type { SandboxExit, SandboxIo, SandboxSpec } from "./spec.ts";

export type { Machine } from "./machine.ts";

/**
 * Runs one process in isolation and waits for its end. When the task is stopped, or this process dies however it may, everything in the
 * sandbox is killed and its mounts are gone. To be called on the main thread (the wish to die with one's parent is about threads).
 * With a terminal of its own and nought's as standard input, that is in raw mode meanwhile, and as it was afterwards whatever happens.
 *
 * Throws SANDBOX where something could not be set up, with the system call that failed; with exit code 127 where the program is not in
 * the root, 126 where it may not be run; USAGE, PLAN, LIMIT for a spec that makes no sense. What the program itself does is no failure.
 */
export async function runSandbox(spec: SandboxSpec, io: SandboxIo, task: Task, machine: Machine = {}): Promise<SandboxExit> {
  checkSpec(spec);
  task.signal.throwIfAborted();
  return withProc(machine, spec.join?.pid === undefined, (actual) => follow(launch(spec, io, actual), io, task));
}

/** Brings the bytes to and fro until the sandbox ends. */
async function follow(launched: Launched, io: SandboxIo, task: Task): Promise<SandboxExit> {
  const { child, cgroups } = launched;
  const kill = () => child.kill("SIGKILL");
  task.signal.addEventListener("abort", kill, { once: true });
  let status: number | undefined;
  const beginning = new Beginning(
    launched,
    ({ at, stream, bytes }) => {
      if (stream === 1 || stream === 2) io.out?.(stream, bytes, at);
      else if (stream === 0) status = bytes.readInt32LE(0);
    },
    () => {
      if (beginning.failure || beginning.pid === 0) return;
      io.started?.({ pid: beginning.pid, signal: (name) => void child.kill(name) });
    },
  );
  if (child.stdin && typeof io.stdin === "object") void feed(child.stdin, io.stdin);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", (error) =>
        reject(new Failure("SANDBOX", `the sandbox helper did not start: ${error.message}`, { cause: error })),
      );
      child.once("close", resolve);
    });
  } finally {
    task.signal.removeEventListener("abort", kill);
    if (launched.terminal && status === undefined) restoreTerminal(launched.terminal);
  }
  // Only the end of the inner process itself says that all of the sandbox is gone; if we killed the one that waits for it, we wait.
  if (status === undefined) await gone(beginning.pid);
  removeCgroups(cgroups);
  task.signal.throwIfAborted();
  if (beginning.failure) throw beginning.failure;
  if (status === undefined) {
    const how = child.signalCode ?? `exit code ${child.exitCode}`;
    throw new Failure("SANDBOX", `the sandbox was ended from outside before its process (${how})`);
  }
  return exitOf(status);
}

/** Waits until a process is no more; not for ever. */
async function gone(pid: number): Promise<void> {
  if (pid === 0) return;
  for (let tries = 0; tries < 500 && existsSync(`/proc/${pid}`); tries++) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Writes all of a stream, at the pace of who reads, and ends it; a reader who leaves is no error. */
export async function feed(to: Writable, from: AsyncIterable<Uint8Array>): Promise<void> {
  to.on("error", () => {});
  try {
    for await (const chunk of from) {
      if (to.destroyed) return;
      if (!to.write(chunk)) await new Promise<void>((resolve) => to.once("drain", resolve).once("close", resolve));
    }
  } finally {
    to.end();
  }
}

/** What wait(2) says of a process. */
export function exitOf(status: number): SandboxExit {
  const number = status & 127;
  if (number === 0) return { code: (status >> 8) & 255 };
  const name = Object.entries(constants.signals).find(([, one]) => one === number)?.[0] as NodeJS.Signals | undefined;
  return { code: 128 + number, ...(name ? { signal: name } : {}) };
}
