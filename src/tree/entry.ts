import type { Digest } from "../oci/digest.ts";
import type { Path } from "./path.ts";

/**
 * Where a file's bytes are, not the bytes. `stamp` is what lstat said when the entry was made (tree/stamp.ts): whoever reads
 * the file compares it again afterwards. A blob's offset counts in the *uncompressed* tar of the layer with that diffID.
 */
export type Content =
  | { readonly in: "host"; readonly path: string; readonly stamp: Stamp; readonly copy?: LayerAddress }
  | ({ readonly in: "layer" } & LayerAddress)
  | { readonly in: "memory"; readonly bytes: Uint8Array };

/** A place in the uncompressed tar of a layer. A host file's `copy` is where its bytes were put last time, if they are still there. */
export interface LayerAddress {
  readonly diffId: Digest;
  readonly offset: number;
}

/** lstat facts that change whenever a file's bytes may have. Times are milliseconds since the epoch as float64 (exact to ~200 ns). */
export interface Stamp {
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly ino: number;
}

interface Common {
  readonly path: Path;
  /** Permission bits with setuid, setgid and sticky (07777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch, whole: layers hold no fractions, as docker writes them. */
  readonly mtime: number;
  /** Names in full (`security.capability`), values as bytes; never empty when present. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

export interface FileEntry extends Common {
  readonly kind: "file";
  readonly size: number;
  readonly content: Content;
  /** sha256 of the content, once known. */
  readonly digest?: Digest;
  /** Equal for all names of one file (hard links) of the same source; absent where there is only one name. */
  readonly twin?: string;
}

export interface DirEntry extends Common {
  readonly kind: "dir";
  /** Hides everything that lower layers have in this directory (`.wh..wh..opq`). */
  readonly opaque?: boolean;
}

export interface SymlinkEntry extends Common {
  readonly kind: "symlink";
  readonly target: string;
}

/** A further name of the file at `target`, which is in the same draft or layer. */
export interface HardlinkEntry extends Common {
  readonly kind: "hardlink";
  readonly target: Path;
}

export interface DeviceEntry extends Common {
  readonly kind: "char" | "block";
  readonly major: number;
  readonly minor: number;
}

/** `whiteout` says that lower layers' entry of this path is gone (OCI image-spec, layer.md, "Whiteouts"). */
export interface BareEntry extends Common {
  readonly kind: "fifo" | "whiteout";
}

/** One entry of a layer, draft or tree. */
export type Entry = FileEntry | DirEntry | SymlinkEntry | HardlinkEntry | DeviceEntry | BareEntry;

/**
 * What a step adds: entries in canonical order (a directory before what it holds, siblings by the bytes of their names,
 * see tree/order.ts), every parent directory included, each path at most once.
 */
export type Draft = readonly Entry[];
