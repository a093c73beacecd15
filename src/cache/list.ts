import { renameSync } from "node:fs";
import { join } from "node:path";
import { quietly } from "../kit/atomic.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { lookAt, namesIn } from "../kit/look.ts";
import { orStorageFailure } from "../kit/storage-failure.ts";
import { removeTree } from "../rootfs/remove.ts";
import { bytesBelow } from "../rootfs/sweep.ts";
import { ownPrivileges } from "../sandbox/privileges.ts";
import { type CacheMountRecord, mountsFolder, type Slot, slotsIn, usersOf, writeRecord } from "./slot.ts";
import { locked, sweepHalves } from "./take.ts";

/** A cache mount as lists show it. */
export interface ListedMount extends CacheMountRecord {
  /** What it is called in lists: the beginning of its directory's name. */
  readonly short: string;
  readonly name: string;
  readonly data: string;
  readonly inUse: boolean;
  readonly size: number;
}

/** All cache mounts of a store, those used last first, with their sizes. Sizes of those used since they were measured are taken anew. */
export function listCacheMounts(store: string): ListedMount[] {
  return slotsIn(mountsFolder(store))
    .map((slot) => listed(slot))
    .sort((a, b) => b.lastUsed - a.lastUsed || (a.name < b.name ? -1 : 1));
}

/** Whether sizes can only be taken, and mounts only be removed, inside the user namespace that they were filled in. */
export function mountsNeedNamespace(store: string): boolean {
  return !ownPrivileges().mayMount && slotsIn(mountsFolder(store)).some(({ record }) => !isMeasured(record));
}

function isMeasured({ measured, lastUsed }: CacheMountRecord): boolean {
  return measured !== undefined && measured >= lastUsed;
}

function listed(slot: Slot): ListedMount {
  const { name, data, record } = slot;
  const inUse = usersOf(slot).length > 0;
  const facts = { ...record, name, data, inUse, short: name.endsWith("-0") ? name.slice(0, 12) : `${name.slice(0, 12)}${name.slice(64)}` };
  if (record.size !== undefined && isMeasured(record) && !inUse) return { ...facts, size: record.size };
  // Before it is looked at: what is written from now on is found by the next look.
  const measured = Date.now();
  const size = bytesBelow(data);
  if (!inUse && ownPrivileges().mayMount) quietly(() => writeRecord(slot.dir, { ...record, size, measured }));
  return { ...facts, size };
}

/**
 * Removes the cache mounts that `unwanted` picks, never one that is in use, and what was left half-made or lost its record. Gives those
 * removed.
 * Needs the rights of who filled them: inside the user namespace where it was one. Throws STORAGE.
 */
export async function removeCacheMounts(store: string, unwanted: (mount: ListedMount) => boolean): Promise<ListedMount[]> {
  const folder = mountsFolder(store);
  if (lookAt(folder) === undefined) return [];
  const chosen = listCacheMounts(store).filter((mount) => !mount.inUse && unwanted(mount));
  const removed: ListedMount[] = [];
  const halves: string[] = [];
  const putAside = (name: string) => {
    const half = join(folder, `half-${uniqueToken()}`);
    orStorageFailure("could not remove", join(folder, name), () => renameSync(join(folder, name), half));
    halves.push(half);
  };
  await locked(folder, () => {
    const slots = new Map(slotsIn(folder).map((slot) => [slot.name, slot]));
    for (const mount of chosen) {
      const slot = slots.get(mount.name);
      if (slot === undefined || usersOf(slot).length > 0 || slot.record.uses !== mount.uses) continue;
      putAside(mount.name);
      removed.push(mount);
    }
    for (const name of namesIn(folder))
      if (/^[0-9a-f]{64}-/.test(name) && !slots.has(name) && usersOf({ dir: join(folder, name) }).length === 0) putAside(name);
  });
  for (const half of halves) removeTree(half);
  sweepHalves(folder);
  return removed;
}
