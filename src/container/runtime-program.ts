import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { identityOf, type ProcessIdentity } from "../kit/liveness.ts";

/** Milliseconds that a runtime may take to start the program, and between two looks. */
const PATIENCE = 5000;
const PAUSE = 10;

/**
 * The program that a real runtime (crun, runc) has started: the one below it that has a root of its own. What the sandbox tells is the
 * runtime's own process, whose files are still the machine's. Undefined where the program ended, or was never started.
 */
export async function programBelow(runtime: ProcessIdentity): Promise<ProcessIdentity | undefined> {
  for (let waited = 0; waited < PATIENCE && identityOf(runtime.pid)?.start === runtime.start; waited += PAUSE) {
    const found = lookBelow(runtime.pid, namespaceOf(runtime.pid), nameOf(runtime.pid) ?? "");
    if (found !== undefined) return identityOf(found);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  return undefined;
}

/**
 * Throws CONFLICT where the process of a container is still its runtime: to enter that would be to enter the machine. A runtime that
 * prepares a program has its name; so may a program, which then cannot be entered.
 */
export function requireProgram(runtime: string | undefined, { pid }: ProcessIdentity): void {
  if (runtime === undefined) return;
  if (isOf(runtime, nameOf(pid)))
    throw new Failure("CONFLICT", `the program in the container was not yet started by ${runtime}`, { hint: "Try again in a moment." });
}

function nameOf(pid: number): string | undefined {
  return attempt(() => readFileSync(`/proc/${pid}/comm`, "latin1").trim());
}

/** Whether a process is still the runtime, at whatever it does to prepare: `runc:[2:INIT]`. */
function isOf(runtime: string, name: string | undefined): boolean {
  return name !== undefined && (name === runtime || name.startsWith(`${runtime}:`));
}

function lookBelow(pid: number, namespace: string | undefined, runtime: string): number | undefined {
  for (const child of childrenOf(pid)) {
    const own = namespaceOf(child);
    // Runtimes have helpers of their own that set the namespaces up; what counts has become another program.
    if (own !== undefined && own !== namespace && !isOf(runtime, nameOf(child))) return child;
    const below = lookBelow(child, namespace, runtime);
    if (below !== undefined) return below;
  }
  return undefined;
}

/** Children of all threads: runc has several. */
function childrenOf(pid: number): readonly number[] {
  const threads = attempt(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  return threads.flatMap((thread) =>
    (attempt(() => readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1")) ?? "").split(" ").filter(Boolean).map(Number),
  );
}

function namespaceOf(pid: number): string | undefined {
  return attempt(() => readlinkSync(`/proc/${pid}/ns/mnt`));
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
