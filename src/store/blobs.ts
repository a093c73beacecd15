import { closeSync, constants, fchmodSync, fstatSync, openSync, readFileSync, renameSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { createPrivate, quietly, syncDirectory, syncFile, writeFully } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestOf, hasher, hexOf } from "../oci/digest.ts";
import type { BlobWriter } from "./face.ts";
import type { Layout } from "./layout.ts";
import type { Session } from "./session.ts";

/** Chunks below this are gathered before they are written. */
const GATHER = 1 << 20;

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

export function createBlobs(layout: Layout, session: Session): Blobs {
  const pathOf = (digest: Digest) => join(layout.blobs, hexOf(digest));

  const sizeOf = (digest: Digest): number | undefined => {
    const facts = statSync(pathOf(digest), { throwIfNoEntry: false }) ?? (rescue(digest) ? statSync(pathOf(digest)) : undefined);
    return facts?.isFile() ? facts.size : undefined;
  };

  /** A running collection may have put the blob aside for the moment it takes to look at the leases again. */
  const rescue = (digest: Digest): boolean => {
    const aside = join(layout.trash, hexOf(digest));
    try {
      if (statSync(aside, { throwIfNoEntry: false }) !== undefined) renameSync(aside, pathOf(digest));
    } catch {
      // Removed for good, put back by somebody else, or a store that we cannot write.
    }
    return statSync(pathOf(digest), { throwIfNoEntry: false }) !== undefined;
  };

  const openFile = (digest: Digest): number => {
    const path = pathOf(digest);
    for (const again of [true, false]) {
      try {
        const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
        if (fstatSync(fd).isFile()) return fd;
        closeSync(fd);
        throw new Failure("STORAGE", `${printable(path)} is not a file`);
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") throw storageFailure(error, "could not open", path);
        if (again && rescue(digest)) continue;
        if (statSync(join(layout.damaged, hexOf(digest)), { throwIfNoEntry: false }) !== undefined)
          throw new Failure(
            "DIGEST",
            `blob ${digest} was found damaged; its bytes are set aside in ${printable(join(layout.damaged, hexOf(digest)))}`,
          );
        throw new Failure("NOT_FOUND", `blob ${digest} is not in the store ${printable(layout.dir)}`);
      }
    }
    throw new Failure("NOT_FOUND", `blob ${digest} is not in the store ${printable(layout.dir)}`);
  };

  const writer = (): BlobWriter => createWriter(layout, session, pathOf);

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
        for await (const chunk of bytes) {
          size += chunk.byteLength;
          if (expect && size > expect.size) throw differs(expect, "has more bytes than that");
          hash.update(chunk);
          await into.write(chunk);
        }
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

function createWriter(layout: Layout, session: Session, pathOf: (digest: Digest) => string): BlobWriter {
  let fd: number | undefined;
  let temporary: string | undefined;
  let size = 0;
  let gathered: Buffer | undefined;
  let fill = 0;

  const out = (bytes: Uint8Array) => {
    if (fd === undefined) {
      temporary = session.temporary();
      fd = createPrivate(temporary);
    }
    writeFully(fd, bytes);
  };
  const drain = () => {
    if (fill > 0) out((gathered as Buffer).subarray(0, fill));
    fill = 0;
  };
  const abort = () => {
    if (fd !== undefined) quietly(() => closeSync(fd as number));
    if (temporary !== undefined) quietly(() => unlinkSync(temporary as string));
    fd = undefined;
    temporary = undefined;
    gathered = undefined;
  };
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      abort();
      throw storageFailure(error, "could not write", temporary ?? layout.tmp);
    }
  };
  return {
    write(chunk) {
      guarded(() => {
        size += chunk.byteLength;
        if (chunk.byteLength >= GATHER / 4) {
          drain();
          out(chunk);
          return;
        }
        gathered ??= Buffer.allocUnsafeSlow(GATHER);
        if (fill + chunk.byteLength > GATHER) drain();
        gathered.set(chunk, fill);
        fill += chunk.byteLength;
      });
    },
    async commit(digest, expectSize) {
      if (expectSize !== undefined && expectSize !== size) {
        abort();
        throw differs({ digest, size: expectSize }, `has ${size} bytes`);
      }
      try {
        session.lease([digest], true);
        drain();
        if (fd === undefined) out(new Uint8Array(0));
        const file = fd as unknown as number;
        fchmodSync(file, 0o444);
        await syncFile(file);
        const written = fstatSync(file).size;
        if (written !== size) throw new Failure("STORAGE", `the disk holds ${written} bytes of blob ${digest} where ${size} were written`);
        fd = undefined;
        closeSync(file);
        renameSync(temporary as string, pathOf(digest));
        temporary = undefined;
        const damaged = join(layout.damaged, hexOf(digest));
        if (statSync(damaged, { throwIfNoEntry: false }) !== undefined) quietly(() => unlinkSync(damaged));
        return { digest, size };
      } catch (error) {
        const place = temporary ?? layout.tmp;
        abort();
        throw storageFailure(error, "could not write", place);
      }
    },
    abort,
  };
}

function compare(
  expect: { readonly digest: Digest; readonly size: number },
  got: { readonly digest: Digest; readonly size: number },
): void {
  if (expect.size !== got.size) throw differs(expect, `has ${got.size} bytes`);
  if (expect.digest !== got.digest) throw differs(expect, `has the digest ${got.digest}`);
}

function differs(expect: { readonly digest: Digest; readonly size: number }, what: string): Failure {
  return new Failure("DIGEST", `what came for blob ${expect.digest} of ${expect.size} bytes ${what}`);
}
