import { closeSync, lstatSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { quietly } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { acquireLock, type LockOptions, sweepClaims } from "../kit/lock.ts";
import { lookAt, namesIn } from "../kit/look.ts";
import { printable } from "../kit/printable.ts";
import { readFully } from "../kit/read-file.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestFromHex, hexOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { Blobs } from "./blobs.ts";
import type { Collected } from "./face.ts";
import { emptyMarks, type Marks, mark } from "./mark.ts";
import type { Parts } from "./parts.ts";
import type { ReferrersOf } from "./referrers.ts";
import { readLeases, sweepSessions } from "./session.ts";

/**
 * Removes every blob that no name, kept image, cache record or living process reaches, and what belongs to them.
 *
 * Writers take no lock, so a candidate may come into use while we look. Therefore: candidates first move to `trash/`, where
 * writers that now look for them find them missing (and take them back or write them anew); then leases, then names are
 * read again, and whatever is wanted goes back; only the rest is unlinked. docs/decisions/0003-store.md says why this is safe.
 */
export async function collect(parts: Parts, options: LockOptions = {}): Promise<Collected> {
  const { layout, session, names } = parts;
  session.begin();
  using _lock = await acquireLock(layout.lock, options);
  sweepClaims(layout.lock);
  sweepSessions(layout);
  const damaged = names.damaged();
  if (damaged.length > 0)
    throw new Failure("STORAGE", `nothing was removed, because the record of a name is damaged: ${printable(damaged[0] as string)}`, {
      hint: "Build, load or tag the image again, or remove that file to forget the name; then prune.",
    });
  const before = marksOf(parts);
  for (const digest of blobsIn(layout.blobs)) if (!before.reached.has(digest)) move(layout.blobs, layout.trash, digest);
  const after = marksOf(parts);
  // What the state files say must be on the disk before what they no longer say is removed.
  await names.settle();
  const removed: Digest[] = [];
  let bytes = 0;
  for (const digest of blobsIn(layout.trash)) {
    if (after.reached.has(digest)) {
      move(layout.trash, layout.blobs, digest);
      continue;
    }
    const freed = remove(join(layout.trash, hexOf(digest)));
    if (freed === undefined) continue;
    removed.push(digest);
    bytes += freed;
  }
  // Asked of the disk, not of the marks: whoever attaches something just now has brought its subject back before.
  parts.referrers.sweep((subject) => parts.blobs.sizeOf(subject) !== undefined);
  for (const digest of parts.derived.indexes())
    if (!after.diffIds.has(digest) && !after.reached.has(digest)) bytes += parts.derived.removeIndex(digest);
  for (const name of namesIn(layout.damaged)) {
    bytes += lookAt(join(layout.damaged, name))?.size ?? 0;
    quietly(() => rmSync(join(layout.damaged, name), { recursive: true, force: true }));
  }
  parts.records.rewrite(
    ({ layer }) => layer === undefined || parts.blobs.sizeOf(layer.blob.digest) !== undefined,
    (_, blob) => after.reached.has(blob.digest),
  );
  return { removed, bytes };
}

/** Everything in use. Leases are read before names: who gives up a lease has set his name before. */
export function marksOf(parts: Parts): Marks {
  const { layout, blobs, names, records, referrers } = parts;
  const marks = emptyMarks();
  const leased = readLeases(layout);
  const referrersOf = referrers.snapshot();
  for (const { root } of [...names.list(), ...names.kept()]) mark(blobs, root, marks, referrersOf);
  records.reload();
  for (const { layer } of records.all()) {
    if (layer === undefined) continue;
    mark(blobs, layer.blob, marks);
    marks.diffIds.add(layer.diffId);
  }
  for (const hex of leased) markLeased(parts, digestFromHex(hex), marks, referrersOf);
  return marks;
}

/** A lease says a digest only: if that is a document, what it refers to is in use as well. It may also be a diffID. */
function markLeased({ blobs }: Parts, digest: Digest, marks: Marks, referrersOf: ReferrersOf): void {
  marks.diffIds.add(digest);
  const size = blobs.sizeOf(digest);
  const mediaType = size !== undefined && startsAsJson(blobs, digest) ? MEDIA.manifest : MEDIA.layer;
  mark(blobs, { mediaType, digest, size: size ?? 0 }, marks, referrersOf);
}

function startsAsJson(blobs: Blobs, digest: Digest): boolean {
  try {
    const fd = blobs.openFile(digest);
    try {
      const first = Buffer.alloc(1);
      return readFully(fd, first, 0) === 1 && first[0] === 0x7b;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof Failure && error.code !== "STORAGE") return false;
    throw storageFailure(error, "could not read", blobs.pathOf(digest));
  }
}

/** Digests of the blobs in a folder. Other names are not ours to judge and are left alone. */
export function blobsIn(folder: string): Digest[] {
  return namesIn(folder)
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .map(digestFromHex);
}

function move(from: string, to: string, digest: Digest): void {
  try {
    renameSync(join(from, hexOf(digest)), join(to, hexOf(digest)));
  } catch (error) {
    // Taken back by a writer meanwhile.
    if (errnoOf(error) !== "ENOENT") throw storageFailure(error, "could not move", join(from, hexOf(digest)));
  }
}

function remove(path: string): number | undefined {
  try {
    const { size } = lstatSync(path);
    unlinkSync(path);
    return size;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw storageFailure(error, "could not remove", path);
  }
}
