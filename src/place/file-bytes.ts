import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { type Digest, hasher } from "../oci/digest.ts";
import type { Bytes } from "../oci/place.ts";

const CHUNK = 1 << 20;

/** Opens a regular file, never through a symlink at its end and never waiting for a FIFO. Throws NOT_FOUND, MANIFEST, STORAGE. */
export function openRegular(path: string, what: string): { fd: number; size: number } {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR")
      throw new Failure("NOT_FOUND", `${what} does not exist: ${printable(path)}`, { cause: error });
    if (code === "ELOOP")
      throw new Failure("MANIFEST", `${what} is a symbolic link, which is not followed: ${printable(path)}`, { cause: error });
    throw storageFailure(error, "could not open", path);
  }
  const stat = fstatSync(fd);
  if (stat.isFile()) return { fd, size: stat.size };
  closeSync(fd);
  throw new Failure("MANIFEST", `${what} is not a regular file: ${printable(path)}`);
}

/**
 * A blob that lies in an open file from `offset` on. Reading it whole verifies size and digest. Takes the descriptor over:
 * it is closed with the Bytes, unless `shared` says that somebody else does.
 */
export function fileBytes(fd: number, expect: { digest: Digest; size: number }, offset = 0, shared = false): Bytes {
  let open = true;
  return {
    size: expect.size,
    async *read(from = 0, to = expect.size) {
      const whole = from === 0 && to >= expect.size ? hasher() : undefined;
      for await (const chunk of readRange(fd, offset + from, offset + Math.min(to, expect.size))) {
        whole?.update(chunk);
        yield chunk;
      }
      const got = whole?.digest();
      if (got !== undefined && got !== expect.digest)
        throw new Failure("DIGEST", `blob ${expect.digest} has the digest ${got}: its bytes are damaged`);
    },
    async [Symbol.asyncDispose]() {
      if (open && !shared) closeSync(fd);
      open = false;
    },
  };
}

/** The bytes of an open file from `from` up to `to`, in chunks of at most 1 MiB. Throws DIGEST when the file ends before. */
export async function* readRange(fd: number, from: number, to: number): AsyncGenerator<Buffer, void, void> {
  for (let at = from; at < to; ) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, to - at));
    let read: number;
    try {
      read = readSync(fd, buffer, 0, buffer.length, at);
    } catch (error) {
      throw storageFailure(error, "could not read", "an open file");
    }
    if (read === 0) throw new Failure("DIGEST", `the file ends at byte ${at}, before the ${to} bytes that were announced`);
    yield read === buffer.length ? buffer : buffer.subarray(0, read);
    at += read;
  }
}

/** A whole small document. Throws LIMIT above `limit` bytes, and what openRegular throws. */
export function readDocument(path: string, what: string, limit: number): Buffer {
  const { fd, size } = openRegular(path, what);
  try {
    if (size > limit) throw new Failure("LIMIT", `${what} has ${size} bytes; the limit is ${limit}: ${printable(path)}`);
    const bytes = Buffer.alloc(size);
    let done = 0;
    for (let read = 1; read > 0 && done < size; done += read) read = readSync(fd, bytes, done, size - done, done);
    return bytes.subarray(0, done);
  } finally {
    closeSync(fd);
  }
}
