import { type Dirent, lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { compareNames, decodeName } from "../kit/bytes.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { MatchState, PathMatcher } from "../kit/pattern.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf } from "../kit/storage-failure.ts";
import type { Digest } from "../oci/digest.ts";
import { fsName } from "./content.ts";
import type { Entry, LayerAddress, Stamp } from "./entry.ts";
import { follow, nodeAt } from "./lookup.ts";
import { nameOf, type Path, ROOT } from "./path.ts";
import { stampOf } from "./stamp.ts";
import type { Tree } from "./tree.ts";

/** Which paths of a folder count as absent: the matcher of kit/pattern.ts. Paths have no leading slash. */
export type Exclusion = Pick<PathMatcher, "step" | "excludes" | "mayHaveExceptionsBelow">;

/** What is known of a file that has not changed since it was read: its digest, and where a copy of its bytes lies. */
export interface KnownFile {
  readonly digest: Digest;
  readonly copy?: LayerAddress;
}

/** Finds what is known of a file by its path in the tree. */
export type FindKnown = (path: Path, stamp: Stamp) => KnownFile | undefined;

interface HostNode {
  readonly entry: Entry;
  readonly kids: HostKids | undefined;
}

/**
 * A folder of the host as a tree: directories are read when somebody asks for them, and once. Owners are 0:0, as docker's
 * local contexts have them; sockets are left out; extended attributes are not read (docs/decisions: Node has no call for it).
 * Symlinks are followed inside the folder only. Throws CONTEXT for what cannot be read.
 */
export function hostTree(folder: string, exclude?: Exclusion, known?: FindKnown): Tree {
  const root: HostNode = {
    entry: entryOf(ROOT, folder, lstatSync(fsName(folder)), undefined),
    kids: new HostKids(folder, ROOT, { exclude, known }, undefined),
  };
  const collect = (node: HostNode, into: Entry[]): Entry[] => {
    for (const kid of node.kids?.sorted() ?? []) {
      into.push(kid.entry);
      if (kid.kids) collect(kid, into);
    }
    return into;
  };
  return {
    get: (path) => nodeAt(root, path)?.entry,
    lookup: (path) => follow(root, path)?.node?.entry,
    resolve: (path, keepLast) => follow(root, path, keepLast)?.path,
    list: (dir) => (nodeAt(root, dir)?.kids?.sorted() ?? []).map((kid) => kid.entry),
    walk(from = ROOT) {
      const node = nodeAt(root, from);
      return node ? collect(node, from === ROOT ? [] : [node.entry]) : [];
    },
    get size() {
      return collect(root, []).length;
    },
  };
}

/** The names in one directory of the host: one at a time by lstat, or all of them by one readdir. */
class HostKids {
  readonly #folder: string;
  readonly #path: Path;
  readonly #exclude: Exclusion | undefined;
  readonly #known: FindKnown | undefined;
  /** What the patterns say of this directory itself. */
  readonly #state: MatchState | undefined;
  readonly #nodes = new Map<string, HostNode | undefined>();
  #sorted: readonly HostNode[] | undefined;

  constructor(
    folder: string,
    path: Path,
    how: { readonly exclude: Exclusion | undefined; readonly known: FindKnown | undefined },
    state: MatchState | undefined,
  ) {
    this.#folder = folder;
    this.#path = path;
    this.#exclude = how.exclude;
    this.#known = how.known;
    this.#state = state;
  }

  get(name: string): HostNode | undefined {
    if (this.#sorted) return found(this.#sorted, name);
    if (this.#nodes.has(name)) return this.#nodes.get(name);
    const node = this.#look(name);
    this.#nodes.set(name, node);
    return node;
  }

  sorted(): readonly HostNode[] {
    if (this.#sorted) return this.#sorted;
    const names = namesIn(this.#folder, this.#path);
    if (names.length > LIMITS.treeEntries)
      throw new Failure("LIMIT", `${printable(this.#folder)} holds more than ${LIMITS.treeEntries} names`);
    sortNames(names);
    const nodes: HostNode[] = [];
    for (const name of names) {
      const node = this.#nodes.size > 0 && this.#nodes.has(name) ? this.#nodes.get(name) : this.#look(name);
      if (node) nodes.push(node);
    }
    this.#nodes.clear();
    this.#sorted = nodes;
    return nodes;
  }

  #look(name: string): HostNode | undefined {
    const file = `${this.#folder}/${name}`;
    // A part of the other string: a tree of a million names holds each once.
    const path = file.slice(this.#folder.length - (this.#path === ROOT ? 0 : this.#path.length)) as Path;
    const excluded = this.#exclude?.excludes(path.slice(1), this.#state) ?? false;
    if (excluded && !this.#exclude?.mayHaveExceptionsBelow(path.slice(1))) return undefined;
    const stats = lookAt(file, path);
    if (stats === undefined || stats.isSocket()) return undefined;
    const kids = stats.isDirectory()
      ? new HostKids(file, path, { exclude: this.#exclude, known: this.#known }, this.#exclude?.step(path.slice(1), this.#state))
      : undefined;
    // An excluded directory is there only as the way to something that was let in again.
    if (excluded && (kids === undefined || kids.sorted().length === 0)) return undefined;
    return { entry: entryOf(path, file, stats, this.#known), kids };
  }
}

/** The node of that name in a sorted list. */
function found(nodes: readonly HostNode[], name: string): HostNode | undefined {
  let [from, to] = [0, nodes.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const node = nodes[middle] as HostNode;
    const order = compareNames(nameOf(node.entry.path), name);
    if (order === 0) return node;
    if (order < 0) from = middle + 1;
    else to = middle;
  }
  return undefined;
}

function namesIn(folder: string, path: Path): string[] {
  try {
    const names = readdirSync(fsName(folder));
    if (!names.some((name) => name.includes("\ufffd"))) return names;
    return (readdirSync(fsName(folder), { encoding: "buffer", withFileTypes: false }) as unknown as (Buffer | Dirent)[]).map((name) =>
      decodeName(name as Buffer),
    );
  } catch (error) {
    throw unreadable("list", path === ROOT ? folder : path.slice(1), error);
  }
}

function lookAt(file: string, path: Path): Stats | undefined {
  try {
    return lstatSync(fsName(file), { throwIfNoEntry: false });
  } catch (error) {
    throw unreadable("look at", path.slice(1), error);
  }
}

function unreadable(doing: string, path: string, error: unknown): Failure {
  const code = errnoOf(error);
  const why = code === "EACCES" ? "permission denied" : code === "ENAMETOOLONG" ? "the path is too long" : code;
  const hint = "Exclude it in .dockerignore, or give the user who builds the right to read it.";
  return new Failure("CONTEXT", `cannot ${doing} ${shortened(printable(path))}: ${why}`, { hint, cause: error });
}

/** A path of thousands of characters by its beginning. */
function shortened(path: string): string {
  return path.length > 1000 ? `${path.slice(0, 1000)}…` : path;
}

/** By bytes. Most names are ASCII, where the order of strings is the order of bytes. */
function sortNames(names: string[]): void {
  let plain = true;
  for (const name of names) {
    if (/[\ud800-\udfff]/.test(name)) {
      plain = false;
      break;
    }
  }
  if (plain) names.sort((a, b) => (a < b ? -1 : 1));
  else names.sort(compareNames);
}

const UNKNOWN: Partial<KnownFile> = {};

function entryOf(path: Path, file: string, stats: Stats, known: FindKnown | undefined): Entry {
  const mode = stats.mode & 0o7777;
  const mtime = Math.floor(stats.mtimeMs / 1000);
  if (stats.isFile()) {
    const stamp = stampOf(stats);
    const { digest, copy } = known?.(path, stamp) ?? UNKNOWN;
    const content = copy === undefined ? ({ in: "host", path: file, stamp } as const) : ({ in: "host", path: file, stamp, copy } as const);
    // One literal for the usual case: fifty thousand of these are made at a time.
    if (digest !== undefined && stats.nlink === 1)
      return { path, kind: "file", mode, uid: 0, gid: 0, mtime, size: stats.size, content, digest };
    const facts = { path, kind: "file", mode, uid: 0, gid: 0, mtime, size: stats.size, content } as const;
    const more = digest === undefined ? {} : { digest };
    return stats.nlink > 1 ? { ...facts, ...more, twin: `${stats.dev}:${stats.ino}` } : facts;
  }
  const facts = { path, mode, uid: 0, gid: 0, mtime };
  if (stats.isDirectory()) return { ...facts, kind: "dir" };
  if (stats.isSymbolicLink())
    return { ...facts, kind: "symlink", mode: 0o777, target: decodeName(readlinkSync(fsName(file), { encoding: "buffer" })) };
  if (stats.isFIFO()) return { ...facts, kind: "fifo" };
  // Linux's split of a device number (makedev(3)).
  const major = ((stats.rdev >>> 8) & 0xfff) | (Math.floor(stats.rdev / 2 ** 32) & ~0xfff);
  const minor = (stats.rdev & 0xff) | ((stats.rdev >>> 12) & ~0xff);
  return { ...facts, kind: stats.isBlockDevice() ? "block" : "char", major, minor };
}
