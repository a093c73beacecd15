import { constants, fstatSync, openSync, readSync } from "node:fs";
import { encodeName } from "../kit/bytes.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import type { Digest } from "../oci/digest.ts";
import type { Content } from "./entry.ts";
import { sameStamp, stampOf } from "./stamp.ts";

type HostContent = Content & { readonly in: "host" };

/** The name to hand to fs calls: plain strings stay strings (faster), names with bytes that are not UTF-8 become buffers. */
export function fsName(path: string): string | Buffer {
  return /[\udc80-\udcff]/.test(path) ? encodeName(path) : path;
}

/**
 * Opens a file of the context for reading, never through a symlink at its end, never waiting for a FIFO. That it is the file that
 * lstat saw is checked by `stillTheSame` after reading. Throws CHANGED, CONTEXT, or STORAGE.
 */
export function openHostFile(content: HostContent): number {
  try {
    return openSync(fsName(content.path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = errnoOf(error) ?? "";
    if (code === "EACCES" || code === "EPERM") throw new Failure("CONTEXT", `cannot read ${printable(content.path)}: permission denied`);
    throw GONE.has(code) ? changed(content.path, error) : storageFailure(error, "cannot read", content.path);
  }
}

/** What opening or reading says when the file that lstat saw is not there any more, or is something else now. */
const GONE = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "EISDIR", "ESPIPE", "EAGAIN"]);

/** Compares an open file with the stamp it was found with. Throws CHANGED. */
export function stillTheSame(fd: number, content: HostContent): void {
  if (!sameStamp(stampOf(fstatSync(fd)), content.stamp)) throw changed(content.path);
}

/** Reads exactly `length` bytes at `position` of a host file into `buffer` at `at`. Throws CHANGED when the file ends early, STORAGE. */
export function readExactly(fd: number, buffer: Buffer, at: number, length: number, position: number, path: string): void {
  try {
    if (!readAll(fd, buffer, at, length, position)) throw changed(path);
  } catch (error) {
    throw GONE.has(errnoOf(error) ?? "") ? changed(path, error) : storageFailure(error, "cannot read", path);
  }
}

/** The same for the plain tar of a layer, whose index says that the bytes are there. Throws DIGEST when they are not, STORAGE. */
export function readLayer(fd: number, buffer: Buffer, at: number, length: number, position: number, diffId: Digest): void {
  let whole: boolean;
  try {
    whole = readAll(fd, buffer, at, length, position);
  } catch (error) {
    throw storageFailure(error, "cannot read layer", diffId);
  }
  if (!whole) throw damagedLayer(diffId, "it is shorter than its index says");
}

/** What to say of a layer whose bytes are not those that its index speaks of. */
export function damagedLayer(diffId: Digest, what: string): Failure {
  return new Failure("DIGEST", `layer ${diffId}: ${what}`, {
    hint: "The store is damaged: remove the image and its cache (`nought builder prune -a`) and build or load it again.",
  });
}

/** False where the file ends before. */
function readAll(fd: number, buffer: Buffer, at: number, length: number, position: number): boolean {
  for (let done = 0; done < length; ) {
    const read = readSync(fd, buffer, at + done, length - done, position + done);
    if (read === 0) return false;
    done += read;
  }
  return true;
}

function changed(path: string, cause?: unknown): Failure {
  return new Failure("CHANGED", `${printable(path)} changed while it was being read`, cause === undefined ? {} : { cause });
}
