import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import type { Draft, Entry, FileEntry, HardlinkEntry } from "../../tree/entry.ts";
import { follow, type Walkable } from "../../tree/lookup.ts";
import { compareByPath, sortByPath } from "../../tree/order.ts";
import { join, nameOf, type Path, parentOf, ROOT } from "../../tree/path.ts";
import type { Tree } from "../../tree/tree.ts";

/** Time of an entry that the build itself makes: filled in when the draft is finished. */
export const UNTIMED = Number.NEGATIVE_INFINITY;

interface Node extends Walkable<Node> {}

/**
 * A draft being written on top of a tree: what a step adds so far, seen together with what was there. Nothing of the tree changes.
 */
export class DraftBuilder {
  readonly #tree: Tree;
  readonly #own = new Map<Path, Entry>();
  /** Further names of files of this draft; some may have been written over since. */
  readonly #links = new Map<Path, Path[]>();
  #newest = UNTIMED;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** What is at a path now, links not followed. */
  get(path: Path): Entry | undefined {
    return this.#own.get(path) ?? (path === ROOT ? ROOT_ENTRY : this.#tree.get(path));
  }

  /** Where a path leads, links followed inside the image. Throws PLAN for a loop of links. */
  resolve(path: Path, keepLast = false): Path {
    if (this.#own.size === 0 && this.#tree.size === 0) return path;
    const found = follow(this.#node(ROOT, ROOT_ENTRY), path, keepLast);
    if (!found) throw new Failure("PLAN", `${printable(path)}: too many levels of symbolic links`);
    return found.path;
  }

  #node(path: Path, entry: Entry): Node {
    if (entry.kind !== "dir") return { entry, kids: undefined };
    const get = (name: string): Node | undefined => {
      const below = join(path, name);
      const kid = this.get(below);
      return kid && this.#node(below, kid);
    };
    return { entry, kids: { get } };
  }

  /** Adds or replaces one entry; its parents must be directories already (see mkdirAll). Throws CONTEXT for names no layer can hold. */
  put(entry: Entry): void {
    const name = nameOf(entry.path);
    if (name.startsWith(".wh.")) {
      throw new Failure(
        "CONTEXT",
        `${printable(entry.path)}: names that begin with ".wh." mean a deletion in layers and cannot be files of an image`,
        {
          hint: "Rename the file, or exclude it in .dockerignore.",
        },
      );
    }
    if (entry.path.length > LIMITS.pathBytes)
      throw new Failure("LIMIT", `${printable(entry.path.slice(0, 80))}…: a path longer than ${LIMITS.pathBytes} bytes`);
    if (entry.mtime > this.#newest) this.#newest = entry.mtime;
    const before = this.#own.get(entry.path);
    if (before?.kind === "file" && !(entry.kind === "file" && entry.content === before.content)) this.#handOn(before);
    this.#own.set(entry.path, entry);
    if (entry.kind === "hardlink") {
      const links = this.#links.get(entry.target);
      if (links) links.push(entry.path);
      else this.#links.set(entry.target, [entry.path]);
    }
  }

  /** A file is about to be written over: the next of its names becomes the file, and the others link to that. */
  #handOn(file: FileEntry): void {
    const names = (this.#links.get(file.path) ?? []).filter((path) => {
      const link = this.#own.get(path);
      return link?.kind === "hardlink" && link.target === file.path;
    });
    this.#links.delete(file.path);
    const [first, ...rest] = names;
    if (first === undefined) return;
    const { mode, uid, gid, mtime } = this.#own.get(first) as Entry;
    this.#own.set(first, { ...file, path: first, mode, uid, gid, mtime });
    for (const path of rest) this.#own.set(path, { ...(this.#own.get(path) as HardlinkEntry), target: first });
    this.#links.set(first, rest);
  }

  /**
   * Makes a directory and its missing parents, following links on the way; gives the path they really have. Made ones have mode 0755.
   * Throws PLAN where a part is no directory.
   */
  mkdirAll(path: Path, owner: { readonly uid: number; readonly gid: number }, mode = 0o755): Path {
    const real = this.resolve(path);
    const made: Path[] = [];
    for (let dir = real; ; dir = parentOf(dir)) {
      const there = this.get(dir);
      if (there?.kind === "dir") break;
      if (there !== undefined) throw new Failure("PLAN", `${printable(dir)} is not a directory`);
      made.push(dir);
    }
    for (const dir of made.reverse()) this.put({ kind: "dir", path: dir, mode, uid: owner.uid, gid: owner.gid, mtime: UNTIMED });
    return real;
  }

  /**
   * The finished draft: canonical order, every parent directory included as the tree has it. Entries that the build made get the time of
   * the newest entry of the draft, or `fallback` (seconds) where it has no other; that way they do not depend on the clock.
   */
  finish(fallback: number): Draft {
    for (const path of Array.from(this.#own.keys())) {
      for (let dir = parentOf(path); dir !== ROOT && !this.#own.has(dir); dir = parentOf(dir)) {
        const there = this.#tree.get(dir);
        if (there?.kind === "dir") this.#own.set(dir, there);
      }
    }
    const time = this.#newest === UNTIMED ? fallback : this.#newest;
    const entries: Entry[] = [];
    for (const entry of this.#own.values()) entries.push(entry.mtime === UNTIMED ? { ...entry, mtime: time } : entry);
    return sortByPath(linksAfterFiles(entries));
  }
}

/** Tar readers need a file before the links to it: the first name in order becomes the file, the others link to it. */
function linksAfterFiles(entries: readonly Entry[]): Entry[] {
  const first = new Map<Path, Path>();
  for (const entry of entries) {
    if (entry.kind !== "hardlink") continue;
    const now = first.get(entry.target) ?? entry.target;
    first.set(entry.target, compareByPath(entry.path, now) < 0 ? entry.path : now);
  }
  if (![...first].some(([target, name]) => target !== name)) return [...entries];
  const files = new Map(entries.map((entry) => [entry.path, entry]));
  return entries.map((entry) => {
    const target = entry.kind === "hardlink" ? entry.target : entry.path;
    const name = first.get(target);
    if (name === undefined || name === target) return entry;
    const file = files.get(target) as Entry;
    if (entry.path === name) return { ...file, path: name } as Entry;
    const { uid, gid, mode, mtime } = file;
    return { kind: "hardlink", path: entry.path, target: name, uid, gid, mode, mtime };
  });
}

const ROOT_ENTRY: Entry = { kind: "dir", path: ROOT, mode: 0o755, uid: 0, gid: 0, mtime: 0 };
