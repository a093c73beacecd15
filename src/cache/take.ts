import { chmodSync, chownSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../kit/error.ts";
import { livenessOf, makerOf, uniqueToken } from "../kit/liveness.ts";
import { acquireLock, type Lock } from "../kit/lock.ts";
import { namesIn } from "../kit/look.ts";
import { printable } from "../kit/printable.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import type { Digest } from "../oci/digest.ts";
import { ownerNote } from "../rootfs/owner.ts";
import { removeTree } from "../rootfs/remove.ts";
import { type UnpackHow, unpackLayer } from "../rootfs/unpack.ts";
import type { Task } from "../task/task.ts";
import type { Draft, Entry } from "../tree/entry.ts";
import { type Path, ROOT } from "../tree/path.ts";
import type { CacheMount, CacheMountStore, CacheMountWish, CacheSeed } from "./mount.ts";
import { createSlot, freeName, keyOf, mountsFolder, type Slot, slotsIn, usersOf, useSlot, writeRecord } from "./slot.ts";

const PAUSE_MS = 100;
/** From then on the user is told what is waited for. */
const SILENCE_MS = 500;

/**
 * Takes a cache mount for one step: the one that earlier steps with this id left, else a new one, empty or filled from the seed. When
 * others use
 * it, `shared` joins those that share, `private` gets another one, and `locked` waits; `shared` beside one of the other two gets another
 * one.
 * (BuildKit, solver/llbsolver/mounts, getRefCacheDir.) `how` must be the step's own (ownHow of rootfs). `id` and numbers are checked by
 * nobody
 * else: they do not become part of a path. Throws NOT_FOUND for a seed that is not there, STORAGE, NO_SPACE, INTERRUPTED and what
 * unpackLayer throws.
 */
export async function takeCacheMount(store: CacheMountStore, wish: CacheMountWish, how: UnpackHow, task: Task): Promise<CacheMount> {
  const folder = mountsFolder(store.dir);
  // A store is made by its own hand: a folder with other things in it would be none.
  await store.temporary();
  makeMountsFolder(folder);
  const key = keyOf(wish);
  const started = performance.now();
  let told = false;
  let prepared: string | undefined;
  try {
    for (;;) {
      if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while waiting for a cache mount");
      const found = await locked(folder, () => choose(folder, key, wish, prepared));
      if (found !== "busy" && found !== "none") {
        if (found.fresh) prepared = undefined;
        return found;
      }
      if (found === "none") prepared = await prepare(folder, wish, how, task);
      else {
        if (!told && performance.now() - started >= SILENCE_MS) {
          told = true;
          task.emit({ type: "note", text: `waiting for the cache mount ${printable(wish.id)}, which another step has locked` });
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  } finally {
    if (prepared !== undefined) removeTree(prepared);
  }
}

/** Does something while no other process takes or removes cache mounts. */
export async function locked<T>(folder: string, work: () => T): Promise<T> {
  const place = join(folder, "lock");
  makeMountsFolder(place);
  using _lock: Lock = await acquireLock(place);
  return work();
}

/** Makes the folder of cache mounts where it is not there. Throws STORAGE. */
export function makeMountsFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storageFailure(error, "could not create", path);
  }
}

function choose(folder: string, key: Digest, wish: CacheMountWish, prepared: string | undefined): CacheMount | "busy" | "none" {
  const slots = slotsIn(folder, key).map((slot) => ({ slot, users: usersOf(slot) }));
  const joined = wish.sharing === "shared" ? slots.find(({ users }) => users.length > 0 && !users.includes("alone")) : undefined;
  const fit = joined ?? slots.find(({ users }) => users.length === 0);
  if (fit) return take(fit.slot, wish, false);
  if (wish.sharing === "locked" && slots.length > 0) return "busy";
  if (prepared === undefined) return "none";
  const name = freeName(folder, key);
  const dir = join(folder, name);
  try {
    renameSync(prepared, dir);
  } catch (error) {
    throw storageFailure(error, "could not make a cache mount in", dir);
  }
  return take({ name, dir, data: join(dir, "data"), record: recordOf(wish) }, wish, true);
}

function take(slot: Slot, wish: CacheMountWish, fresh: boolean): CacheMount {
  const release = useSlot(slot, wish.sharing === "shared" ? "together" : "alone");
  const { record } = slot;
  const now = Date.now();
  const used = { ...record, sharing: wish.sharing, lastUsed: now, uses: record.uses + 1 };
  try {
    writeRecord(slot.dir, wish.description === undefined ? used : { ...used, description: wish.description });
  } catch (error) {
    release();
    throw error;
  }
  return { path: slot.data, fresh, [Symbol.asyncDispose]: async () => release() };
}

function recordOf({ id, sharing, description, seed }: CacheMountWish): Slot["record"] {
  const now = Date.now();
  return {
    id,
    sharing,
    created: now,
    lastUsed: now,
    uses: 0,
    ...(description === undefined ? {} : { description }),
    ...(seed ? { seed: `${seed.identity} ${seed.source}` } : {}),
  };
}

/** A new slot under a name that nobody looks for. */
async function prepare(folder: string, wish: CacheMountWish, how: UnpackHow, task: Task): Promise<string> {
  sweepHalves(folder);
  const dir = join(folder, `half-${uniqueToken()}`);
  const data = join(dir, "data");
  try {
    createSlot(dir, recordOf(wish));
    if (wish.seed) await unpackLayer(draftOf(wish.seed), wish.seed.files, data, how, task);
    else mkdirSync(data, { mode: 0o755 });
    if (wish.uid !== undefined || wish.gid !== undefined) {
      const owner = { uid: wish.uid ?? 0, gid: wish.gid ?? 0 };
      if (how.ids === "keep") chownSync(data, owner.uid, owner.gid);
      else how.calls.change([ownerNote(data, owner)]);
    }
    // After the owner, which would take bits away; and whatever the umask says.
    if (wish.mode !== undefined) chmodSync(data, wish.mode & 0o7777);
    else if (!wish.seed) chmodSync(data, 0o755);
    return dir;
  } catch (error) {
    removeTree(dir);
    throw storageFailure(error, "could not make a cache mount in", dir);
  }
}

/** A directory of a tree with all it holds, as a layer of its own. */
function draftOf({ tree, source }: CacheSeed): Draft {
  const path = tree.resolve(source);
  const top = path === undefined ? undefined : tree.get(path);
  if (path === undefined || (path !== ROOT && top?.kind !== "dir"))
    throw new Failure("NOT_FOUND", `cache mount: ${printable(source)} is no directory of what it is to begin with`);
  const root: Entry = top?.kind === "dir" ? top : { kind: "dir", path: ROOT, mode: 0o755, uid: 0, gid: 0, mtime: 0 };
  const draft: Entry[] = [{ ...root, path: ROOT }];
  for (const entry of tree.walk(path))
    if (entry.path !== path) draft.push(path === ROOT ? entry : ({ ...entry, path: entry.path.slice(path.length) as Path } as Entry));
  return draft;
}

/** Removes what processes that are gone left half-made or half-removed. Gives how many. Throws STORAGE. */
export function sweepHalves(folder: string): number {
  let swept = 0;
  for (const name of namesIn(folder)) {
    const maker = name.startsWith("half-") ? makerOf(name.slice(5)) : undefined;
    if (maker === undefined || livenessOf(maker) !== "dead") continue;
    removeTree(join(folder, name));
    swept++;
  }
  return swept;
}
