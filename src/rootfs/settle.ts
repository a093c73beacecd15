import { diffTrees } from "../tree/diff.ts";
import type { Draft, Entry, FileEntry } from "../tree/entry.ts";
import { sortByPath } from "../tree/order.ts";
import { type Path, parentOf, ROOT } from "../tree/path.ts";
import type { Tree } from "../tree/tree.ts";

/**
 * Whether a layer means the same on top of any other: every directory that its entries lie in is its own, and so is every file that its
 * hard links name. Then none of its entries lies below a symbolic link of another layer. Layers that nought makes are all like that.
 */
export function isSelfContained(draft: Draft): boolean {
  const dirs = new Set<Path>([ROOT]);
  const others = new Set<Path>();
  for (const entry of draft) {
    if (!dirs.has(parentOf(entry.path))) return false;
    if (entry.kind === "dir") dirs.add(entry.path);
    else if (entry.kind !== "whiteout" && entry.kind !== "hardlink") others.add(entry.path);
  }
  return draft.every((entry) => entry.kind !== "hardlink" || others.has(entry.target));
}

/**
 * What a layer comes to on top of `below`, in a form that an overlay can stack: the difference to `merged`, which is `below` with the layer
 * on top.
 * So entries lie where links of lower layers lead, missing parents are there as they are below, a hard link to a lower layer's file is that
 * file again, and nothing is hidden but what is there.
 */
export function settle(below: Tree, merged: Tree): Draft {
  const out = new Map<Path, Entry>();
  const root = merged.get(ROOT);
  if (root) out.set(ROOT, root);
  const files = new Map<FileEntry["content"], Path>();
  for (const difference of diffTrees(below, merged)) {
    const { path } = difference;
    // What lies in something that is gone, or is no directory any more, is gone with it.
    if (merged.get(parentOf(path))?.kind !== "dir") continue;
    for (let dir = parentOf(path); !out.has(dir); dir = parentOf(dir)) out.set(dir, merged.get(dir) as Entry);
    if (difference.change === "removed") out.set(path, { kind: "whiteout", path, mode: 0, uid: 0, gid: 0, mtime: 0 });
    else out.set(path, linked(difference.after, files));
  }
  return sortByPath([...out.values()]);
}

/**
 * Whether the layer, which is self-contained, can be stacked on `below` as it is. Its whiteouts must lie in directories that overlayfs
 * merges: a directory that comes from one layer alone is listed as it is, and the names of whiteouts in it would be seen, with nothing
 * behind them.
 */
export function fitsOn(draft: Draft, below: Tree): boolean {
  if (!draft.some((entry) => entry.kind === "whiteout")) return true;
  const dirs = new Map(draft.flatMap((entry) => (entry.kind === "dir" ? [[entry.path, entry]] : [])));
  return draft.every((entry) => entry.kind !== "whiteout" || isMerged(entry.path, (path) => dirs.get(path), below));
}

/** Whether all directories on the way to a path are there below, and nothing of the layer hides that. */
function isMerged(path: Path, layer: (path: Path) => Entry | undefined, below: Tree): boolean {
  for (let dir = parentOf(path); dir !== ROOT; dir = parentOf(dir)) {
    const own = layer(dir);
    if ((own?.kind === "dir" && own.opaque) || below.get(dir)?.kind !== "dir") return false;
  }
  const root = layer(ROOT);
  return !(root?.kind === "dir" && root.opaque);
}

/** In a merged tree, names of one file share its content. The first of those that are new is the file, the others are links to it. */
function linked(entry: Entry, files: Map<FileEntry["content"], Path>): Entry {
  if (entry.kind !== "file") return entry;
  const first = files.get(entry.content);
  if (first === undefined) {
    files.set(entry.content, entry.path);
    return entry;
  }
  const { path, mode, uid, gid, mtime } = entry;
  return { kind: "hardlink", path, mode, uid, gid, mtime, target: first };
}
