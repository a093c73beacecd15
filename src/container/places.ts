import { join } from "node:path";
import type { ContainerMount, ContainerRecord } from "./record.ts";

/** The paths of containers in a store. Each has a folder named after its id; what is being made or removed is called `half-TOKEN`. */
export function containersFolder(store: string): string {
  return join(store, "containers");
}

/** One file for each name that is taken, holding the id. */
export function namesFolder(store: string): string {
  return join(store, "containers", "names");
}

/** Where volumes with a name of their own lie. */
export function volumesFolder(store: string): string {
  return join(store, "volumes");
}

/** The files of one container. */
export interface Places {
  readonly dir: string;
  /** The ContainerRecord. */
  readonly config: string;
  /** The process that runs, or ran last (process.ts). */
  readonly started: string;
  /** How it ended: the exit code in decimal, written when all of it is gone (sandbox/detached.ts). */
  readonly exit: string;
  /** Why it could not be started. */
  readonly failure: string;
  /** Output as frames (sandbox/frames.ts), and what came before it. */
  readonly log: string;
  readonly oldLog: string;
  /** The folder that openRoot (rootfs/open.ts) makes: what the container changed, the overlay's own, and mount points. */
  readonly root: string;
  readonly upper: string;
  readonly work: string;
  readonly stubs: string;
  readonly volumes: string;
  /** The image's users and groups (accounts.ts). */
  readonly accounts: string;
  /** While it is being made: names of the unpacked layers that it is going to use. */
  readonly claim: string;
}

/** Looks at nothing on disk. */
export function placesIn(dir: string): Places {
  return {
    dir,
    config: join(dir, "config.json"),
    started: join(dir, "started.json"),
    exit: join(dir, "exit"),
    failure: join(dir, "failure.json"),
    log: join(dir, "log"),
    oldLog: join(dir, "log.old"),
    root: join(dir, "root"),
    upper: join(dir, "root", "upper"),
    work: join(dir, "root", "work"),
    stubs: join(dir, "root", "stubs"),
    volumes: join(dir, "volumes"),
    accounts: join(dir, "accounts.json"),
    claim: join(dir, "claim.json"),
  };
}

/** The same for the container with this id. */
export function placesOf(store: string, id: string): Places {
  return placesIn(join(containersFolder(store), id));
}

/** The directory on the host behind a volume. */
export function volumePath(store: string, places: Places, volume: Extract<ContainerMount, { type: "volume" }>): string {
  return join(volume.anonymous ? places.volumes : volumesFolder(store), volume.name, "_data");
}

/** The directories of a container's root, lowest first, the stub layer last. */
export function lowersOf(store: string, places: Places, record: Pick<ContainerRecord, "lowers">): readonly string[] {
  return [...record.lowers.map((one) => join(store, one)), places.stubs];
}
