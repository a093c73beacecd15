import { closeSync, fchmodSync, fdatasync, fstatSync, renameSync, unlinkSync, write } from "node:fs";
import { join } from "node:path";
import { createPrivate, quietly, syncFile, writeFully } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { lookAt } from "../kit/look.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { type Digest, hexOf } from "../oci/digest.ts";
import type { BlobWriter } from "./face.ts";
import type { Layout } from "./layout.ts";
import type { Session } from "./session.ts";

/** Chunks below a quarter of this are gathered into one write. Bytes. */
const GATHER = 1 << 20;
/** After so many bytes the disk is told to begin, so that it works while the caller reads and hashes. */
const BEGIN = 32 << 20;
/** Syncs under way before a caller who awaits `write` is made to wait. */
const UNDER_WAY = 2;

/**
 * The one way in which a blob comes into the store: private file, writes, sync, size check, read-only, rename. The file is synced after
 * its last write and before it gets its name; a sync that failed is never tried again, because a second one would succeed
 * without the bytes being on the disk (the kernel reports such an error once).
 */
export function createWriter(layout: Layout, session: Session): BlobWriter {
  let fd: number | undefined;
  let temporary: string | undefined;
  let size = 0;
  let gathered: Buffer | undefined;
  let fill = 0;
  let unsynced = 0;
  let failed: unknown;
  let underWay: Promise<void>[] = [];
  let inPool: Promise<void> = Promise.resolve();

  const out = (bytes: Uint8Array) => {
    if (fd === undefined) {
      temporary = session.temporary();
      fd = createPrivate(temporary);
    }
    writeFully(fd, bytes);
    unsynced += bytes.byteLength;
    if (unsynced >= BEGIN) beginSync(fd);
  };
  const beginSync = (file: number) => {
    unsynced = 0;
    const sync = new Promise<void>((resolve) => {
      fdatasync(file, (error) => {
        failed ??= error ?? undefined;
        underWay = underWay.filter((one) => one !== sync);
        resolve();
      });
    });
    underWay.push(sync);
  };
  const drain = () => {
    if (fill > 0) out((gathered as Buffer).subarray(0, fill));
    fill = 0;
  };
  const abort = () => {
    const [file, path] = [fd, temporary];
    fd = undefined;
    temporary = undefined;
    gathered = undefined;
    if (path !== undefined) quietly(() => unlinkSync(path));
    // A descriptor must not be closed under a sync or a write: its number could be given to another file.
    if (file !== undefined) void Promise.all([...underWay, inPool]).then(() => quietly(() => closeSync(file)));
  };
  const trouble = (error: unknown): unknown => {
    const place = temporary ?? layout.tmp;
    const failure = storageFailure(error, "could not write", place);
    abort();
    return failure;
  };

  return {
    async writeLater(chunk) {
      try {
        if (failed !== undefined) throw failed;
        drain();
        if (fd === undefined) out(new Uint8Array(0));
        size += chunk.byteLength;
        unsynced += chunk.byteLength;
        const file = fd as number;
        const whole = (async () => {
          for (let done = 0; done < chunk.byteLength; ) done += await writeInPool(file, chunk, done);
        })();
        inPool = whole.catch(() => {});
        await whole;
        if (unsynced >= BEGIN && fd === file) beginSync(file);
      } catch (error) {
        throw trouble(error);
      }
    },
    write(chunk) {
      try {
        if (failed !== undefined) throw failed;
        size += chunk.byteLength;
        if (chunk.byteLength >= GATHER / 4) {
          drain();
          out(chunk);
        } else {
          gathered ??= Buffer.allocUnsafeSlow(GATHER);
          if (fill + chunk.byteLength > GATHER) drain();
          gathered.set(chunk, fill);
          fill += chunk.byteLength;
        }
      } catch (error) {
        throw trouble(error);
      }
      return underWay.length > UNDER_WAY ? underWay[0] : undefined;
    },
    async commit(digest, expectSize) {
      try {
        if (expectSize !== undefined && expectSize !== size)
          throw new Failure("DIGEST", `what came for blob ${digest} has ${size} bytes instead of ${expectSize}`);
        // Before it has its name, so that no collection ever sees it without.
        session.lease([digest], true);
        drain();
        if (fd === undefined) out(new Uint8Array(0));
        const file = fd as unknown as number;
        fchmodSync(file, 0o444);
        await Promise.all(underWay);
        if (failed !== undefined) throw failed;
        await syncFile(file);
        const written = fstatSync(file).size;
        if (written !== size) throw new Failure("STORAGE", `the disk holds ${written} bytes of blob ${digest} where ${size} were written`);
        fd = undefined;
        closeSync(file);
        renameSync(temporary as unknown as string, blobPath(layout, digest));
        temporary = undefined;
        gathered = undefined;
        forgetDamaged(layout, digest);
        return { digest, size };
      } catch (error) {
        throw trouble(error);
      }
    },
    abort,
  };
}

function writeInPool(fd: number, chunk: Uint8Array, from: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, chunk, from, chunk.byteLength - from, null, (error, written) => (error ? reject(error) : resolve(written)));
  });
}

/** The file of a blob, whether it is there or not. */
export function blobPath(layout: Layout, digest: Digest): string {
  return join(layout.blobs, hexOf(digest));
}

/** The blob is whole again: what was set aside in its place has no use any more. */
function forgetDamaged(layout: Layout, digest: Digest): void {
  const damaged = join(layout.damaged, hexOf(digest));
  quietly(() => {
    if (lookAt(damaged) !== undefined) unlinkSync(damaged);
  });
}
