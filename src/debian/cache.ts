import { closeSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { createPrivate, quietly, writeFully } from "../kit/atomic.ts";
import { livenessOf, makerOf, uniqueToken } from "../kit/liveness.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { orStorageFailure } from "../kit/storage-failure.ts";

/**
 * The folder in which indexes and .debs are kept. Everything in it can be fetched again; only its owner may enter. Files:
 * `suites/KEY` what was last seen of a suite at a mirror, `index/SUM` a package index with tables of its names, `debs/SHA256` packages,
 * `tmp/` what is being written.
 */
export interface Cache {
  /** The path of a file; its folder is made. */
  path(kind: "suites" | "index" | "debs", name: string): string;
  /** A fresh name for a file that is being written, on the same file system. */
  temporary(): string;
  /** At most `limit` bytes; undefined where missing. */
  read(path: string, limit: number): Buffer | undefined;
  /** Whole or not at all. Throws STORAGE, NO_SPACE. */
  write(path: string, ...parts: readonly Uint8Array[]): void;
  /** An empty private file; the caller closes it and renames or removes it. */
  create(): { readonly fd: number; readonly path: string };
}

/** The cache in a folder, which is made when something is first written. Removes what dead processes left half-written. */
export function openCache(dir: string): Cache {
  const folder = (path: string) => {
    orStorageFailure("could not create", path, () => mkdirSync(path, { recursive: true, mode: 0o700 }));
    return path;
  };
  sweep(join(dir, "tmp"));
  const temporary = () => join(folder(join(dir, "tmp")), uniqueToken());
  return {
    path: (kind, name) => join(dir, kind, name),
    temporary,
    read: (path, limit) => orStorageFailure("could not read", path, () => readSmallFile(path, limit)),
    write(path, ...parts) {
      folder(dirname(path));
      const temporaryPath = temporary();
      orStorageFailure("could not write", path, () => {
        const fd = createPrivate(temporaryPath);
        try {
          for (const part of parts) writeFully(fd, part);
          closeSync(fd);
          renameSync(temporaryPath, path);
        } catch (error) {
          discard({ fd, path: temporaryPath });
          throw error;
        }
      });
    },
    create() {
      folder(join(dir, "debs"));
      const path = temporary();
      return { path, fd: orStorageFailure("could not write", path, () => createPrivate(path)) };
    },
  };
}

/** Closes and removes a file that is not to be kept. */
export function discard(file: { readonly fd: number; readonly path: string }): void {
  quietly(() => closeSync(file.fd));
  quietly(() => rmSync(file.path, { force: true }));
}

function sweep(folder: string): void {
  quietly(() => {
    if (statSync(folder, { throwIfNoEntry: false }) === undefined) return;
    for (const name of readdirSync(folder)) {
      const who = makerOf(name);
      if (who && livenessOf(who) === "dead") quietly(() => rmSync(join(folder, name), { force: true }));
    }
  });
}
