import { hash } from "node:crypto";
import { lstatSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { quietly, replaceFile } from "../kit/atomic.ts";
import { assert } from "../kit/error.ts";
import { namesIn } from "../kit/look.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestFromHex, hexOf } from "../oci/digest.ts";
import type { Layout } from "./layout.ts";
import type { Session } from "./session.ts";

const SUM_BYTES = 32;
/** A file beyond this reads as cut, hence as missing. The index of five million entries is below it. */
const DERIVED_BYTES = 2 ** 30;

/**
 * Files that can be made again: layer indexes (`index/`, by diffID) and scratch files (`scratch/`). Each begins with the
 * sha256 of the rest, so that a file cut by a crash or damaged by a disk is simply missing. Never synced.
 */
export interface Derived {
  readIndex(diffId: Digest): Uint8Array | undefined;
  writeIndex(diffId: Digest, bytes: Uint8Array): void;
  /** diffIDs of all index files. */
  indexes(): Digest[];
  removeIndex(diffId: Digest): number;
  readScratch(name: string): Uint8Array | undefined;
  writeScratch(name: string, bytes: Uint8Array): void;
}

/** The derived files of a store: indexes of layers, scratch files. Each carries its own hash, so that a damaged one counts as missing. */
export function createDerived(layout: Layout, session: Session): Derived {
  const write = (path: string, bytes: Uint8Array) => {
    const temporary = session.temporary();
    try {
      replaceFile(temporary, path, Buffer.concat([hash("sha256", bytes, "buffer"), bytes]));
    } catch (error) {
      throw storageFailure(error, "could not write", path);
    }
  };
  const scratch = (name: string) => {
    assert(/^[a-z0-9-]{1,100}$/.test(name), `a scratch file cannot be called ${name}`);
    return join(layout.scratch, name);
  };
  return {
    readIndex: (diffId) => readChecked(join(layout.index, hexOf(diffId))),
    writeIndex(diffId, bytes) {
      session.lease([diffId], true);
      write(join(layout.index, hexOf(diffId)), bytes);
    },
    indexes: () =>
      namesIn(layout.index)
        .filter((name) => /^[0-9a-f]{64}$/.test(name))
        .map(digestFromHex),
    removeIndex(diffId) {
      let bytes = 0;
      quietly(() => {
        const path = join(layout.index, hexOf(diffId));
        const { size } = lstatSync(path);
        unlinkSync(path);
        bytes = size;
      });
      return bytes;
    },
    readScratch: (name) => readChecked(scratch(name)),
    writeScratch: (name, bytes) => write(scratch(name), bytes),
  };
}

/** The bytes after the check sum, or undefined where the file is missing or damaged. */
function readChecked(path: string): Uint8Array | undefined {
  let whole: Buffer | undefined;
  try {
    whole = readSmallFile(path, DERIVED_BYTES);
  } catch {
    // What cannot be read can be made again.
  }
  if (whole === undefined) return undefined;
  const bytes = whole.subarray(SUM_BYTES);
  return whole.length >= SUM_BYTES && hash("sha256", bytes, "buffer").equals(whole.subarray(0, SUM_BYTES)) ? bytes : undefined;
}
