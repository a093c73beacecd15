import { Failure } from "../kit/error.ts";
import { livenessOf } from "../kit/liveness.ts";
import { printable } from "../kit/printable.ts";
import { type Container, readContainer } from "./face.ts";
import { type ContainerState, readState, runningProcess } from "./process.ts";
import { signalNumber, signalProcess } from "./signal.ts";

/** Seconds between the request to stop and the end of patience, unless the container or the user says otherwise: docker's. */
const PATIENCE = 10;
/** Milliseconds between two looks at whether something has ended. */
const PAUSE = 10;
/** After SIGKILL the kernel may need a moment, and the watcher to write down how it ended; seconds. */
const GRACE = 10;

/**
 * Stops a container: its stop signal, and after the timeout (seconds; −1 for never) SIGKILL. Returns when it has ended and that is written
 * down. Harmless for one that does not run. Throws USAGE for a bad signal, SANDBOX where it does not end.
 */
export async function stopContainer(
  { record, places }: Container,
  options: { readonly signal?: string; readonly timeout?: number },
  cancel: AbortSignal,
): Promise<void> {
  const process = runningProcess(places);
  if (!process) return;
  const signal = signalNumber(options.signal ?? (record.config.StopSignal || "SIGTERM"));
  const timeout = options.timeout ?? record.options.stopTimeout ?? PATIENCE;
  signalProcess(process, signal);
  const patient = timeout < 0 ? Number.POSITIVE_INFINITY : timeout * 1000;
  if (!(await until(() => livenessOf(process) === "dead", patient, cancel))) signalProcess(process, signalNumber("SIGKILL"));
  if (!(await until(() => ended(readState(places)), GRACE * 1000, cancel)))
    throw new Failure("SANDBOX", `container ${printable(record.name)} did not end although it was killed`);
}

/** Sends a signal. Throws CONFLICT for a container that does not run, in docker's words. */
export function killContainer({ record, places }: Container, signal: string): void {
  const number = signalNumber(signal);
  const process = runningProcess(places);
  if (!process || !signalProcess(process, number))
    throw new Failure("CONFLICT", `cannot kill container: ${record.name}: container ${record.id} is not running`, {
      hint: "`nought ps -a` shows the state of every container.",
    });
}

/** Kills a container and waits until it is over: for `rm -f`. */
export async function killAndWait(container: Container, cancel: AbortSignal): Promise<void> {
  await stopContainer(container, { signal: "SIGKILL", timeout: GRACE }, cancel);
}

/** Waits for the end of a container and gives its exit code; at once for one that does not run. Throws INTERRUPTED. */
export async function waitContainer(store: string, { record }: Container, cancel: AbortSignal): Promise<number> {
  let state: ContainerState | undefined;
  await until(
    () => {
      // A container with --rm is gone when it has ended.
      const now = readContainer(store, record.id)?.state;
      if (now) state = now;
      return now === undefined || ended(now);
    },
    Number.POSITIVE_INFINITY,
    cancel,
  );
  return state?.ended?.code ?? 0;
}

/** Whether it is over and that is written down, or nobody is left who could. */
function ended(state: ContainerState): boolean {
  if (state.status === "running") return false;
  return state.started === undefined || state.ended !== undefined || livenessOf(state.started.watcher) === "dead";
}

async function until(done: () => boolean, patience: number, cancel: AbortSignal): Promise<boolean> {
  const start = performance.now();
  while (!done()) {
    cancel.throwIfAborted();
    if (performance.now() - start > patience) return false;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  return true;
}
