import { spawn } from "node:child_process";
import type { Writable } from "node:stream";
import { quietly } from "../../kit/atomic.ts";
import { engineCommand } from "../../sandbox/engine.ts";
import { newTable } from "../../sandbox/perform.ts";
import type { Container } from "../face.ts";
import { processesOf } from "../process-list.ts";

const SIGCONT = 18;
/** Rounds in which processes that were started meanwhile are looked for. */
const ROUNDS = 20;

/**
 * Stops all processes of a running container until it is disposed of; one that does not run stays as it is. However this process ends,
 * they go on: a process of the helper's waits for that, at a pipe, and wakes them.
 */
export function freeze(container: Container): AsyncDisposable {
  const helpers: (() => Promise<void>)[] = [];
  const known = new Set<number>();
  for (let round = 0; round < ROUNDS && container.state.status === "running"; round++) {
    const fresh = pidsOf(container).filter((pid) => !known.has(pid));
    if (fresh.length === 0) break;
    helpers.push(wakeLater(fresh));
    for (const pid of fresh) {
      known.add(pid);
      quietly(() => process.kill(pid, "SIGSTOP"));
    }
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const wake of helpers) await wake();
    },
  };
}

function pidsOf(container: Container): readonly number[] {
  try {
    return processesOf(container).map((one) => one.pid);
  } catch {
    // It has ended.
    return [];
  }
}

function wakeLater(pids: readonly number[]): () => Promise<void> {
  const table = newTable();
  table.call("setsid", [], { ignore: true });
  table.call("read", [0, table.space(8), 1], { ignore: true });
  for (const pid of pids) table.call("kill", [pid, SIGCONT], { ignore: true });
  table.leave(0);
  const engine = engineCommand();
  const child = spawn(engine.command, engine.args, { stdio: ["pipe", "ignore", "ignore", "pipe", "ignore"], env: {}, cwd: "/" });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()).once("error", () => resolve()));
  const [input, , , feed] = child.stdio as unknown as [Writable, null, null, Writable];
  for (const stream of [input, feed]) stream.on("error", () => {});
  feed.end(table.finish().bytes);
  return async () => {
    input.end();
    await ended;
    // Where the helper could not be started.
    for (const pid of pids) quietly(() => process.kill(pid, "SIGCONT"));
  };
}
