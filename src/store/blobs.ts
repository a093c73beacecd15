import { closeSync, fstatSync, readFileSync, renameSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { quietly, syncDirectory } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { lookAt } from "../kit/look.ts";
import { printable } from "../kit/printable.ts";
import { openToRead } from "../kit/read-file.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestOf, hasher, hexOf } from "../oci/digest.ts";
import type { BlobWriter } from "./face.ts";
import type { Layout } from "./layout.ts";
import type { Session } from "./session.ts";
import { blobPath, createWriter } from "./writer.ts";

/** Bytes that are written at once when a blob comes in pieces, and the size of a piece that is not gathered. */
const GATHER = 1 << 20;
const LARGE = 256 << 10;

/** The blobs of a store by digest. All paths are made from digests, which are checked by their type. */
export interface Blobs {
  pathOf(digest: Digest): string;
  /** Bytes, or undefined where it is missing. */
  sizeOf(digest: Digest): number | undefined;
  /** Opens a blob for reading. Throws NOT_FOUND, DIGEST where it was found damaged before. */
  openFile(digest: Digest): number;
  /** Sets a blob aside whose bytes are not those of its name, so that it is missing and can be stored again. */
  setAside(digest: Digest, fd: number): void;
  writer(): BlobWriter;
  put(
    bytes: AsyncIterable<Uint8Array> | Uint8Array,
    expect?: { readonly digest: Digest; readonly size: number },
  ): Promise<{ digest: Digest; size: number }>;
  /** Several small blobs at once: their syncs overlap. */
  putMany(documents: readonly Uint8Array[]): Promise<{ digest: Digest; size: number }[]>;
  /** Waits until the names of all blobs are on the disk. Must come before anything durable refers to them. */
  settle(): Promise<void>;
}

/** The blobs of the store that `layout` describes; `session` keeps what is in use from being collected. */
export function createBlobs(layout: Layout, session: Session): Blobs {
  const pathOf = (digest: Digest) => blobPath(layout, digest);

  const sizeOf = (digest: Digest): number | undefined => {
    const facts = lookAt(pathOf(digest)) ?? rescue(digest);
    return facts?.isFile() ? facts.size : undefined;
  };

  /** A running collection may have put the blob aside for the moment it takes to look at the leases again. */
  const rescue = (digest: Digest): Stats | undefined => {
    const aside = join(layout.trash, hexOf(digest));
    try {
      if (lookAt(aside) !== undefined) renameSync(aside, pathOf(digest));
    } catch {
      // Removed for good, put back by somebody else, or a store that we cannot write.
    }
    return lookAt(pathOf(digest));
  };

  const openFile = (digest: Digest): number => {
    const path = pathOf(digest);
    for (const again of [true, false]) {
      try {
        const fd = openToRead(path);
        if (fstatSync(fd).isFile()) return fd;
        closeSync(fd);
        throw new Failure("STORAGE", `${printable(path)} is not a file`);
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") throw storageFailure(error, "could not open", path);
        if (again && rescue(digest) !== undefined) continue;
        if (lookAt(join(layout.damaged, hexOf(digest))) !== undefined)
          throw new Failure(
            "DIGEST",
            `blob ${digest} was found damaged; its bytes are set aside in ${printable(join(layout.damaged, hexOf(digest)))}`,
          );
        throw new Failure("NOT_FOUND", `blob ${digest} is not in the store ${printable(layout.dir)}`);
      }
    }
    throw new Failure("NOT_FOUND", `blob ${digest} is not in the store ${printable(layout.dir)}`);
  };

  const writer = (): BlobWriter => createWriter(layout, session);

  const same = (digest: Digest, bytes: Uint8Array): boolean => {
    session.lease([digest], true);
    if (sizeOf(digest) !== bytes.byteLength) return false;
    try {
      return readFileSync(pathOf(digest)).equals(bytes);
    } catch {
      return false;
    }
  };

  const putBytes = async (bytes: Uint8Array, digest: Digest): Promise<{ digest: Digest; size: number }> => {
    session.begin();
    if (same(digest, bytes)) return { digest, size: bytes.byteLength };
    const into = writer();
    try {
      into.write(bytes);
      return await into.commit(digest, bytes.byteLength);
    } finally {
      into.abort();
    }
  };

  return {
    pathOf,
    sizeOf,
    openFile,
    writer,
    setAside(digest, fd) {
      quietly(() => {
        const [seen, now] = [fstatSync(fd), statSync(pathOf(digest))];
        if (seen.ino === now.ino && seen.dev === now.dev) renameSync(pathOf(digest), join(layout.damaged, hexOf(digest)));
      });
    },
    async put(bytes, expect) {
      if (bytes instanceof Uint8Array) {
        const digest = digestOf(bytes);
        if (expect) compare(expect, { digest, size: bytes.byteLength });
        return putBytes(bytes, digest);
      }
      const into = writer();
      try {
        const hash = hasher();
        let size = 0;
        // Small ones are copied into one of two buffers (the chunk is the caller's), which is written while the other one fills; large
        // ones are written from where they are, while they are hashed.
        let [filling, other]: [Buffer | undefined, Buffer | undefined] = [undefined, undefined];
        let fill = 0;
        let writing: Promise<void> | undefined;
        const write = async () => {
          await writing;
          writing = into.writeLater((filling as Buffer).subarray(0, fill));
          // Its failure is met at the next wait.
          writing.catch(() => {});
          [filling, other] = [other, filling];
          fill = 0;
        };
        for await (const chunk of bytes) {
          size += chunk.byteLength;
          if (expect && size > expect.size)
            throw new Failure("DIGEST", `what came for blob ${expect.digest} has more than its ${expect.size} bytes`);
          if (chunk.byteLength >= LARGE) {
            if (fill > 0) await write();
            await writing;
            writing = into.writeLater(chunk);
            writing.catch(() => {});
            hash.update(chunk);
            await writing;
            continue;
          }
          hash.update(chunk);
          for (let at = 0; at < chunk.byteLength; ) {
            filling ??= Buffer.allocUnsafeSlow(expect ? Math.max(1, Math.min(GATHER, expect.size)) : GATHER);
            const part = Math.min(filling.byteLength - fill, chunk.byteLength - at);
            filling.set(chunk.subarray(at, at + part), fill);
            at += part;
            fill += part;
            if (fill === filling.byteLength) await write();
          }
        }
        if (fill > 0) await write();
        await writing;
        const got = { digest: hash.digest(), size };
        if (expect) compare(expect, got);
        return await into.commit(got.digest, got.size);
      } finally {
        into.abort();
      }
    },
    putMany: (documents) => Promise.all(documents.map((bytes) => putBytes(bytes, digestOf(bytes)))),
    async settle() {
      try {
        await syncDirectory(layout.blobs);
      } catch (error) {
        throw storageFailure(error, "could not sync", layout.blobs);
      }
    },
  };
}

function compare(
  expect: { readonly digest: Digest; readonly size: number },
  got: { readonly digest: Digest; readonly size: number },
): void {
  if (expect.size !== got.size)
    throw new Failure("DIGEST", `what came for blob ${expect.digest} has ${got.size} bytes instead of ${expect.size}`);
  if (expect.digest !== got.digest) throw new Failure("DIGEST", `what came for blob ${expect.digest} has the digest ${got.digest}`);
}
