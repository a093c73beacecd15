import { existsSync, readFileSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { quietly } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { ownIdentity, type ProcessIdentity } from "../kit/liveness.ts";
import type { Task } from "../task/task.ts";
import { Beginning } from "./beginning.ts";
import { removeCgroups } from "./cgroup.ts";
import { checkSpec } from "./check-spec.ts";
import { type Launched, launch } from "./launch.ts";
import { type Machine, withProc } from "./machine.ts";
import { DETACHED, IDENTITY } from "./outer-table.ts";
import type { SandboxSpec } from "./spec.ts";

/** Where a sandbox that outlives nought leaves its traces. */
export interface DetachedPlace {
  /**
   * An absolute path of a directory that exists and belongs to this container alone, which does not run. Found there afterwards:
   * - `log`: everything that was written, as frames (frames.ts), and as the last one how it ended; a log that is there is gone on with;
   * - `monitor` and `init`: who these are, from their first moment on (see `readDetached`);
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
  /**
   * The process that watches: alive as long as there is anything of the sandbox, and until `exit` is written. To kill it is to kill all.
   */
  readonly monitor: ProcessIdentity;
}

/** How a detached sandbox ended; undefined while it has not. Where the monitor was killed there never will be anything. */
export function readExit(folder: string): { readonly code: number; readonly at: Date } | undefined {
  const path = join(folder, DETACHED.exit);
  try {
    return { code: Number.parseInt(readFileSync(path, "latin1"), 10), at: statSync(path).mtime };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Who watches and who runs, from the folder: for who finds a container whose starter was killed before it could note that. `init` is
 * missing while the sandbox is set up. Whether they live is another question (`livenessOf`).
 */
export function readDetached(folder: string): { readonly monitor?: ProcessIdentity; readonly init?: ProcessIdentity } {
  const monitor = identityIn(join(folder, DETACHED.monitor));
  const init = identityIn(join(folder, DETACHED.init));
  return { ...(monitor ? { monitor } : {}), ...(init ? { init } : {}) };
}

function identityIn(path: string): ProcessIdentity | undefined {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
  const [, boot = "", namespace, stat] = /^([0-9a-f]*) (\d+) (\d+ \(.*\).*)/s.exec(text) ?? [];
  if (stat === undefined) return undefined;
  return { ...identityOf(stat), boot, namespace: Number(namespace) };
}

/** What makes an identity one of this boot and pid namespace. */
function thisMachine(): string {
  const { boot, namespace } = ownIdentity();
  return `${boot} ${namespace} `;
}

const LOG_LIMIT = 64 << 20;

/**
 * Starts a sandbox that outlives this process: a small process of the helper, in a session of its own, watches it, keeps what it writes,
 * and notes how it ended. A full disk loses output and blocks nothing. Settles once the program runs.
 *
 * Throws as `runSandbox` does; then there is nothing left of it, in `folder` neither. When the task is stopped before, it is killed.
 */
export async function startDetached(spec: SandboxSpec, place: DetachedPlace, task: Task, machine: Machine = {}): Promise<DetachedSandbox> {
  checkSpec(spec);
  task.signal.throwIfAborted();
  const { folder, logLimit = LOG_LIMIT, keepInput = false } = place;
  return withProc(machine, spec.join?.pid === undefined, async (actual) => {
    // A container that is started again goes on with its log.
    const kept = existsSync(join(folder, DETACHED.log));
    for (const name of [DETACHED.exit, DETACHED.newExit, DETACHED.monitor, DETACHED.init]) quietly(() => unlinkSync(join(folder, name)));
    try {
      return await begin(launch(spec, { detached: { folder, logLimit, keepInput, machine: thisMachine() } }, actual), task);
    } catch (error) {
      const made = [DETACHED.exit, DETACHED.newExit, DETACHED.monitor, DETACHED.init, ...(kept ? [] : [DETACHED.log])];
      for (const name of made) quietly(() => unlinkSync(join(folder, name)));
      throw error;
    }
  });
}

async function begin(launched: Launched, task: Task): Promise<DetachedSandbox> {
  const { child, cgroups } = launched;
  const kill = () => child.kill("SIGKILL");
  task.signal.addEventListener("abort", kill, { once: true });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()).once("error", () => resolve()));
  const who = new Map<number, ProcessIdentity>();
  try {
    const beginning = await new Promise<Beginning>((resolve, reject) => {
      child.once("error", (error) =>
        reject(new Failure("SANDBOX", `the sandbox helper did not start: ${error.message}`, { cause: error })),
      );
      const told = new Beginning(
        launched,
        ({ stream, bytes }) => void who.set(stream, identityOf(bytes.toString("latin1"))),
        () => {},
      );
      // Both pipes are closed by everybody once the program runs.
      let open = 2;
      for (const at of [4, 5]) child.stdio[at]?.once("close", () => --open === 0 && resolve(told));
    });
    task.signal.throwIfAborted();
    const init = who.get(IDENTITY.init);
    const monitor = who.get(IDENTITY.monitor);
    if (beginning.failure || !init || !monitor) {
      kill();
      await ended;
      throw beginning.failure ?? new Failure("SANDBOX", "the sandbox was ended from outside before its process");
    }
    child.unref();
    return { init, monitor };
  } catch (error) {
    kill();
    await ended;
    removeCgroups(cgroups);
    throw error;
  } finally {
    task.signal.removeEventListener("abort", kill);
  }
}

/** Who a process is, by its stat: its number, and the 22nd field. proc(5). */
function identityOf(stat: string): ProcessIdentity {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { ...ownIdentity(), pid: Number.parseInt(stat, 10), start: Number(fields[19]) };
}
