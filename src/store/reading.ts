import { closeSync, fstatSync, read as readInPool } from "node:fs";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { readFully } from "../kit/read-file.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { hasher } from "../oci/digest.ts";
import type { Bytes } from "../oci/place.ts";
import type { Blobs } from "./blobs.ts";

const CHUNK = 1 << 20;

/**
 * Opens a blob. A file of another size than the descriptor's is refused at once; reading from 0 to the end checks the
 * digest, and the last thing that a reader of damaged bytes gets is DIGEST. Chunks are new buffers of at most 1 MiB.
 */
export function openBytes(blobs: Blobs, what: Descriptor): Bytes {
  const path = blobs.pathOf(what.digest);
  const fd = blobs.openFile(what.digest);
  let open = true;
  let underWay: Promise<unknown> | undefined;
  const close = () => {
    if (open) closeSync(fd);
    open = false;
  };
  try {
    checkSize(blobs, what, fd);
  } catch (error) {
    close();
    throw storageFailure(error, "could not read", path);
  }
  return {
    size: what.size,
    async *read(from = 0, to = what.size) {
      const hash = from === 0 && to >= what.size ? hasher() : undefined;
      const end = Math.min(to, what.size);
      for (let at = from; at < end; ) {
        const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, end - at));
        const got = readAt(fd, chunk, at, path);
        if (got === 0) throw new Failure("DIGEST", `blob ${what.digest} became shorter while it was read: ${printable(path)}`);
        const part = got === chunk.length ? chunk : chunk.subarray(0, got);
        hash?.update(part);
        at += got;
        yield part;
      }
      if (hash && hash.digest() !== what.digest) {
        blobs.setAside(what.digest, fd);
        throw new Failure("DIGEST", `blob ${what.digest} is damaged: ${printable(path)} holds other bytes`);
      }
    },
    async *unverified(from) {
      const memory = Buffer.allocUnsafeSlow(Math.max(1, Math.min(CHUNK, what.size - from)));
      for (let at = from; at < what.size; ) {
        if (!open) return;
        const reading = readLater(fd, memory, Math.min(CHUNK, what.size - at), at, path);
        underWay = reading.catch(() => {});
        const got = await reading;
        if (got === 0) throw new Failure("DIGEST", `blob ${what.digest} became shorter while it was read: ${printable(path)}`);
        at += got;
        yield memory.subarray(0, got);
      }
    },
    async [Symbol.asyncDispose]() {
      // A descriptor must not be closed under a read: its number could be given to another file.
      await underWay;
      close();
    },
  };
}

/** On the thread pool: other blobs go on while the disk looks for these bytes. */
function readLater(fd: number, into: Buffer, size: number, at: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    readInPool(fd, into, 0, size, at, (error, got) => (error ? reject(storageFailure(error, "could not read", path)) : resolve(got)));
  });
}

/**
 * Compares the size of an open blob with its descriptor's. Throws DIGEST. Only the bytes tell which of the two is wrong: the
 * descriptor came with some image and may lie; a blob is set aside for its own sake only.
 */
export function checkSize(blobs: Blobs, what: Pick<Descriptor, "digest" | "size">, fd: number): void {
  const { size } = fstatSync(fd);
  if (size === what.size) return;
  const damaged = digestOfFile(fd, size) !== what.digest;
  if (damaged) blobs.setAside(what.digest, fd);
  throw new Failure(
    "DIGEST",
    damaged
      ? `blob ${what.digest} is damaged: ${printable(blobs.pathOf(what.digest))} has ${size} bytes instead of ${what.size}`
      : `blob ${what.digest} has ${size} bytes, but what refers to it says ${what.size}`,
  );
}

/** The digest of the first `size` bytes of an open file. */
export function digestOfFile(fd: number, size: number): string {
  const hash = hasher();
  const chunk = Buffer.allocUnsafe(CHUNK);
  for (let at = 0; at < size; ) {
    const got = readFully(fd, chunk.subarray(0, Math.min(CHUNK, size - at)), at);
    if (got === 0) break;
    hash.update(chunk.subarray(0, got));
    at += got;
  }
  return hash.digest();
}

function readAt(fd: number, chunk: Buffer, at: number, path: string): number {
  try {
    return readFully(fd, chunk, at);
  } catch (error) {
    throw storageFailure(error, "could not read", path);
  }
}
