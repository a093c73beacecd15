import { rmSync, type Stats } from "node:fs";
import { join } from "node:path";
import { quietly } from "../kit/atomic.ts";
import { lookAt, namesIn } from "../kit/look.ts";

/** What the cache of packages holds. Bytes on disk, without what is being written. */
export interface DebianUsage {
  readonly files: number;
  readonly bytes: number;
}

const FOLDERS = ["suites", "index", "debs"] as const;

/** How much is in a cache of packages (`join(store.dir, "debian")`); nothing where there is none. Throws STORAGE. */
export function debianUsage(dir: string): DebianUsage {
  let files = 0;
  let bytes = 0;
  for (const { facts } of entries(dir)) {
    files++;
    bytes += facts.size;
  }
  return { files, bytes };
}

/**
 * Removes packages and indexes that were written before a time (milliseconds since the epoch; without it all of them). What was seen of
 * suites stays unless everything goes: it is what tells that a mirror went back in time. Readers that have a file open keep it; all of it
 * can be fetched again. Returns what was freed. Throws STORAGE.
 */
export function pruneDebian(dir: string, before = Number.POSITIVE_INFINITY): DebianUsage {
  let files = 0;
  let bytes = 0;
  for (const { folder, path, facts } of entries(dir)) {
    if (facts.mtimeMs >= before || (folder === "suites" && before !== Number.POSITIVE_INFINITY)) continue;
    quietly(() => {
      rmSync(path);
      files++;
      bytes += facts.size;
    });
  }
  return { files, bytes };
}

function* entries(dir: string): Generator<{ readonly folder: string; readonly path: string; readonly facts: Stats }> {
  for (const folder of FOLDERS) {
    for (const name of namesIn(join(dir, folder))) {
      const path = join(dir, folder, name);
      const facts = lookAt(path);
      if (facts?.isFile()) yield { folder, path, facts };
    }
  }
}
