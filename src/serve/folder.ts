import { closeSync, lstatSync, readdirSync, renameSync, rmSync, statSync, unlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { createPrivate, quietly, replaceFile, syncDirectory, syncDirectorySync } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { livenessOf, makerOf, uniqueToken } from "../kit/liveness.ts";
import { acquireLock, type Lock } from "../kit/lock.ts";
import { namesIn } from "../kit/look.ts";
import { makeFolder } from "../kit/make-folder.ts";
import { printable } from "../kit/printable.ts";
import { openToRead, readSmallFile } from "../kit/read-file.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestFromHex, hexOf, isDigest } from "../oci/digest.ts";
import { isRepository, isTag } from "./route.ts";

/** The file that marks a folder as a registry's, and what stands in it. */
export const MARK = "nought-registry";
const VERSION = "nought registry 1\n";
const HEX = /^[0-9a-f]{64}$/;

/**
 * The files of a registry's folder:
 *
 *     nought-registry                            the mark
 *     blobs/sha256/HEX                           contents, manifests too, shared by all repositories
 *     repositories/NAME/_blobs/HEX               (empty) this repository has the blob
 *     repositories/NAME/_manifests/HEX           the media type a manifest was pushed as
 *     repositories/NAME/_tags/TAG                the digest it points to
 *     repositories/NAME/_referrers/HEX/HEX       (empty) the second manifest's subject is the first
 *     uploads/                                   files on their way
 *
 * No part of a repository's name begins with `_`, so names and files cannot meet. Every file comes by rename or is empty.
 */
export interface Folder {
  readonly dir: string;
  readonly uploads: string;
  blobPath(digest: Digest): string;
  /** A folder or file of a repository; the parts are the caller's and safe. */
  inside(repository: string, ...parts: readonly string[]): string;
  exists(path: string): boolean;
  /** File names in a folder, sorted; none where it is missing. */
  list(path: string): string[];
  /** Writes a small file durably, folders made on the way. */
  write(path: string, text: string): void;
  /** Removes a file; false where there was none. */
  remove(path: string): boolean;
  /** Gives a synced file of `uploads` its final name, durably. */
  adopt(file: string, digest: Digest): Promise<void>;
  openBlob(digest: Digest): number | undefined;
  repositories(): string[];
  release(): void;
}

/**
 * Opens a registry's folder, and makes it where it is missing or empty. For writing, the folder belongs to this process alone until it is
 * released, and what killed ones left is removed: uploads, and blobs that no repository has. Throws STORAGE.
 */
export async function openFolder(path: string, readOnly: boolean): Promise<Folder> {
  const dir = resolve(path);
  let lock: Lock | undefined;
  try {
    prepare(dir, readOnly);
    if (!readOnly) {
      lock = await lockFolder(dir);
      const folder = folderAt(dir, lock);
      sweepUploads(folder);
      collect(folder);
      return folder;
    }
    return folderAt(dir, undefined);
  } catch (error) {
    lock?.release();
    throw storageFailure(error, "could not open the registry", dir);
  }
}

function prepare(dir: string, readOnly: boolean): void {
  const stat = statSync(dir, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isDirectory()) throw new Failure("STORAGE", `${printable(dir)} is not a folder`);
  const mark = stat && readSmallFile(join(dir, MARK), 64)?.toString("latin1");
  if (mark !== undefined && mark !== VERSION)
    throw new Failure("STORAGE", `the registry ${printable(dir)} is damaged or was written by a newer nought`);
  if (mark === VERSION && !readOnly) return makeFolders(dir);
  if (mark === VERSION) return;
  if (readOnly)
    throw new Failure("STORAGE", `${printable(dir)} is no folder of a registry`, { hint: "Serve it without --read-only first." });
  if (stat !== undefined && readdirSync(dir).some((name) => !name.startsWith(".registry-"))) {
    throw new Failure("STORAGE", `${printable(dir)} is no registry, no image layout and no store: it holds other files`, {
      hint: "Give an empty or a new folder.",
    });
  }
  makeFolder(dir, 0o700);
  replaceFile(join(dir, `.registry-${uniqueToken()}`), join(dir, MARK), Buffer.from(VERSION), { durable: true, mode: 0o644 });
  makeFolders(dir);
  syncDirectorySync(dir);
}

function makeFolders(dir: string): void {
  for (const name of ["blobs/sha256", "repositories", "uploads", "lock"]) makeFolder(join(dir, name), 0o700);
}

async function lockFolder(dir: string): Promise<Lock> {
  try {
    return await acquireLock(join(dir, "lock"), { timeoutMs: 0 });
  } catch (error) {
    if (!(error instanceof Failure) || error.cause !== undefined) throw error;
    throw new Failure("STORAGE", `the registry ${printable(dir)} is served by another process already`, {
      hint: "End that one, or serve the folder with --read-only.",
    });
  }
}

function folderAt(dir: string, lock: Lock | undefined): Folder {
  const blobs = join(dir, "blobs", "sha256");
  const uploads = join(dir, "uploads");
  const top = join(dir, "repositories");
  const made = new Set<string>();
  const makeDirectory = (path: string) => {
    if (made.has(path)) return;
    const first = makeFolder(path, 0o700);
    // The names of new folders have to last as well.
    const highest = first === undefined ? Number.POSITIVE_INFINITY : dirname(first).length;
    for (let at = dirname(path); at.length >= highest; at = dirname(at)) syncDirectorySync(at);
    made.add(path);
  };
  const exists = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  return {
    dir,
    uploads,
    exists,
    blobPath: (digest) => join(blobs, hexOf(digest)),
    inside: (repository, ...parts) => join(top, repository, ...parts),
    list: (path) => namesIn(path).sort(),
    write(path, text) {
      makeDirectory(dirname(path));
      if (text === "") {
        if (exists(path)) return;
        closeSync(createPrivate(path));
      } else replaceFile(join(uploads, `file-${uniqueToken()}`), path, Buffer.from(text), { durable: true });
      syncDirectorySync(dirname(path));
    },
    remove(path) {
      try {
        unlinkSync(path);
      } catch (error) {
        if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return false;
        throw error;
      }
      syncDirectorySync(dirname(path));
      return true;
    },
    async adopt(file, digest) {
      renameSync(file, join(blobs, hexOf(digest)));
      await syncDirectory(blobs);
    },
    openBlob(digest) {
      try {
        return openToRead(join(blobs, hexOf(digest)));
      } catch (error) {
        if (errnoOf(error) === "ENOENT") return undefined;
        throw error;
      }
    },
    repositories() {
      const found: string[] = [];
      const visit = (name: string) => {
        const entries = readdirSync(join(top, name), { withFileTypes: true }).filter((one) => one.isDirectory());
        if (entries.some((one) => one.name.startsWith("_"))) found.push(name);
        for (const one of entries) {
          const inner = name === "" ? one.name : `${name}/${one.name}`;
          if (isRepository(inner)) visit(inner);
        }
      };
      visit("");
      return found.sort();
    },
    release: () => lock?.release(),
  };
}

/**
 * Files of `uploads` that no living process writes. The lock is held, so whoever made the others is gone too; a shared disk may tell less.
 */
function sweepUploads(folder: Folder): void {
  for (const name of folder.list(folder.uploads)) {
    const maker = makerOf(name.slice(name.indexOf("-") + 1));
    if (maker === undefined || livenessOf(maker) === "dead")
      quietly(() => rmSync(join(folder.uploads, name), { force: true, recursive: true }));
  }
}

/** Removes blobs that no repository has. Only while nobody else writes. */
function collect(folder: Folder): void {
  const kept = new Set<string>();
  for (const repository of folder.repositories())
    for (const kind of ["_blobs", "_manifests"]) for (const hex of folder.list(folder.inside(repository, kind))) kept.add(hex);
  const blobs = dirname(folder.blobPath(digestFromHex("0".repeat(64))));
  for (const hex of folder.list(blobs)) if (HEX.test(hex) && !kept.has(hex)) quietly(() => unlinkSync(join(blobs, hex)));
}

/** The digest in a tag's file; undefined where the file is damaged. */
export function readTag(folder: Folder, repository: string, tag: string): Digest | undefined {
  const text = isTag(tag) ? readSmallFile(folder.inside(repository, "_tags", tag), 100)?.toString("latin1") : undefined;
  return isDigest(text) ? text : undefined;
}
