import { identityOf, livenessOf, type ProcessIdentity } from "../kit/liveness.ts";
import { readDocument, writeDocument } from "./documents.ts";
import type { Places } from "./places.ts";

/** A container's process and those that serve it. */
export interface Started {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Process 1 of the container, as the host sees it. Absent while it is being started. */
  readonly process?: ProcessIdentity;
  /** Who watches it and writes down how it ended: nought itself in the foreground, else the helper. */
  readonly watcher: ProcessIdentity;
  /** The process that keeps the container's network, if there is one. */
  readonly network?: ProcessIdentity;
  /** Ports as they were published, none of them 0. */
  readonly ports?: readonly { readonly port: number; readonly protocol: "tcp" | "udp"; readonly host: string; readonly hostPort: number }[];
}

/** How a container's process ended. */
export interface Ended {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly code: number;
  /** Why it could not be started. */
  readonly error?: string;
}

/** In docker's words. `created` was never started; `dead` was made by a nought that ended before it could write down how. */
export interface ContainerState {
  readonly status: "created" | "running" | "exited";
  /** Process 1 of a running container as the host sees it. */
  readonly pid?: number;
  readonly started?: Started;
  readonly ended?: Ended;
}

/**
 * What state a container is in. A process number alone says nothing: its start time and the boot must be those that were written down.
 * A process of another pid namespace cannot be seen from here and counts as running.
 */
export function readState(places: Places): ContainerState {
  const started = readDocument(places.started) as Started | undefined;
  if (started === undefined) {
    const ended = readDocument(places.exit) as Ended | undefined;
    return ended ? { status: "created", ended } : { status: "created" };
  }
  const alive = started.process !== undefined && livenessOf(started.process) !== "dead";
  if (alive && started.process) return { status: "running", pid: started.process.pid, started };
  const ended = readDocument(places.exit) as Ended | undefined;
  // It is starting, or its end is about to be written down.
  if (ended === undefined && livenessOf(started.watcher) !== "dead" && started.process === undefined) return { status: "created", started };
  // A watcher that was killed takes the container with it, and nobody is left to say so.
  return { status: "exited", started, ended: ended ?? { at: started.at, code: 137 } };
}

/** Whether it runs, and as which process. Undefined once it has ended. */
export function runningProcess(places: Places): ProcessIdentity | undefined {
  const started = readDocument(places.started) as Started | undefined;
  return started?.process && livenessOf(started.process) !== "dead" ? started.process : undefined;
}

/** Writes down which process it is. */
export function noteStarted(places: Places, started: Omit<Started, "process"> & { readonly pid?: number }): void {
  const { pid, ...rest } = started;
  const process = pid === undefined ? undefined : identityOf(pid);
  writeDocument(places.started, { ...rest, ...(process ? { process } : {}) });
}

export function noteEnded(places: Places, ended: Ended): void {
  writeDocument(places.exit, ended);
}
