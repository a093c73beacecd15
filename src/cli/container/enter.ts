import { findContainer } from "../../container/face.ts";
import { containerNamed } from "../../container/joined.ts";
import type { RunOptions } from "../../container/record.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";

/**
 * Enters the user namespace that a container has to be in: that of the container whose other namespaces it shares (`container:NAME`), since
 * those belong to it, else one of its own. A name that does not exist is told later. Throws SANDBOX.
 */
export function enterBeside(store: string, modes: Partial<Pick<RunOptions, "network" | "pid" | "ipc" | "uts">>): void {
  const names = [modes.pid, modes.ipc, modes.uts, modes.network].flatMap((mode) => containerNamed(mode ?? "") ?? []);
  enterUserNamespace(process.env, names[0] === undefined ? undefined : processNamed(store, names[0]));
}

/** The same for a container that is there already. */
export function enterForContainer(store: string, name: string): void {
  enterBeside(store, optionsOf(store, name));
}

function optionsOf(store: string, name: string): Partial<RunOptions> {
  try {
    return findContainer(store, name).record.options;
  } catch {
    return {};
  }
}

function processNamed(store: string, name: string): number | undefined {
  try {
    return findContainer(store, name).state.pid;
  } catch {
    return undefined;
  }
}
