import type { Entry } from "./entry.ts";
import type { Path } from "./path.ts";

/** A merged view of layers: what a container would see. Synchronous, in memory, never changes. Made by tree/merge.ts. */
export interface Tree {
  /** The entry itself, no link followed. Hard links answer as the file they name, under their own path. */
  get(path: Path): Entry | undefined;
  /** Follows symlinks the way chroot would, in every part of the path; undefined where nothing is or a loop was met. */
  lookup(path: Path): Entry | undefined;
  /**
   * Where a path leads when every symlink on the way (and at the end, unless `keepLast`) is followed inside the tree; parts that do not
   * exist are kept as they are. Undefined for a loop of links.
   */
  resolve(path: Path, keepLast?: boolean): Path | undefined;
  /** Children of a directory in canonical order; nothing for what is no directory. */
  list(dir: Path): Iterable<Entry>;
  /** All entries at and below `from` in canonical order, the root itself left out. */
  walk(from?: Path): Iterable<Entry>;
  /** Number of entries. */
  readonly size: number;
}
