import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { DirEntry, Draft, Entry } from "./entry.ts";
import { follow, nodeAt } from "./lookup.ts";
import { countNodes, Kids, type Node } from "./node.ts";
import { nameOf, type Path, parentOf, ROOT } from "./path.ts";
import type { Tree } from "./tree.ts";

/**
 * The merged view of layers, lowest first: what a container of these layers would see. Follows OCI image-spec, layer.md, "Applying
 * changesets", and containerd where that is silent: a directory over a directory changes its metadata only, anything else
 * replaces what was there; an entry whose parent is a symbolic link lands where the link leads, inside the root; parents that no
 * layer has are 0755, root, time 0. Throws TAR where a draft contradicts what is below it (see stack).
 */
export function mergeTree(layers: readonly Draft[]): Tree {
  const owner = {};
  const state: State = { owner, root: emptyRoot(owner), size: 0 };
  for (const draft of layers) apply(state, draft);
  return new MergedTree(state.root, state.size);
}

/**
 * The tree with one more draft on top. The tree given stays as it is, and both share what is equal: the cost is that of the draft.
 * Throws TAR for an entry below something that is no directory, for a loop of links, and for a hard link to nothing.
 */
export function stack(tree: Tree, draft: Draft): Tree {
  if (!(tree instanceof MergedTree)) return mergeTree([[...tree.walk()], draft]);
  const state: State = { owner: {}, root: tree.root, size: tree.size };
  apply(state, draft);
  return new MergedTree(state.root, state.size);
}

class MergedTree implements Tree {
  readonly root: Node;
  readonly size: number;

  constructor(root: Node, size: number) {
    this.root = root;
    this.size = size;
  }

  get(path: Path): Entry | undefined {
    return nodeAt(this.root, path)?.entry;
  }

  lookup(path: Path): Entry | undefined {
    return follow(this.root, path)?.node?.entry;
  }

  resolve(path: Path, keepLast = false): Path | undefined {
    return follow(this.root, path, keepLast)?.path;
  }

  list(dir: Path): Iterable<Entry> {
    return (nodeAt(this.root, dir)?.kids?.sorted() ?? []).map((node) => node.entry);
  }

  *walk(from: Path = ROOT): Iterable<Entry> {
    const start = nodeAt(this.root, from);
    if (!start) return;
    const waiting: Node[] = start === this.root ? [...(start.kids?.sorted() ?? [])].reverse() : [start];
    while (waiting.length > 0) {
      const node = waiting.pop() as Node;
      yield node.entry;
      const kids = node.kids?.sorted();
      if (kids) for (let at = kids.length - 1; at >= 0; at--) waiting.push(kids[at] as Node);
    }
  }
}

interface State {
  readonly owner: object;
  root: Node;
  size: number;
}

function impliedDir(path: Path): DirEntry {
  return { kind: "dir", path, mode: 0o755, uid: 0, gid: 0, mtime: 0 };
}

function emptyRoot(owner: object): Node {
  return { entry: impliedDir(ROOT), kids: undefined, owner };
}

/** First what the draft hides, so that nothing of its own is ever hidden by it; then what it adds; hard links at the end. */
function apply(state: State, draft: Draft): void {
  for (const entry of draft) {
    if (entry.kind === "whiteout") hide(state, entry.path);
    else if (entry.kind === "dir" && entry.opaque) empty(state, entry.path);
  }
  const parents = new Parents(state);
  const links: Extract<Entry, { kind: "hardlink" }>[] = [];
  for (const entry of draft) {
    if (entry.kind === "whiteout") continue;
    if (entry.kind === "hardlink") links.push(entry);
    else place(state, parents, entry);
  }
  for (let left = links; left.length > 0; ) {
    const waiting = new Set(left.map((link) => link.path));
    const later = left.filter((link) => waiting.has(link.target) || !placeLink(state, parents, link) || !waiting.delete(link.path));
    if (later.length === left.length) {
      const link = later[0] as (typeof links)[0];
      throw new Failure("TAR", `hard link ${printable(link.path)} names ${printable(link.target)}, which is not there`);
    }
    left = later;
  }
}

function place(state: State, parents: Parents, entry: Exclude<Entry, { kind: "hardlink" }>): void {
  const clean: Entry = entry.kind === "dir" && entry.opaque ? withoutOpaque(entry) : entry;
  if (entry.path === ROOT) {
    if (entry.kind !== "dir") throw new Failure("TAR", "the root of a layer is not a directory");
    ownRoot(state).entry = clean;
    return;
  }
  const parent = parents.find(parentOf(entry.path));
  const name = nameOf(entry.path);
  const old = parent.node.kids?.get(name);
  const path = parent.path === parentOf(entry.path) ? entry.path : under(parent.path, name);
  const placed = path === entry.path ? clean : { ...clean, path };
  const stays = old !== undefined && old.entry.kind === "dir" && placed.kind === "dir";
  if (stays && old.owner === state.owner) {
    old.entry = placed;
    return;
  }
  const node: Node = { entry: placed, kids: stays ? old.kids : undefined, owner: state.owner };
  if (!old) state.size++;
  else if (!stays) state.size -= countNodes(old) - 1;
  ownKids(state, parent.node).set(name, node);
  if (placed.kind === "dir") parents.remember(entry.path, { path, node });
  if (old && !stays) parents.forget(old);
}

/** Gives a hard link the entry of the file it names, under its own path. False where that file is not there (yet). */
function placeLink(state: State, parents: Parents, link: Extract<Entry, { kind: "hardlink" }>): boolean {
  const named = follow(state.root, link.target, true);
  if (!named?.node || named.path === link.path) return false;
  const entry = named.node.entry;
  if (entry.kind === "dir") throw new Failure("TAR", `hard link ${printable(link.path)} names the directory ${printable(link.target)}`);
  place(state, parents, { ...entry, path: link.path } as Exclude<Entry, { kind: "hardlink" }>);
  return true;
}

function withoutOpaque(entry: DirEntry): DirEntry {
  const { opaque: _, ...rest } = entry;
  return rest;
}

function under(dir: Path, name: string): Path {
  return (dir === ROOT ? `/${name}` : `${dir}/${name}`) as Path;
}

/** Takes a path of lower layers away, with all that lies in it. */
function hide(state: State, path: Path): void {
  const at = follow(state.root, path, true);
  if (!at?.node || at.path === ROOT) return;
  state.size -= countNodes(at.node);
  const parent = ownPath(state, parentOf(at.path));
  ownKids(state, parent).delete(nameOf(at.path));
}

/** Takes away all that lower layers have in a directory. */
function empty(state: State, path: Path): void {
  const at = follow(state.root, path, true);
  if (at?.node?.entry.kind !== "dir" || !at.node.kids) return;
  state.size -= countNodes(at.node) - 1;
  ownPath(state, at.path).kids = undefined;
}

function ownRoot(state: State): Node {
  if (state.root.owner !== state.owner) state.root = { ...state.root, owner: state.owner };
  return state.root;
}

function ownKids(state: State, node: Node): Kids {
  if (node.kids?.owner !== state.owner) node.kids = new Kids(state.owner, node.kids);
  return node.kids;
}

/** The node at a path that exists, copied with its parents as far as they are shared with another tree. */
function ownPath(state: State, path: Path): Node {
  let node = ownRoot(state);
  if (path === ROOT) return node;
  for (const name of path.slice(1).split("/")) {
    const kids = ownKids(state, node);
    let kid = kids.get(name) as Node;
    if (kid.owner !== state.owner) {
      kid = { ...kid, owner: state.owner };
      kids.set(name, kid);
    }
    node = kid;
  }
  return node;
}

/** Finds and makes the directories that entries are put into; remembers the last ones, since entries come in order. */
class Parents {
  readonly #state: State;
  readonly #known = new Map<Path, { readonly path: Path; readonly node: Node }>();

  constructor(state: State) {
    this.#state = state;
  }

  find(dir: Path): { readonly path: Path; readonly node: Node } {
    const known = this.#known.get(dir);
    if (known) return known;
    const found = this.#make(dir);
    this.#known.set(dir, found);
    return found;
  }

  remember(dir: Path, found: { readonly path: Path; readonly node: Node }): void {
    this.#known.set(dir, found);
  }

  /** What was replaced may have been on the way to any of the known directories. */
  forget(old: Node): void {
    if (old.entry.kind === "dir" || old.entry.kind === "symlink") this.#known.clear();
  }

  #make(dir: Path): { readonly path: Path; readonly node: Node } {
    const state = this.#state;
    const at = follow(state.root, dir);
    if (!at) throw new Failure("TAR", `${printable(dir)}: more than 255 symbolic links on the way`);
    let node = ownRoot(state);
    let path = ROOT;
    for (const name of at.path === ROOT ? [] : at.path.slice(1).split("/")) {
      path = under(path, name);
      const kids = ownKids(state, node);
      let kid = kids.get(name);
      if (!kid) {
        kid = { entry: impliedDir(path), kids: undefined, owner: state.owner };
        kids.set(name, kid);
        state.size++;
      } else if (kid.entry.kind !== "dir") {
        throw new Failure("TAR", `${printable(path)} holds other entries but is no directory`);
      } else if (kid.owner !== state.owner) {
        kid = { ...kid, owner: state.owner };
        kids.set(name, kid);
      }
      node = kid;
    }
    return { path, node };
  }
}
