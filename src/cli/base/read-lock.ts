import { renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { formatLock, LOCK_BYTES, type Lock, parseLock } from "../../base/lock.ts";
import { readSmallFile } from "../../kit/read-file.ts";
import { storageFailure } from "../../kit/storage-failure.ts";

/** Reads a lock file; undefined where there is none. Throws PACKAGE, LIMIT, STORAGE. */
export function readLock(path: string): Lock | undefined {
  const bytes = readSmallFile(path, LOCK_BYTES);
  return bytes && parseLock(bytes, path);
}

/** Writes a lock file, whole or not at all. Throws STORAGE, NO_SPACE. */
export function writeLock(path: string, lock: Lock): void {
  const full = resolve(path);
  const temporary = join(dirname(full), `.nought-lock-${process.pid}.tmp`);
  try {
    writeFileSync(temporary, formatLock(lock), { flag: "wx" });
    renameSync(temporary, full);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw storageFailure(error, "could not write", full);
  }
}
