import { mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { quietly } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { livenessOf, makerOf, uniqueToken } from "../kit/liveness.ts";
import { namesIn } from "../kit/look.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { removeTree } from "../rootfs/remove.ts";
import { allContainers } from "./face.ts";
import { volumesFolder } from "./places.ts";

/** A volume with a name of its own. */
export interface Volume {
  readonly name: string;
  /** The directory that containers see. */
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly created: number;
  /** Names of containers that have it mounted. */
  readonly users: readonly string[];
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,200}$/;

/** All volumes with names, in the order of these. */
export function listVolumes(store: string): readonly Volume[] {
  const containers = allContainers(store);
  const found = namesIn(volumesFolder(store)).flatMap((name) => {
    const path = join(volumesFolder(store), name, "_data");
    const facts = NAME.test(name) && !name.startsWith("half-") ? statSync(path, { throwIfNoEntry: false }) : undefined;
    if (!facts?.isDirectory()) return [];
    const uses = containers.filter(({ record }) =>
      record.mounts.some((one) => one.type === "volume" && !one.anonymous && one.name === name),
    );
    return [{ name, path, created: facts.birthtimeMs || facts.ctimeMs, users: uses.map((one) => one.record.name) }];
  });
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The volume with this name. Throws NOT_FOUND in docker's words. */
export function findVolume(store: string, name: string): Volume {
  const found = listVolumes(store).find((one) => one.name === name);
  if (!found) throw new Failure("NOT_FOUND", `get ${printable(name)}: no such volume`, { hint: "`nought volume ls` shows what there is." });
  return found;
}

/** Makes an empty volume; harmless where it is there already. Throws USAGE for a name that is none, STORAGE. */
export function createVolume(store: string, name: string): void {
  if (!NAME.test(name) || name.startsWith("half-"))
    throw new Failure("USAGE", `create ${printable(name)}: "${printable(name)}" includes invalid characters for a local volume name`, {
      exit: 1,
    });
  try {
    mkdirSync(join(volumesFolder(store), name), { recursive: true, mode: 0o711 });
    mkdirSync(join(volumesFolder(store), name, "_data"), { mode: 0o755 });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw storageFailure(error, "could not make the volume", name);
  }
}

/**
 * Removes a volume. To be called where its files can be reached (enterUserNamespace). Throws CONFLICT while a container has it mounted,
 * STORAGE.
 */
export function removeVolume(store: string, volume: Volume): void {
  if (volume.users.length > 0)
    throw new Failure("CONFLICT", `remove ${volume.name}: volume is in use - [${volume.users.join(", ")}]`, {
      hint: `Remove the containers first: nought rm ${volume.users.join(" ")}`,
    });
  const half = join(volumesFolder(store), `half-${uniqueToken()}`);
  try {
    renameSync(join(volumesFolder(store), volume.name), half);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw storageFailure(error, "could not remove the volume", volume.name);
  }
  removeTree(half);
}

/** Removes what a killed process left of volumes half made or half removed. */
export function sweepVolumes(store: string): void {
  for (const name of namesIn(volumesFolder(store))) {
    const maker = name.startsWith("half-") ? makerOf(name.slice(5)) : undefined;
    if (maker && livenessOf(maker) === "dead") quietly(() => removeTree(join(volumesFolder(store), name)));
  }
}
