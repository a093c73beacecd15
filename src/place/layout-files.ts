import { randomBytes } from "node:crypto";
import { closeSync, constants, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { quietly, syncDirectorySync, writeFully } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { formatIdentity, livenessOf, ownIdentity, parseIdentity } from "../kit/liveness.ts";
import { acquireLock } from "../kit/lock.ts";
import { errnoOf } from "../kit/storage-failure.ts";
import { type Digest, hasher } from "../oci/digest.ts";

/** How names begin that are ours and not the layout's. */
export const TEMPORARY = ".nought-";

/** Writes a blob to a temporary file of the layout's directory and syncs it. Throws DIGEST; the caller renames or unlinks. */
export async function writeBlob(
  temporary: string,
  bytes: AsyncIterable<Uint8Array> | Uint8Array,
  expect: { readonly digest: Digest; readonly size: number } | undefined,
): Promise<{ digest: Digest; size: number }> {
  const fd = create(temporary);
  try {
    const hash = hasher();
    let size = 0;
    for await (const chunk of bytes instanceof Uint8Array ? [bytes] : bytes) {
      size += chunk.length;
      if (expect && size > expect.size)
        throw new Failure("DIGEST", `blob ${expect.digest} has more than the ${expect.size} bytes announced`);
      hash.update(chunk);
      writeFully(fd, chunk);
    }
    const digest = hash.digest();
    if (expect && size !== expect.size)
      throw new Failure("DIGEST", `blob ${expect.digest} has ${size} bytes where ${expect.size} are announced`);
    if (expect && digest !== expect.digest) throw new Failure("DIGEST", `blob ${expect.digest} came with the digest ${digest}`);
    fsyncSync(fd);
    return { digest, size };
  } finally {
    closeSync(fd);
  }
}

/** A small file of the layout, whole or not at all. */
export function replaceIn(dir: string, name: string, bytes: Uint8Array): void {
  const temporary = join(dir, temporaryName());
  const fd = create(temporary);
  try {
    writeFully(fd, bytes);
    fsyncSync(fd);
    renameSync(temporary, join(dir, name));
  } catch (error) {
    quietly(() => unlinkSync(temporary));
    throw error;
  } finally {
    closeSync(fd);
  }
  syncDirectorySync(dir);
}

/** Layouts are for others to read: the umask alone decides on permissions. */
function create(path: string): number {
  return openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_WRONLY, 0o666);
}

/** A name that tells whose it is, so that others can remove it when its process is gone. */
export function temporaryName(): string {
  return `${TEMPORARY}${formatIdentity(ownIdentity())}-${randomBytes(6).toString("hex")}`;
}

/** Removes what a killed process left behind. */
export function sweep(dir: string): void {
  for (const name of readdirSync(dir)) {
    const who = name.startsWith(TEMPORARY) ? parseIdentity(name.slice(TEMPORARY.length, name.lastIndexOf("-"))) : undefined;
    if (who && livenessOf(who) === "dead") quietly(() => unlinkSync(join(dir, name)));
  }
}

/** Reading, changing and replacing index.json must not meet another process doing the same. */
export async function exclusively<T>(dir: string, work: () => T | Promise<T>): Promise<T> {
  const folder = join(dir, `${TEMPORARY}lock`);
  const lock = await takeLock(folder);
  try {
    return await work();
  } finally {
    lock.release();
    quietly(() => rmdirSync(folder));
  }
}

/** The folder goes with its last holder, which may be between our making it and our taking the lock in it. */
async function takeLock(folder: string) {
  for (let left = 20; ; left--) {
    mkdirSync(folder, { recursive: true });
    try {
      return await acquireLock(folder);
    } catch (error) {
      if (left === 0 || !(error instanceof Failure) || errnoOf(error.cause) !== "ENOENT") throw error;
    }
  }
}
