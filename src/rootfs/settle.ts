import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { DirEntry, Draft, Entry, FileEntry } from "../tree/entry.ts";
import { sortByPath } from "../tree/order.ts";
import { nameOf, type Path, parentOf, ROOT, join as under } from "../tree/path.ts";
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
 * The layer as it is on top of `below`, in a form that an overlay can stack: entries lie where links of lower layers lead, missing parents
 * are there with the metadata that they have below (those nobody has as mergeTree makes them), and a hard link to a lower layer's file
 * is that file again. `merged` is `below` with the draft on top.
 */
export function settle(draft: Draft, below: Tree, merged: Tree): Draft {
  const out = new Map<Path, Entry>();
  const own = new Set(draft.filter((entry) => entry.kind === "file").map((entry) => entry.path));
  const ensureParents = (path: Path): void => {
    for (let dir = parentOf(path); dir !== ROOT && !out.has(dir); dir = parentOf(dir)) {
      const known = merged.get(dir) ?? below.get(dir);
      if (known?.kind !== "dir") throw new Failure("TAR", `${printable(path)}: ${printable(dir)} is no directory`);
      out.set(dir, known);
    }
  };
  const add = (entry: Entry): void => {
    ensureParents(entry.path);
    const there = out.get(entry.path);
    // What hides lower entries comes first in meaning: a directory that is both gone below and there again is opaque.
    out.set(entry.path, there?.kind === "dir" && there.opaque && entry.kind === "dir" ? { ...entry, opaque: true } : entry);
  };
  for (const entry of draft) {
    if (entry.kind !== "whiteout") continue;
    const path = below.resolve(entry.path, true);
    // An entry below something that the draft itself replaces hides nothing more.
    if (path === undefined || path === ROOT || below.get(path) === undefined || merged.get(parentOf(path))?.kind !== "dir") continue;
    add({ ...entry, path });
  }
  for (const entry of draft) {
    if (entry.kind === "whiteout") continue;
    if (entry.path === ROOT) {
      out.set(ROOT, entry);
      continue;
    }
    const parent = merged.resolve(parentOf(entry.path));
    const path = parent === undefined ? entry.path : under(parent, nameOf(entry.path));
    const found = merged.get(path);
    if (found === undefined) throw new Failure("TAR", `${printable(entry.path)} lies where nothing can be`);
    if (entry.kind === "dir") add({ ...(found as DirEntry), ...(entry.opaque ? { opaque: true } : {}) });
    else if (entry.kind === "hardlink") add(linked(entry, path, found, own, merged));
    else add({ ...entry, path });
  }
  return sortByPath([...out.values()]);
}

/** A link within the layer stays one; one to a lower layer's file becomes that file. */
function linked(entry: Extract<Entry, { kind: "hardlink" }>, path: Path, found: Entry, own: ReadonlySet<Path>, merged: Tree): Entry {
  if (!own.has(entry.target)) return { ...(found as FileEntry), path };
  const parent = merged.resolve(parentOf(entry.target));
  return { ...entry, path, target: parent === undefined ? entry.target : under(parent, nameOf(entry.target)) };
}
