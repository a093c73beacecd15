import { createHash, type Hash } from "node:crypto";
import { closeSync, fstatSync, readSync, renameSync, rmSync } from "node:fs";
import { quietly, writeFully } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { openToRead } from "../kit/read-file.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { redactUrl } from "../net/redact.ts";
import type { Task } from "../task/task.ts";
import { type Cache, discard } from "./cache.ts";
import type { DebFile, LockEntry } from "./face.ts";
import { isPoolPath } from "./parse-packages.ts";
import { isMissing, type Transport } from "./transport.ts";

export interface DebAccess {
  readonly cache: Cache;
  readonly transport: Transport;
  readonly offline: boolean;
}

/**
 * The .deb of a lock entry, from the cache or from the first of `roots` that has it (they are looked for only then). Size and sha256 are
 * computed while the bytes come in; the file gets its name only when they are right. Throws DIGEST, NETWORK, PACKAGE (a path that leads
 * elsewhere), STORAGE, NO_SPACE.
 */
export async function fetchDeb(
  what: LockEntry,
  roots: () => readonly string[],
  { cache, transport, offline }: DebAccess,
  task: Task,
): Promise<DebFile> {
  const name = `${printable(what.name)} ${printable(what.version)}`;
  if (!isPoolPath(what.path))
    throw new Failure("PACKAGE", `${name}: its path "${printable(what.path.slice(0, 120))}" leads out of the archive`);
  if (!/^[0-9a-f]{64}$/.test(what.sha256)) throw new Failure("PACKAGE", `${name}: its sha256 is not 64 hex digits`);
  if (what.size > LIMITS.debBytes)
    throw new Failure("LIMIT", `${name}: a package of ${what.size} bytes (limit debBytes, ${LIMITS.debBytes})`);
  const path = cache.path("debs", what.sha256);
  const deb = { path, size: what.size, sha256: what.sha256 };
  if (isWhole(path, what)) return deb;
  if (offline) {
    throw new Failure("NETWORK", `${name} was never fetched, and offline nothing is asked for`, { hint: "Run it once without --offline." });
  }
  let problem: unknown;
  for (const root of roots()) {
    try {
      await download(`${root}/${encodePath(what.path)}`, path, what, cache, transport, task);
      return deb;
    } catch (error) {
      if (!(error instanceof Failure) || (error.code !== "NETWORK" && error.code !== "DIGEST")) throw error;
      // A wrong file says more than a missing one.
      if (problem === undefined || error.code === "DIGEST") problem = error;
    }
  }
  if (problem instanceof Failure && isMissing(problem)) {
    throw new Failure("NETWORK", `${name} is not at the mirror any more: ${problem.message}`, {
      hint: "The archive has moved on. Update the lock, or name a mirror that keeps old packages (a snapshot).",
      cause: problem.cause,
    });
  }
  throw problem;
}

async function download(url: string, path: string, what: LockEntry, cache: Cache, transport: Transport, task: Task): Promise<void> {
  const file = cache.create();
  const hash = createHash("sha256");
  const shown = redactUrl(url);
  try {
    const write = (chunk: Uint8Array) => {
      hash.update(chunk);
      try {
        writeFully(file.fd, chunk);
      } catch (error) {
        throw storageFailure(error, "could not write", file.path);
      }
    };
    const got = await transport.get(url, { write }, what.size, task).catch((error: unknown) => {
      if (error instanceof Failure && error.code === "LIMIT") throw wrong(shown, `it is larger than the ${what.size} bytes of the index`);
      throw error;
    });
    if (got?.size !== what.size) throw wrong(shown, `it has ${got?.size} bytes, and the index says ${what.size}`);
    const sum = hash.digest("hex");
    if (sum !== what.sha256) throw wrong(shown, `its sha256 is ${sum}, and the index says ${what.sha256}`);
  } catch (error) {
    discard(file);
    throw error;
  }
  closeSync(file.fd);
  try {
    renameSync(file.path, path);
  } catch (error) {
    quietly(() => rmSync(file.path, { force: true }));
    throw storageFailure(error, "could not write", path);
  }
}

function wrong(where: string, why: string): Failure {
  return new Failure("DIGEST", `${where}: ${why}`, {
    hint: "Somebody changed the file, or the mirror is damaged. Nothing of it was kept.",
  });
}

/** Whether the cache has the file with all its bytes right. One that is damaged is removed. */
function isWhole(path: string, what: LockEntry): boolean {
  let fd: number;
  try {
    fd = openToRead(path);
  } catch {
    return false;
  }
  try {
    const hash = createHash("sha256");
    if (fstatSync(fd).size === what.size && sumOf(fd, hash) === what.sha256) return true;
  } finally {
    closeSync(fd);
  }
  quietly(() => rmSync(path));
  return false;
}

function sumOf(fd: number, hash: Hash): string {
  const buffer = Buffer.allocUnsafe(1 << 20);
  for (let at = 0; ; ) {
    const got = readSync(fd, buffer, 0, buffer.length, at);
    if (got === 0) return hash.digest("hex");
    hash.update(buffer.subarray(0, got));
    at += got;
  }
}

/** `+` and `~` travel as they are in Debian's names, but some servers take a plain `+` for a blank. */
function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
