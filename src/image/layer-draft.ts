import { compareNames } from "../kit/bytes.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Draft, Entry } from "../tree/entry.ts";
import { MAX_LINKS } from "../tree/lookup.ts";
import { nameOf, type Path, parentOf, ROOT } from "../tree/path.ts";

/** Metadata of a whiteout's own member; nobody looks at it, but a layer that is written again keeps it. */
type Facts = Pick<Entry, "mode" | "uid" | "gid" | "mtime">;

interface Node {
  readonly path: Path;
  /** Missing for a directory that is only implied by what lies in it, and for a whiteout. */
  entry?: Entry;
  whiteout?: Facts;
  opaque?: boolean;
  kids?: Map<string, Node>;
  /** For a hard link: the node that it names. */
  target?: Node;
  /** Hard links to this node. */
  links?: Node[];
}

/**
 * Makes a draft of the members of one layer in the order in which they come, with the meaning that unpacking them one by one
 * would have: the last member of a path wins; links of the layer itself are followed on the way to a parent, inside the root;
 * whiteouts and opaque marks concern lower layers only, wherever they stand. Parents that the layer does not have are left out
 * of the draft, so that they keep the metadata of lower layers (mergeTree makes those that nobody has).
 */
export class LayerDraft {
  readonly #root: Node = { path: ROOT };
  #dirs = new Map<Path, Node>([[ROOT, this.#root]]);
  #links = 0;
  /** Entries whose path had one before. */
  repeated = 0;
  /** Entries and whiteouts whose directory had not come before them. */
  orphans = 0;
  /** Hard links to what this layer does not have (yet). */
  readonly #toLower: { readonly node: Node; readonly target: Path }[] = [];

  /** Adds an entry of any kind but whiteout. Throws TAR where it contradicts the entries before it. */
  add(entry: Entry): void {
    if (entry.path === ROOT) {
      if (entry.kind !== "dir") throw refuse(entry.path, "the root of a layer must be a directory");
      if (this.#root.entry) this.repeated++;
      this.#root.entry = entry;
      return;
    }
    const parent = this.#parent(entry.path);
    const name = nameOf(entry.path);
    const path = (parent.path === ROOT ? `/${name}` : `${parent.path}/${name}`) as Path;
    const node = this.#slot(parent, name, path);
    if (node.entry) this.repeated++;
    if (node.entry || node.kids) this.#replace(node, entry);
    // After that: the name itself may have been the file that the link's target is a link to.
    const target = entry.kind === "hardlink" ? this.#linkTarget(entry.path, path, entry.target) : undefined;
    if (node.whiteout) {
      // What lower layers have under this name is gone, and then there is a directory: an opaque one.
      if (entry.kind === "dir") node.opaque = true;
      delete node.whiteout;
    }
    node.entry = path === entry.path ? entry : { ...entry, path };
    if (entry.kind !== "hardlink") return;
    if (target) {
      node.target = target;
      target.links ??= [];
      target.links.push(node);
    } else this.#toLower.push({ node, target: entry.target });
  }

  /** Says that lower layers' entry of a path is gone. */
  whiteout(path: Path, facts: Facts): void {
    const parent = this.#parent(path);
    const name = nameOf(path);
    const node = this.#slot(parent, name, (parent.path === ROOT ? `/${name}` : `${parent.path}/${name}`) as Path);
    if (node.entry === undefined) node.whiteout = facts;
    else if (node.entry.kind === "dir") node.opaque = true;
  }

  /** Says that a directory hides all that lower layers have in it. */
  opaque(dir: Path): void {
    this.#dir(dir).opaque = true;
  }

  /** The entries in canonical order. Throws TAR for a hard link that came before its target. */
  finish(): Draft {
    for (const { node, target } of this.#toLower) {
      if (node.entry?.kind === "hardlink" && node.target === undefined && this.#find(target)?.entry)
        throw refuse(node.path, `it is a hard link to ${printable(target)}, which comes later in the archive`);
    }
    const draft: Entry[] = [];
    const waiting: Node[] = [this.#root];
    for (let node = waiting.pop(); node; node = waiting.pop()) {
      const entry = finished(node);
      if (entry) draft.push(entry);
      if (node.kids) for (const name of sortedNames(node.kids).reverse()) waiting.push(node.kids.get(name) as Node);
    }
    return draft;
  }

  #parent(path: Path): Node {
    const parent = this.#dir(parentOf(path));
    if (parent !== this.#root && parent.entry === undefined) this.orphans++;
    return parent;
  }

  #slot(parent: Node, name: string, path: Path): Node {
    parent.kids ??= new Map();
    let node = parent.kids.get(name);
    if (!node) {
      node = { path };
      parent.kids.set(name, node);
    }
    return node;
  }

  /** Takes away what a path was so far, as far as the new entry does not keep it. */
  #replace(node: Node, entry: Entry): void {
    const wasDir = node.entry ? node.entry.kind === "dir" : node.kids !== undefined;
    if (wasDir && entry.kind === "dir") return;
    if (wasDir || node.entry?.kind === "symlink") this.#dirs = new Map([[ROOT, this.#root]]);
    for (const gone of subtree(node)) giveUp(gone);
    delete node.kids;
    delete node.target;
    // One after the other, the first would have taken lower layers' entries away.
    if (entry.kind === "dir") node.opaque = true;
    else delete node.opaque;
  }

  /** The node that a hard link names; undefined where this layer does not have it. */
  #linkTarget(link: Path, path: Path, target: Path): Node | undefined {
    const named = this.#find(target);
    if (!named?.entry) {
      if (named?.kids) throw refuse(link, `it is a hard link to the directory ${printable(target)}`);
      if (target === path) throw refuse(link, "it is a hard link to itself");
      return undefined;
    }
    if (named.path === path) throw refuse(link, "it is a hard link to itself");
    if (named.entry.kind === "dir") throw refuse(link, `it is a hard link to the directory ${printable(target)}`);
    return named.target ?? named;
  }

  /** The node of a path, links followed on the way to it but not at its end. Makes nothing. */
  #find(path: Path): Node | undefined {
    if (path === ROOT) return this.#root;
    return this.#dir(parentOf(path)).kids?.get(nameOf(path));
  }

  #dir(path: Path): Node {
    const known = this.#dirs.get(path);
    if (known) return known;
    this.#links = 0;
    return this.#resolve(path);
  }

  /** The directory that a path leads to; made, as an implied one, where it is not there. */
  #resolve(path: Path): Node {
    const known = this.#dirs.get(path);
    if (known) return known;
    const parent = this.#resolve(parentOf(path));
    const name = nameOf(path);
    let node = this.#slot(parent, name, (parent.path === ROOT ? `/${name}` : `${parent.path}/${name}`) as Path);
    if (node.entry?.kind === "symlink") {
      if (++this.#links > MAX_LINKS) throw refuse(path, `more than ${MAX_LINKS} symbolic links on the way`);
      node = this.#through(parent, node.entry.target);
    } else if (node.entry && node.entry.kind !== "dir") throw refuse(path, "it holds other members but is no directory");
    this.#dirs.set(path, node);
    return node;
  }

  #through(from: Node, target: string): Node {
    let here = target.startsWith("/") ? this.#root : from;
    for (const part of target.split("/")) {
      if (part === "" || part === ".") continue;
      const path = part === ".." ? parentOf(here.path) : here.path === ROOT ? `/${part}` : `${here.path}/${part}`;
      here = this.#resolve(path as Path);
    }
    return here;
  }
}

function finished(node: Node): Entry | undefined {
  const { entry, path } = node;
  if (entry?.kind === "hardlink" && node.target) return { ...entry, target: node.target.path };
  if (entry?.kind === "dir" && node.opaque) return { ...entry, opaque: true };
  if (entry) return entry;
  if (node.whiteout) return { kind: "whiteout", path, ...node.whiteout };
  return node.opaque ? { kind: "dir", path, mode: 0o755, uid: 0, gid: 0, mtime: 0, opaque: true } : undefined;
}

/** A node is replaced: the first of its other names takes its content over. */
function giveUp(node: Node): void {
  if (node.target?.links) node.target.links = node.target.links.filter((link) => link !== node);
  const heir = node.links?.shift();
  if (!heir || !node.entry) return;
  heir.entry = { ...node.entry, path: heir.path };
  delete heir.target;
  heir.links = node.links ?? [];
  for (const link of heir.links) link.target = heir;
  delete node.links;
}

function subtree(node: Node): Node[] {
  const all = [node];
  for (let at = 0; at < all.length; at++) for (const kid of all[at]?.kids?.values() ?? []) all.push(kid);
  return all;
}

function sortedNames(kids: ReadonlyMap<string, Node>): string[] {
  const names = [...kids.keys()];
  for (let at = 1; at < names.length; at++) {
    if (compareNames(names[at - 1] as string, names[at] as string) > 0) return names.sort(compareNames);
  }
  return names;
}

function refuse(path: string, why: string): Failure {
  return new Failure("TAR", `${printable(path)}: ${why}`);
}
