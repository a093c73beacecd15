import { closeSync, fstatSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../kit/error.ts";
import { namesIn } from "../kit/look.ts";
import { printable } from "../kit/printable.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import type { Digest } from "../oci/digest.ts";
import { isDigest } from "../oci/digest.ts";
import { familiarName } from "../oci/reference.ts";
import type { Blobs } from "./blobs.ts";
import { blobsIn } from "./collect.ts";
import type { NameRecord, StoreFinding } from "./face.ts";
import { emptyMarks, mark } from "./mark.ts";
import type { Parts } from "./parts.ts";
import { digestOfFile } from "./reading.ts";
import { abandonedSessions, readLeases } from "./session.ts";

/**
 * Looks at everything in a store: every blob's bytes against its name, every reference of every image, records, leftovers.
 * Errors are what makes an image unusable; notes are what a collection will remove. Changes nothing. Throws STORAGE.
 */
export async function checkStore(parts: Parts): Promise<readonly StoreFinding[]> {
  const { layout, blobs, names, records } = parts;
  const found: StoreFinding[] = [];
  const tell = (level: StoreFinding["level"], kind: StoreFinding["kind"], what: string, message: string) =>
    found.push({ level, kind, what, message });

  const present = new Set<Digest>();
  for (const digest of blobsIn(layout.blobs)) {
    present.add(digest);
    const state = verify(blobs, digest);
    if (state === "gone") present.delete(digest);
    else if (state !== "whole") tell("error", "damaged", digest, `blob ${digest} is damaged: ${printable(blobs.pathOf(digest))} ${state}`);
    // Others of this process have their turn after each blob.
    await new Promise((resolve) => setImmediate(resolve));
  }

  for (const path of names.damaged()) tell("error", "damaged", path, `the record of a name is damaged: ${printable(path)}`);
  const marks = new Set<Digest>();
  const referrersOf = parts.referrers.snapshot();
  // Damage found in passing stays where it is: a check changes nothing.
  const untouched: Blobs = { ...blobs, setAside: () => {} };
  for (const record of [...names.list(), ...names.kept()]) {
    const own = emptyMarks();
    mark(untouched, record.root, own, referrersOf);
    for (const digest of own.needed)
      if (!present.has(digest)) tell("error", "missing", digest, `blob ${digest} of ${label(record)} is missing`);
    for (const digest of own.reached) marks.add(digest);
  }
  for (const { key, layer } of records.all()) {
    if (layer === undefined) continue;
    marks.add(layer.blob.digest);
    if (!present.has(layer.blob.digest))
      tell("note", "missing", key, `the layer ${layer.blob.digest} of the cache record ${key} is missing: it counts as a miss`);
  }
  for (const hex of readLeases(layout)) marks.add(`sha256:${hex}` as Digest);
  for (const digest of present) if (!marks.has(digest)) tell("note", "unreferenced", digest, `nothing refers to blob ${digest}`);

  for (const name of abandonedSessions(layout))
    tell("note", "leftover", join(layout.tmp, name), `a process that ended left ${printable(join(layout.tmp, name))}`);
  for (const folder of [layout.trash, layout.damaged])
    for (const name of namesIn(folder))
      tell("note", "leftover", join(folder, name), `${printable(join(folder, name))} waits for a collection`);
  for (const name of namesIn(layout.blobs))
    if (!isDigest(`sha256:${name}`)) tell("note", "foreign", join(layout.blobs, name), `${printable(join(layout.blobs, name))} is no blob`);
  return found;
}

function verify(blobs: Blobs, digest: Digest): string {
  try {
    const fd = blobs.openFile(digest);
    try {
      const { size } = fstatSync(fd);
      return digestOfFile(fd, size) === digest ? "whole" : `holds ${size} bytes of another digest`;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof Failure && error.code === "NOT_FOUND") return "gone";
    if (error instanceof Failure) return error.message;
    throw storageFailure(error, "could not read", blobs.pathOf(digest));
  }
}

function label({ name, root }: NameRecord): string {
  return name.registry === "" ? root.digest : familiarName(name);
}
