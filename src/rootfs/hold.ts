import { appendFileSync, mkdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { quietly } from "../kit/atomic.ts";
import { livenessOf, makerOf, uniqueToken } from "../kit/liveness.ts";
import { acquireLock } from "../kit/lock.ts";
import { lookAt, namesIn } from "../kit/look.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { orStorageFailure } from "../kit/storage-failure.ts";

/** A million names. */
const HELD_BYTES = 65 << 20;

const UNKNOWN_GRACE_MS = 7 * 24 * 3_600_000;

/** Where a store keeps unpacked layers. */
export function lowersFolder(store: string): string {
  return join(store, "rootfs");
}

/** The files in which this process says which unpacked layers it uses, by store. They end with the process. */
const own = new Map<string, { readonly path: string; readonly names: Set<string> }>();

/**
 * Does something while nobody removes unpacked layers. Who looks for one says first that he uses it (holdLowers), in here; so what he
 * finds stays.
 */
export async function whileNoneRemoved<T>(store: string, work: () => T): Promise<T> {
  const place = join(lowersFolder(store), "lock");
  orStorageFailure("could not create", place, () => mkdirSync(place, { recursive: true, mode: 0o700 }));
  using _lock = await acquireLock(place);
  return work();
}

/** Says that this process uses these unpacked layers, for as long as it lives. Throws STORAGE, NO_SPACE. */
export function holdLowers(store: string, names: readonly string[]): void {
  const folder = join(lowersFolder(store), "users");
  const mine = own.get(store) ?? begin(store, folder);
  const fresh = names.filter((name) => !mine.names.has(name));
  if (fresh.length === 0) return;
  orStorageFailure("could not write", mine.path, () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    appendFileSync(mine.path, `${fresh.join("\n")}\n`, { mode: 0o600 });
  });
  for (const name of fresh) mine.names.add(name);
}

function begin(store: string, folder: string): { readonly path: string; readonly names: Set<string> } {
  if (own.size === 0)
    process.once("exit", () => {
      for (const { path } of own.values()) quietly(() => unlinkSync(path));
    });
  const mine = { path: join(folder, uniqueToken()), names: new Set<string>() };
  own.set(store, mine);
  return mine;
}

/**
 * Whether the file at a path, which a process named after itself while it lives, is left over. Of a process of another pid namespace (a
 * container
 * that the store is mounted into) nobody can tell: its file counts for a week.
 */
export function isAbandoned(path: string, token: string): boolean {
  const maker = makerOf(token);
  const state = maker === undefined ? "dead" : livenessOf(maker);
  return state === "unknown" ? Date.now() - (lookAt(path)?.mtimeMs ?? 0) > UNKNOWN_GRACE_MS : state === "dead";
}

/** The names of unpacked layers that living processes use, this one included. What dead ones left is removed. Throws STORAGE. */
export function heldLowers(store: string): Set<string> {
  const folder = join(lowersFolder(store), "users");
  const held = new Set<string>();
  for (const token of namesIn(folder)) {
    const path = join(folder, token);
    if (isAbandoned(path, token)) {
      quietly(() => unlinkSync(path));
      continue;
    }
    const text = orStorageFailure("could not read", path, () => readSmallFile(path, HELD_BYTES)?.toString("latin1") ?? "");
    for (const name of text.split("\n")) if (name !== "") held.add(name);
  }
  return held;
}
