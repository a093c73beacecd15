import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ProcessIdentity } from "../kit/liveness.ts";

/** Where a sandbox that outlives nought leaves its traces. */
export interface DetachedPlace {
  /**
   * An absolute path of a directory that exists and belongs to this container alone. Found there afterwards:
   * - `log`: everything that was written, as frames (frames.ts), and as the last one how it ended;
   * - `log.old`: what was there before `log` became too long;
   * - `exit`: the exit code in decimal, put there in one piece when all of the sandbox is gone (see `readExit`).
   */
  readonly folder: string;
  /** Bytes from which on `log` is begun anew; 64 MiB without it. */
  readonly logLimit?: number;
  /** Standard input stays open, so that `attachInput` can bring something (`-i`); without it, it is empty. Terminals always are. */
  readonly keepInput?: boolean;
}

/** A sandbox that was started and left alone. */
export interface DetachedSandbox {
  /** Process 1 of the sandbox; signals go to it. For `execInside`, `attachInput` and the namespaces below `/proc/PID/ns`. */
  readonly init: ProcessIdentity;
  /** The process that watches: alive as long as there is anything of the sandbox, and until `exit` is written. To kill it is to kill all. */
  readonly monitor: ProcessIdentity;
}

const EXIT = "exit";

/** How a detached sandbox ended; undefined while it has not. Where the monitor was killed there never will be anything. */
export function readExit(folder: string): { readonly code: number; readonly at: Date } | undefined {
  const path = join(folder, EXIT);
  try {
    return { code: Number.parseInt(readFileSync(path, "latin1"), 10), at: statSync(path).mtime };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

// Signatures to come:
// startDetached(spec: SandboxSpec, place: DetachedPlace, task: Task, machine?: Machine): Promise<DetachedSandbox>
// attachInput(init: ProcessIdentity, io: Pick<SandboxIo, "stdin">, task: Task): Promise<void>: brings nought's standard input (and the size of
//   its terminal) to a detached sandbox until the input ends or the task is stopped; what it writes is read from `log`.
