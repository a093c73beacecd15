import { closeSync, fsyncSync, renameSync, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { createPrivate, quietly, syncDirectorySync, writeFully } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { lookAt, namesIn } from "../kit/look.ts";
import { makeFolder } from "../kit/make-folder.ts";
import { printable } from "../kit/printable.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { orStorageFailure, storageFailure } from "../kit/storage-failure.ts";

/** The version of the layout that this code reads and writes. */
const VERSION = 1;
const FORM = /^nought store ([0-9]{1,9})\n$/;

/** Every path of a store. docs/decisions/0003-store.md says what each is for. */
export interface Layout {
  readonly dir: string;
  readonly version: string;
  readonly blobs: string;
  readonly names: string;
  readonly kept: string;
  readonly referrers: string;
  readonly records: string;
  readonly index: string;
  readonly scratch: string;
  readonly tmp: string;
  readonly trash: string;
  readonly damaged: string;
  readonly lock: string;
}

/** The paths of the store in a folder. Looks at nothing on disk. */
export function layoutOf(dir: string): Layout {
  return {
    dir,
    version: join(dir, "version"),
    blobs: join(dir, "blobs", "sha256"),
    names: join(dir, "names"),
    kept: join(dir, "kept"),
    referrers: join(dir, "referrers"),
    records: join(dir, "records"),
    index: join(dir, "index"),
    scratch: join(dir, "scratch"),
    tmp: join(dir, "tmp"),
    trash: join(dir, "trash"),
    damaged: join(dir, "damaged"),
    lock: join(dir, "lock"),
  };
}

/**
 * Looks at the folder without changing anything and tells whether a store is there. Throws STORAGE where it belongs to
 * somebody else, where others may write to it, where it is no store, or where a newer nought made it.
 */
export function inspectStore(layout: Layout): "present" | "absent" {
  const { dir } = layout;
  const link = lookAt(dir);
  if (link === undefined) return "absent";
  const own = process.geteuid?.();
  const foreign = (facts: Stats) => own !== undefined && facts.uid !== own;
  if (link.isSymbolicLink() && foreign(link) && link.uid !== 0) throw refuse(dir, `is a link that belongs to user ${link.uid}`);
  const facts = link.isSymbolicLink() ? orStorageFailure("could not look at", dir, () => statSync(dir, { throwIfNoEntry: false })) : link;
  if (facts === undefined) throw refuse(dir, "is a link to nothing");
  if (!facts.isDirectory()) throw refuse(dir, "is not a folder");
  if (foreign(facts))
    throw refuse(
      dir,
      `belongs to user ${facts.uid}, and this is user ${own}`,
      "Use a store of your own: set NOUGHT_STORE or give --store DIR.",
    );
  if ((facts.mode & 0o022) !== 0) throw refuse(dir, "may be written by others", `Run: chmod go-w ${printable(dir)}`);
  const version = readVersion(layout);
  if (version !== undefined) {
    const number = Number(FORM.exec(version)?.[1] ?? Number.NaN);
    if (number === VERSION) return "present";
    if (number > VERSION)
      throw refuse(
        dir,
        `was written by a newer nought (layout ${number}; this one knows ${VERSION})`,
        "Use that nought, or another store.",
      );
    throw refuse(layout.version, "is damaged", `If this is a store of this nought, write the line "nought store ${VERSION}" into it.`);
  }
  const others = namesIn(dir).filter((name) => !name.startsWith(".version-"));
  if (others.length === 0) return "absent";
  // Somebody else may be making the store at this very moment: the mark comes first, so by now it is there.
  if (readVersion(layout) !== undefined) return inspectStore(layout);
  throw refuse(dir, "is not a nought store: it holds other files", "Give an empty or a new folder.");
}

/**
 * Makes the store's folders where they are missing. Only its owner may enter. The folder is marked as a store before anything else is put
 * into it, so that a kill leaves an empty folder or a store.
 */
export function createStore(layout: Layout): void {
  try {
    const first = statSync(layout.dir, { throwIfNoEntry: false }) ? undefined : makeFolder(layout.dir, 0o700);
    if (inspectStore(layout) === "absent") {
      const temporary = join(layout.dir, `.version-${uniqueToken()}`);
      const fd = createPrivate(temporary);
      try {
        writeFully(fd, Buffer.from(`nought store ${VERSION}\n`));
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, layout.version);
    }
    let made = first !== undefined;
    for (const folder of foldersOf(layout)) {
      if (statSync(folder, { throwIfNoEntry: false }) !== undefined) continue;
      makeFolder(folder, 0o700);
      made = true;
    }
    if (!made) return;
    syncDirectorySync(dirname(layout.blobs));
    syncDirectorySync(layout.dir);
    // Parents that were made on the way have new names in them as well.
    if (first === undefined) return;
    for (let at = dirname(layout.dir); at.length >= dirname(first).length; at = dirname(at)) quietly(() => syncDirectorySync(at));
  } catch (error) {
    throw storageFailure(error, "could not create the store", layout.dir);
  }
}

function foldersOf(layout: Layout): string[] {
  return [layout.blobs, layout.names, layout.kept, layout.index, layout.scratch, layout.tmp, layout.trash, layout.damaged, layout.lock];
}

function readVersion(layout: Layout): string | undefined {
  try {
    return readSmallFile(layout.version, 64)?.toString("latin1");
  } catch (error) {
    throw storageFailure(error, "could not read", layout.version);
  }
}

function refuse(path: string, why: string, hint?: string): Failure {
  return new Failure("STORAGE", `the store ${printable(path)} ${why}`, hint === undefined ? {} : { hint });
}
