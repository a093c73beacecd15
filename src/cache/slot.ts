import { closeSync, mkdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { createPrivate, quietly, replaceFile } from "../kit/atomic.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { namesIn } from "../kit/look.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { orStorageFailure, storageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestOf, hexOf } from "../oci/digest.ts";
import { isAbandoned } from "../rootfs/hold.ts";
import type { CacheMountWish, Sharing } from "./mount.ts";

/** What is written down about a cache mount. Times are milliseconds since the epoch. */
export interface CacheMountRecord {
  readonly id: string;
  readonly sharing: Sharing;
  readonly created: number;
  readonly lastUsed: number;
  readonly uses: number;
  readonly description?: string;
  /** What it began with. */
  readonly seed?: string;
  /** Bytes on disk, as they were at `measured`. */
  readonly size?: number;
  readonly measured?: number;
}

/** A directory of cache mounts' directory: `HEX-NUMBER`, with `record`, `users/` and `data/` in it. */
export interface Slot {
  readonly name: string;
  readonly dir: string;
  readonly data: string;
  readonly record: CacheMountRecord;
}

const RECORD_BYTES = 64 << 10;
/** What is kept of an id and of a description. */
const TEXT_LENGTH = 4096;

/** Where a store keeps its cache mounts. */
export function mountsFolder(store: string): string {
  return join(store, "mounts");
}

/**
 * The name that all mounts have that may stand for a wish: a hash, so that an id, whatever it is made of, never names a path (X08).
 * Mounts with another beginning or another owner and mode are others, as in BuildKit, where both are a part of what the mount is made from.
 */
export function keyOf(wish: Pick<CacheMountWish, "id" | "seed" | "mode" | "uid" | "gid">): Digest {
  const { id, seed, mode, uid, gid } = wish;
  return digestOf(JSON.stringify([id, seed ? [seed.identity, seed.source] : null, mode ?? null, uid ?? null, gid ?? null]));
}

/** All slots, or those of one key, in the order of their numbers. What has no readable record is none. Throws STORAGE. */
export function slotsIn(folder: string, key?: Digest): Slot[] {
  const found: (Slot & { readonly number: number })[] = [];
  for (const name of namesIn(folder)) {
    const [, hex = "", number = ""] = /^([0-9a-f]{64})-([0-9]{1,6})$/.exec(name) ?? [];
    if (hex === "" || (key !== undefined && hex !== hexOf(key))) continue;
    const dir = join(folder, name);
    const record = readRecord(dir);
    if (record) found.push({ name, dir, data: join(dir, "data"), record, number: Number(number) });
  }
  return found.sort((a, b) =>
    a.name.slice(0, 64) < b.name.slice(0, 64) ? -1 : a.name.slice(0, 64) > b.name.slice(0, 64) ? 1 : a.number - b.number,
  );
}

/** A name that no slot of the key has. */
export function freeName(folder: string, key: Digest): string {
  const taken = new Set(namesIn(folder));
  for (let number = 0; ; number++) {
    const name = `${hexOf(key)}-${number}`;
    if (!taken.has(name)) return name;
  }
}

/** Makes the directories of a slot that is not under its name yet. */
export function createSlot(dir: string, record: CacheMountRecord): void {
  mkdirSync(join(dir, "users"), { recursive: true, mode: 0o700 });
  writeRecord(dir, record);
}

/** Replaces what is written down. Throws STORAGE, NO_SPACE. */
export function writeRecord(dir: string, record: CacheMountRecord): void {
  const path = join(dir, "record");
  const short = { ...record, id: record.id.slice(0, TEXT_LENGTH) };
  const text = record.description === undefined ? short : { ...short, description: record.description.slice(0, TEXT_LENGTH) };
  try {
    replaceFile(join(dir, `record-${uniqueToken()}`), path, Buffer.from(`${JSON.stringify(text)}\n`));
  } catch (error) {
    throw storageFailure(error, "could not write", path);
  }
}

function readRecord(dir: string): CacheMountRecord | undefined {
  const path = join(dir, "record");
  const text = orStorageFailure("could not read", path, () => readSmallFile(path, RECORD_BYTES)?.toString("utf8"));
  try {
    return readableRecord(JSON.parse(text ?? "null"));
  } catch {
    return undefined;
  }
}

/** A record as it was written down, or undefined for what is none. Fields that make no sense are left out. */
export function readableRecord(given: unknown): CacheMountRecord | undefined {
  const value = (given ?? {}) as Partial<Record<keyof CacheMountRecord, unknown>>;
  const { id, sharing, created, lastUsed, uses, description, seed, size, measured } = value;
  const number = (one: unknown): one is number => typeof one === "number" && Number.isFinite(one) && one >= 0;
  if (typeof id !== "string" || !number(created) || !number(lastUsed) || !number(uses)) return undefined;
  return {
    id,
    sharing: sharing === "private" || sharing === "locked" ? sharing : "shared",
    created,
    lastUsed,
    uses,
    ...(typeof description === "string" ? { description } : {}),
    ...(typeof seed === "string" ? { seed } : {}),
    ...(number(size) && number(measured) ? { size, measured } : {}),
  };
}

/** How living processes use a slot; what dead ones left is removed. */
export function usersOf(slot: Pick<Slot, "dir">): ("together" | "alone")[] {
  const folder = join(slot.dir, "users");
  return namesIn(folder).flatMap((name) => {
    const [token = "", how] = name.split(".");
    if (isAbandoned(join(folder, name), token)) {
      quietly(() => unlinkSync(join(folder, name)));
      return [];
    }
    return [how === "together" ? ("together" as const) : ("alone" as const)];
  });
}

/** Writes down that this process uses a slot; what is returned ends that, and is harmless when done twice. */
export function useSlot(slot: Pick<Slot, "dir">, how: "together" | "alone"): () => void {
  const path = join(slot.dir, "users", `${uniqueToken()}.${how}`);
  try {
    closeSync(createPrivate(path));
  } catch (error) {
    throw storageFailure(error, "could not write", path);
  }
  return () => quietly(() => unlinkSync(path));
}
