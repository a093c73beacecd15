import { closeSync, renameSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { createPrivate, quietly, syncDirectory, syncFile, writeFully } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { namesIn } from "../kit/look.ts";
import { printable } from "../kit/printable.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { removeFile } from "../kit/remove-file.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf, hexOf, isDigest } from "../oci/digest.ts";
import { familiarName, formatReference, parseReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import type { NameRecord } from "./face.ts";
import type { Layout } from "./layout.ts";
import { decodeLine, encodeLine } from "./line.ts";
import type { Session } from "./session.ts";

/** No record of a name is nearly as long as this. */
const RECORD_BYTES = 1 << 20;

/** A root without a name carries this one, which nobody can set. */
const NO_NAME: Reference = { registry: "", repository: "<none>" };

/**
 * Names (`names/`, one small self-checking file per name, called by the digest of the name) and images kept without a name
 * (`kept/`, one file per root). One file each: no lock is needed, readers see old or new, and damage hits one name only.
 */
export interface Names {
  /** Throws STORAGE where the name's file is damaged. */
  read(name: Reference): NameRecord | undefined;
  write(name: Reference, root: Descriptor, before: Promise<void>): Promise<void>;
  remove(name: Reference): Promise<boolean>;
  list(): NameRecord[];
  keep(root: Descriptor, before: Promise<void>): Promise<void>;
  forget(root: Digest): Promise<boolean>;
  kept(): NameRecord[];
  /** Paths of files in both folders that do not read. */
  damaged(): string[];
  /** Makes what was removed stay removed. */
  settle(): Promise<void>;
}

/** The names and kept images of the store that `layout` describes. */
export function createNames(layout: Layout, session: Session): Names {
  const fileOf = (name: Reference) => join(layout.names, hexOf(digestOf(formatReference(withDefaultTag(name)))));
  const keptFile = (root: Digest) => join(layout.kept, hexOf(root));

  /** `before` and the file's own sync run side by side; the rename waits for both. */
  const put = async (path: string, folder: string, line: string, before: Promise<void>): Promise<void> => {
    // A failure of `before` is reported below, whatever happens first.
    before.catch(() => {});
    const temporary = session.temporary();
    let fd: number | undefined;
    try {
      fd = createPrivate(temporary);
      writeFully(fd, Buffer.from(line, "utf8"));
      await Promise.all([syncFile(fd), before]);
      closeSync(fd);
      fd = undefined;
      renameSync(temporary, path);
      await syncDirectory(folder);
    } catch (error) {
      if (fd !== undefined) quietly(() => closeSync(fd as number));
      quietly(() => unlinkSync(temporary));
      throw storageFailure(error, "could not write", path);
    }
  };

  return {
    read(name) {
      const path = fileOf(name);
      const text = readSmall(path);
      if (text === undefined) return undefined;
      const record = decode(text, "n");
      if (record === undefined)
        throw new Failure("STORAGE", `the record of the name ${familiarName(name)} is damaged: ${printable(path)}`, {
          hint: "Build, load or tag the image again under this name; or remove that file to forget the name.",
        });
      return record;
    },
    write: (name, root, before) => {
      const full = formatReference(withDefaultTag(name));
      return put(fileOf(name), layout.names, encodeLine("n", hexOf(root.digest), { name: full, root, at: Date.now() }), before);
    },
    remove: (name) => removeFile(fileOf(name)),
    list: () => readAll(layout.names, "n").records,
    keep: (root, before) => put(keptFile(root.digest), layout.kept, encodeLine("k", hexOf(root.digest), { root, at: Date.now() }), before),
    forget: (root) => removeFile(keptFile(root)),
    kept: () => readAll(layout.kept, "k").records,
    damaged: () => [...readAll(layout.names, "n").damaged, ...readAll(layout.kept, "k").damaged],
    async settle() {
      try {
        await Promise.all([syncDirectory(layout.names), syncDirectory(layout.kept)]);
      } catch (error) {
        throw storageFailure(error, "could not sync", layout.names);
      }
    },
  };
}

function readAll(folder: string, kind: "n" | "k"): { records: NameRecord[]; damaged: string[] } {
  const records: NameRecord[] = [];
  const damaged: string[] = [];
  for (const file of namesIn(folder)) {
    const path = join(folder, file);
    const text = readSmall(path);
    // Removed since the folder was listed.
    if (text === undefined) continue;
    const record = decode(text, kind);
    if (record === undefined) damaged.push(path);
    else records.push(record);
  }
  return { records, damaged };
}

function readSmall(path: string): string | undefined {
  try {
    return readSmallFile(path, RECORD_BYTES)?.toString("utf8");
  } catch (error) {
    const code = errnoOf(error);
    // A link or a folder in the place of a record is damage, not an error of the disk.
    if (code === "ELOOP" || code === "EISDIR" || code === "ENXIO") return "";
    throw storageFailure(error, "could not read", path);
  }
}

function decode(text: string, kind: "n" | "k"): NameRecord | undefined {
  const line = decodeLine(text);
  const value = line?.value as { name?: unknown; root?: Descriptor; at?: unknown } | undefined;
  if (line?.kind !== kind || !value || typeof value.root !== "object" || !isDigest(value.root.digest) || typeof value.at !== "number")
    return undefined;
  if (kind === "k") return { name: NO_NAME, root: value.root, at: value.at };
  try {
    return { name: parseReference(String(value.name)), root: value.root, at: value.at };
  } catch {
    return undefined;
  }
}
