import { mkdirSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { identityOf, ownIdentity } from "../kit/liveness.ts";
import { removeTree } from "../rootfs/remove.ts";
import type { Machine } from "../sandbox/machine.ts";
import { runSandbox } from "../sandbox/run.ts";
import type { SandboxControl, SandboxExit, SandboxIo } from "../sandbox/spec.ts";
import type { Task } from "../task/task.ts";
import type { Container } from "./face.ts";
import { joinedNamespaces } from "./joined.ts";
import { machineFor } from "./machine.ts";
import { publishedPorts } from "./ports.ts";
import { noteEnded, noteStarted, noteStarting } from "./process.ts";
import { programBelow } from "./runtime-program.ts";
import { specOf } from "./spec.ts";

/**
 * Starts a container and waits for its end. It ends with this process, however that ends; then nobody writes down how, and the container
 * counts as killed. Throws what runSandbox throws, with docker's exit codes: 127 for a program that is not there, 126 for one that
 * may not be run, 125 for the rest.
 */
export async function runForeground(
  store: string,
  container: Container,
  io: SandboxIo,
  task: Task,
  machine: Machine = {},
): Promise<SandboxExit> {
  const { record, places } = container;
  let begun = false;
  try {
    const ports = await publishedPorts(record);
    const spec = specOf(store, container, joinedNamespaces(store, record, ports, task));
    const started = { at: Date.now(), watcher: ownIdentity(), ports };
    await noteStarting(places, record.name, started);
    begun = true;
    freshWork(places.work);
    const told = (control: SandboxControl) => {
      const process = identityOf(control.pid);
      noteStarted(places, started, process);
      if (machine.runtime && process) void programBelow(process).then((program) => program && noteStarted(places, started, program));
      io.started?.(control);
    };
    const exit = await runSandbox(spec, { ...io, started: told }, task, machineFor(machine, record));
    noteEnded(places, exit.code);
    return exit;
  } catch (error) {
    const failure = asStartFailure(error);
    if (begun) noteEnded(places, failure instanceof Failure ? failure.exit : 125, (failure as Error).message);
    throw failure;
  }
}

/** An overlay wants an empty directory of its own; what is left in it belongs to a mount that is gone. */
export function freshWork(path: string): void {
  removeTree(path);
  mkdirSync(path, { mode: 0o700 });
}

/** The same failure with the exit code that docker has for it. */
export function asStartFailure(error: unknown): unknown {
  if (!(error instanceof Failure) || error.code === "INTERRUPTED") return error;
  if (error.exit === 126 || error.exit === 127) return error;
  return new Failure(error.code, error.message, { ...(error.hint === undefined ? {} : { hint: error.hint }), cause: error, exit: 125 });
}
