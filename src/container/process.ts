import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../kit/error.ts";
import { livenessOf, type ProcessIdentity } from "../kit/liveness.ts";
import { acquireLock, type Lock } from "../kit/lock.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { readDetached, readExit } from "../sandbox/detached.ts";
import type { PublishedPort } from "../sandbox/network-program.ts";
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
  /** Ports as they were published, none of them 0. */
  readonly ports: readonly PublishedPort[];
}

/** How a container's process ended. */
export interface Ended {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly code: number;
  /** Why it could not be started. */
  readonly error?: string;
}

/** In docker's words. */
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
  const started = readStarted(places);
  if (started === undefined) return { status: "created" };
  const alive = started.process !== undefined && livenessOf(started.process) !== "dead";
  if (alive && started.process) return { status: "running", pid: started.process.pid, started };
  const ended = readEnded(places);
  if (ended === undefined && livenessOf(started.watcher) !== "dead") {
    // It is being started, or its end is about to be written down.
    return started.process === undefined ? { status: "created", started } : { status: "exited", started };
  }
  // A watcher that was killed takes the container with it, and nobody is left to say so.
  return { status: "exited", started, ended: ended ?? { at: started.at, code: 137 } };
}

/** What was written down at the start; by the sandbox itself, where nought was killed before it could. */
function readStarted(places: Places): Started | undefined {
  const started = readDocument(places.started) as Started | undefined;
  if (started === undefined || started.process !== undefined || livenessOf(started.watcher) !== "dead") return started;
  const { init, monitor } = readDetached(places.dir);
  return { ...started, ...(init ? { process: init } : {}), ...(monitor ? { watcher: monitor } : {}) };
}

function readEnded(places: Places): Ended | undefined {
  const exit = readExit(places.dir);
  if (exit === undefined) return undefined;
  const failure = readDocument(places.failure);
  return { at: exit.at.getTime(), code: exit.code, ...(typeof failure === "string" ? { error: failure } : {}) };
}

/** Whether somebody is starting it at this moment. */
export function isStarting({ status, started }: ContainerState): boolean {
  return status === "created" && started !== undefined;
}

/** While this is held, nobody else starts the container. Throws STORAGE. */
export async function lockStart(places: Places): Promise<Lock> {
  const folder = join(places.dir, "starting");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storageFailure(error, "could not start", places.dir);
  }
  return acquireLock(folder);
}

/**
 * Writes down that it is about to start: whatever is known of an earlier time is gone. Of several that want to start it one does. Throws
 * CONFLICT where it runs or is being started, STORAGE.
 */
export async function noteStarting(places: Places, name: string, started: Omit<Started, "process">): Promise<void> {
  using _lock = await lockStart(places);
  const now = readState(places);
  if (now.status === "running" || isStarting(now))
    throw new Failure("CONFLICT", `container ${name} runs already`, { hint: `See what it says: nought logs ${name}` });
  for (const one of [places.exit, places.failure, join(places.dir, "monitor"), join(places.dir, "init")]) rmSync(one, { force: true });
  writeDocument(places.started, started);
}

/** Writes down which process it is. */
export function noteStarted(places: Places, started: Omit<Started, "process">, process: ProcessIdentity | undefined): void {
  writeDocument(places.started, { ...started, ...(process ? { process } : {}) });
}

/** Writes down how it ended, as the helper does for detached containers. */
export function noteEnded(places: Places, code: number, error?: string): void {
  if (error !== undefined) writeDocument(places.failure, error);
  writeDocument(places.exit, code);
}

/** Process 1 of a running container; undefined where it has ended or was never started. */
export function runningProcess(places: Places): ProcessIdentity | undefined {
  const started = readStarted(places);
  return started?.process && livenessOf(started.process) !== "dead" ? started.process : undefined;
}
