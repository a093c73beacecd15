import { Failure } from "../kit/error.ts";
import { ownIdentity } from "../kit/liveness.ts";
import { startDetached } from "../sandbox/detached.ts";
import type { Machine } from "../sandbox/machine.ts";
import type { Task } from "../task/task.ts";
import type { Container } from "./face.ts";
import { asStartFailure, freshWork } from "./foreground.ts";
import { joinedNamespaces } from "./joined.ts";
import { LOG_LIMIT } from "./log-write.ts";
import { machineFor } from "./machine.ts";
import { publishedPorts } from "./ports.ts";
import { noteEnded, noteStarted, noteStarting } from "./process.ts";
import { programBelow } from "./runtime-program.ts";
import { specOf } from "./spec.ts";

/**
 * Starts a container that goes on when this process has ended: a small process of the helper watches it, keeps its output and writes down
 * how it ended. Settles once its program runs. Throws what startDetached throws, with docker's exit codes.
 */
export async function startContainer(store: string, container: Container, task: Task, machine: Machine = {}): Promise<void> {
  const { record, places } = container;
  let begun = false;
  try {
    const ports = await publishedPorts(record);
    const spec = specOf(store, container, joinedNamespaces(store, record, ports, task));
    const started = { at: Date.now(), watcher: ownIdentity(), ports };
    await noteStarting(places, record.name, started);
    begun = true;
    freshWork(places.work);
    const place = { folder: places.dir, logLimit: LOG_LIMIT, keepInput: record.options.interactive };
    const { init, monitor } = await startDetached(spec, place, task, machineFor(machine, record));
    noteStarted(places, { ...started, watcher: monitor }, init);
    const program = machine.runtime ? await programBelow(init) : undefined;
    if (program) noteStarted(places, { ...started, watcher: monitor }, program);
  } catch (error) {
    const failure = asStartFailure(error);
    if (begun) noteEnded(places, failure instanceof Failure ? failure.exit : 125, (failure as Error).message);
    throw failure;
  }
}
