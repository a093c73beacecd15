import { accessSync, closeSync, constants, mkdirSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { createPrivate, quietly, writeFully } from "../kit/atomic.ts";
import { assert } from "../kit/error.ts";
import { livenessOf, makerOf, uniqueToken } from "../kit/liveness.ts";
import { lookAt, namesIn } from "../kit/look.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { orStorageFailure, storageFailure } from "../kit/storage-failure.ts";
import type { Digest } from "../oci/digest.ts";
import { hexOf } from "../oci/digest.ts";
import { createStore, type Layout } from "./layout.ts";

/** A lease is 65 bytes: more than a million of them. */
const LEASES_BYTES = 64 << 20;
/** A process of another pid namespace cannot be asked; its folder counts as abandoned after a week without a change. */
const UNKNOWN_GRACE_MS = 7 * 24 * 3_600_000;

/**
 * The private folder of one opened store, made at the first write: temporary files, and the list of what this process
 * relies on although nothing refers to it yet (its leases). A collection spares everything leased by a living process.
 */
export interface Session {
  /** Makes the store and the private folder where they are missing. Throws STORAGE. */
  begin(): void;
  /** A fresh name in the private folder, which is made at first use. */
  temporary(): string;
  /**
   * Writes down that these blobs are in use, before the caller looks whether they exist. Where the store cannot be written
   * (read-only), nothing happens unless `must` is set: who cannot write cannot be collected beside, either.
   */
  lease(digests: readonly Digest[], must?: boolean): void;
  /** Removes the private folder. */
  end(): void;
}

/** A session of the store; `present` says whether the store exists already. Nothing is made on disk before `begin`. */
export function createSession(layout: Layout, present: () => boolean): Session {
  let folder: string | undefined;
  let leases: number | undefined;
  let count = 0;
  let created = false;
  let unwritable = false;
  let ended = false;
  const leased = new Set<string>();

  const open = (): string => {
    if (folder !== undefined) return folder;
    assert(!ended, "the store was closed while something still wrote to it");
    const path = join(layout.tmp, uniqueToken());
    try {
      mkdirSync(path, { mode: 0o700 });
      sweepSessions(layout);
    } catch (error) {
      throw storageFailure(error, "could not create", path);
    }
    folder = path;
    return path;
  };
  const begin = () => {
    if (created) return;
    createStore(layout);
    created = true;
  };
  return {
    begin,
    temporary() {
      begin();
      return join(open(), String(count++));
    },
    lease(digests, must = false) {
      const fresh = digests.map(hexOf).filter((hex) => !leased.has(hex));
      if (fresh.length === 0 || (!must && (unwritable || !present()))) return;
      try {
        // Asked, not tried: a reader of a read-only store makes no attempt to write.
        if (!must && folder === undefined) accessSync(layout.dir, constants.W_OK);
        begin();
        if (leases === undefined) leases = createPrivate(join(open(), "leases"));
        writeFully(leases, Buffer.from(`${fresh.join("\n")}\n`, "latin1"));
      } catch (error) {
        if (must) throw storageFailure(error, "could not write to", folder ?? layout.tmp);
        unwritable = true;
        return;
      }
      for (const hex of fresh) leased.add(hex);
    },
    end() {
      ended = true;
      if (leases !== undefined) quietly(() => closeSync(leases as number));
      if (folder !== undefined) removeFolder(folder);
      leases = undefined;
      folder = undefined;
      leased.clear();
    },
  };
}

function removeFolder(folder: string): void {
  try {
    // What is left when all went well; a tenth of the time of the general way below.
    if (lookAt(join(folder, "leases")) !== undefined) unlinkSync(join(folder, "leases"));
    rmdirSync(folder);
  } catch {
    quietly(() => rmSync(folder, { recursive: true, force: true }));
  }
}

/** Removes the folders of processes that are gone. Those of living ones stay, also when the clock jumped. */
export function sweepSessions(layout: Layout): number {
  let swept = 0;
  for (const name of namesIn(layout.tmp)) {
    if (!abandoned(layout, name)) continue;
    quietly(() => {
      rmSync(join(layout.tmp, name), { recursive: true, force: true });
      swept++;
    });
  }
  return swept;
}

/** What living processes have in use, this one included, as hex digits. */
export function readLeases(layout: Layout): Set<string> {
  const found = new Set<string>();
  for (const name of namesIn(layout.tmp)) {
    if (abandoned(layout, name)) continue;
    const path = join(layout.tmp, name, "leases");
    // Missing: nothing leased yet, or its owner just ended.
    const text = orStorageFailure("could not read", path, () => readSmallFile(path, LEASES_BYTES)?.toString("latin1") ?? "");
    for (const line of text.split("\n")) if (line.length === 64) found.add(line);
  }
  return found;
}

/** Session folders of processes that no longer run. */
export function abandonedSessions(layout: Layout): string[] {
  return namesIn(layout.tmp).filter((name) => abandoned(layout, name));
}

function abandoned(layout: Layout, name: string): boolean {
  const who = makerOf(name);
  if (who === undefined) return false;
  const state = livenessOf(who);
  if (state !== "unknown") return state === "dead";
  const changed = lookAt(join(layout.tmp, name))?.mtimeMs ?? Number.POSITIVE_INFINITY;
  return Date.now() - changed > UNKNOWN_GRACE_MS;
}
