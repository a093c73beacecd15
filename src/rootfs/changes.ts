import { createHash } from "node:crypto";
import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from "node:fs";
import { compareNames, decodeName } from "../kit/bytes.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { notedOwner, OWNER_ATTRIBUTE } from "../sandbox/seccomp/owners.ts";
import type { Task } from "../task/task.ts";
import { fsName } from "../tree/content.ts";
import { compareEntries } from "../tree/diff.ts";
import type { DirEntry, Draft, Entry, FileEntry } from "../tree/entry.ts";
import { type Path, ROOT } from "../tree/path.ts";
import { stampOf } from "../tree/stamp.ts";
import type { Tree } from "../tree/tree.ts";
import type { HostCalls } from "./calls.ts";
import { isOwnBook } from "./owner.ts";

/** How changes are read. */
export interface ChangesHow {
  readonly calls: HostCalls;
  /**
   * As the lowers were unpacked. `mine`: files and directories belong to whom their notes say (owner.ts), others to whom they did below.
   */
  readonly ids: "keep" | "mine";
  /** The step's user, with `mine`: what it made and gave to nobody belongs to him. Root without. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** What makeStubs made: directories of it that hold nothing and that nobody changed are left out. */
  readonly stubs?: ReadonlySet<Path>;
}

/** One name in the upper directory. */
interface Found {
  readonly path: Path;
  readonly file: string;
  readonly stats: Stats;
  readonly kids: readonly Found[];
  xattrs: ReadonlyMap<string, Uint8Array>;
}

/**
 * What a step changed: the upper directory of its overlay as a draft on top of `below`, the merged tree of the image's layers. Every parent
 * of a change is in it, with its own metadata, since unpackers that make missing parents make them differently. What was copied up but is
 * as before is left out, as are sockets and the mark of an opaque directory that hides nothing. Contents are addresses of files in `upper`,
 * which must stay until the draft is sealed; nothing may write to it any more. The root directory itself is no change.
 * Throws SANDBOX for an overlay that was mounted with options whose books cannot be read back, STORAGE, LIMIT, INTERRUPTED.
 */
export async function readChanges(upper: string, below: Tree, how: ChangesHow, task: Task): Promise<Draft> {
  return (await readUpper(upper, below, how, task)).draft;
}

/** The changes, and what the upper directory is good for besides. */
export interface ReadUpper {
  readonly draft: Draft;
  /**
   * Whether the upper directory may stand for the layer that the draft becomes: `anywhere` where it holds just that, `here`, on the layers
   * that
   * it was made on, where it also holds copies of what is below, and `nowhere` with sockets, mount points and attributes that no layer has.
   */
  readonly standsFor: "anywhere" | "here" | "nowhere";
}

/** The same as readChanges, for who means to keep the upper directory (adoptUpper). */
export async function readUpper(upper: string, below: Tree, how: ChangesHow, task: Task): Promise<ReadUpper> {
  const all: Found[] = [];
  try {
    const kids = list(upper, ROOT, all, task);
    const attributes = how.calls.attributes(all.map((found) => found.file));
    for (const [at, found] of all.entries()) found.xattrs = attributes[at] ?? NONE;
    const reader = new ChangeReader(below, how, task);
    reader.read(kids, false);
    return reader;
  } catch (error) {
    throw storageFailure(error, "could not read the changes in", upper);
  }
}

const NONE: ReadonlyMap<string, Uint8Array> = new Map();

function list(folder: string, path: Path, all: Found[], task: Task): Found[] {
  if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while reading the changes of a step");
  const names = readdirSync(fsName(folder), { encoding: "buffer" }).map(decodeName).sort(compareNames);
  return names.map((name) => {
    if (all.length >= LIMITS.treeEntries) throw new Failure("LIMIT", `a step changed more than ${LIMITS.treeEntries} files`);
    const file = `${folder}/${name}`;
    const stats = lstatSync(fsName(file));
    const inner = (path === ROOT ? `/${name}` : `${path}/${name}`) as Path;
    const kids: Found[] = [];
    const found: Found = { path: inner, file, stats, kids, xattrs: NONE };
    all.push(found);
    if (stats.isDirectory()) kids.push(...list(file, inner, all, task));
    return found;
  });
}

class ChangeReader implements ReadUpper {
  readonly draft: Entry[] = [];
  standsFor: ReadUpper["standsFor"] = "anywhere";
  readonly #below: Tree;
  readonly #how: ChangesHow;
  readonly #task: Task;
  /** The first name of each file that has several. */
  readonly #first = new Map<string, Path>();

  constructor(below: Tree, how: ChangesHow, task: Task) {
    this.#below = below;
    this.#how = how;
    this.#task = task;
  }

  /** `hidden`: the directory is opaque, so that nothing of lower layers shows in it. */
  read(all: readonly Found[], hidden: boolean): void {
    for (const found of all) {
      const { path, stats } = found;
      const old = this.#below.get(path);
      const shown = hidden ? undefined : old;
      // All whiteouts of a mount are names of one inode; that says nothing. A socket is in no layer, but what it took the place of is gone.
      if (stats.isSocket() || (stats.isCharacterDevice() && stats.rdev === 0)) {
        if (shown) this.draft.push({ kind: "whiteout", path, mode: 0, uid: 0, gid: 0, mtime: seconds(stats) });
        if (!shown || stats.isSocket()) this.standsFor = "nowhere";
        continue;
      }
      if (path.slice(path.lastIndexOf("/") + 1).startsWith(".wh.")) {
        this.standsFor = "nowhere";
        this.#task.emit({ type: "note", text: `${printable(path)} is left out: in a layer, its name would say that another file is gone` });
        continue;
      }
      checkBooks(found);
      const facts = this.#facts(found, old);
      if (stats.isDirectory()) this.#directory(found, { ...facts, kind: "dir" }, shown, hidden);
      else this.#leaf(found, facts, shown);
    }
  }

  #directory(found: Found, entry: DirEntry, shown: Entry | undefined, hidden: boolean): void {
    const marked = ["trusted.overlay.opaque", "user.overlay.opaque"].some((name) => found.xattrs.get(name)?.[0] === 0x79);
    const opaque = marked && shown?.kind === "dir";
    const at = this.draft.length;
    this.draft.push(opaque ? { ...entry, opaque: true } : entry);
    this.read(found.kids, hidden || marked || shown?.kind !== "dir");
    if (this.draft.length > at + 1 || opaque) return;
    const same = shown ? shown.kind === "dir" && compareEntries(visible(shown), entry).length === 0 && whole(found.stats) : false;
    const stub = shown === undefined && this.#how.stubs?.has(entry.path);
    if (!same && !stub) return;
    this.draft.pop();
    this.#leftOut(stub ? "nowhere" : "here");
  }

  #leaf(found: Found, facts: Facts, shown: Entry | undefined): void {
    const { stats, path, file } = found;
    // Several names of one file: the first in order is the file. What is below has other names only if it was copied up since.
    if (stats.nlink > 1) {
      const inode = `${stats.dev}:${stats.ino}`;
      const first = this.#first.get(inode);
      if (first !== undefined) {
        this.draft.push({ ...facts, kind: "hardlink", target: first });
        return;
      }
      this.#first.set(inode, path);
    }
    let entry: Entry;
    if (stats.isFile()) {
      entry = { ...facts, kind: "file", size: stats.size, content: { in: "host", path: file, stamp: stampOf(stats) } };
      if (stats.nlink === 1 && this.#isSameFile(entry, shown, stats)) return this.#leftOut("here");
    } else if (stats.isSymbolicLink())
      entry = { ...facts, mode: 0o777, kind: "symlink", target: decodeName(readlinkSync(fsName(file), { encoding: "buffer" })) };
    else if (stats.isFIFO()) entry = { ...facts, kind: "fifo" };
    else entry = { ...facts, kind: stats.isBlockDevice() ? "block" : "char", ...deviceOf(stats.rdev) };
    if (entry.kind !== "file" && stats.nlink === 1 && shown && whole(stats) && compareEntries(visible(shown), entry).length === 0)
      return this.#leftOut("here");
    this.draft.push(entry);
  }

  #leftOut(then: "here" | "nowhere"): void {
    if (this.standsFor !== "nowhere") this.standsFor = then;
  }

  /** Whether a file was copied up and is as it was. Bytes are compared last, and only where nothing else differs. */
  #isSameFile(entry: FileEntry, shown: Entry | undefined, stats: Stats): boolean {
    if (shown?.kind !== "file" || shown.digest === undefined || !whole(stats)) return false;
    if (compareEntries(visible(shown), entry).some((fact) => fact !== "content")) return false;
    return shown.digest === digestOfFile(entry);
  }

  #facts({ path, stats, xattrs }: Found, old: Entry | undefined): Facts {
    const kept = keptAttributes(xattrs);
    if (xattrs.size > (kept?.size ?? 0) && [...xattrs.keys()].some((name) => !kept?.has(name) && !isHarmless(name)))
      this.#leftOut("nowhere");
    const { uid, gid } = this.#how.ids === "keep" ? stats : this.#noted(stats, xattrs, old);
    return { path, mode: stats.mode & 0o7777, uid, gid, mtime: seconds(stats), ...(kept ? { xattrs: kept } : {}) };
  }

  #noted(stats: Stats, xattrs: Found["xattrs"], old: Entry | undefined): { readonly uid: number; readonly gid: number } {
    const note = notedOwner(xattrs.get(OWNER_ATTRIBUTE));
    if (note) return note;
    const mute = !stats.isFile() && !stats.isDirectory();
    return mute && old !== undefined && old.kind === kindOf(stats) ? old : (this.#how.user ?? { uid: 0, gid: 0 });
  }
}

type Facts = Pick<Entry, "path" | "mode" | "uid" | "gid" | "mtime" | "xattrs">;

/** A lower entry as it would be read here: symbolic links have no mode of their own, and not every attribute is kept. */
function visible(entry: Entry): Entry {
  const { xattrs, ...rest } = entry;
  const kept = xattrs && keptAttributes(xattrs);
  const clean = rest.kind === "symlink" ? { ...rest, mode: 0o777 } : rest;
  return kept ? { ...clean, xattrs: kept } : clean;
}

/** Those that belong into a layer: file capabilities and what users set; not labels of this machine, nor the books of an overlay. */
function keptAttributes(xattrs: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> | undefined {
  if (xattrs.size === 0) return undefined;
  const kept = [...xattrs].filter(([name]) => name === "security.capability" || (name.startsWith("user.") && !isOwnBook(name)));
  return kept.length === 0 ? undefined : new Map(kept.sort(([a], [b]) => compareNames(a, b)));
}

/** Attributes that no layer has and that a directory below others may have: the books, and labels that this machine gives to every file. */
function isHarmless(name: string): boolean {
  return isOwnBook(name) || name === "security.selinux";
}

function kindOf(stats: Stats): Entry["kind"] {
  if (stats.isSymbolicLink()) return "symlink";
  return stats.isFIFO() ? "fifo" : stats.isBlockDevice() ? "block" : "char";
}

function checkBooks({ path, xattrs }: Found): void {
  if (xattrs.size === 0) return;
  for (const name of xattrs.keys()) {
    if (/^(?:trusted|user)\.overlay\.(?:redirect|metacopy)$/.test(name))
      throw new Failure("SANDBOX", `${printable(path)} has the attribute ${name}: the overlay was not mounted as nought mounts it`);
  }
}

function seconds(stats: Stats): number {
  return Math.floor(stats.mtimeMs / 1000);
}

/** Whether a time is one that was unpacked from a layer: those have no fractions. */
function whole(stats: Stats): boolean {
  return stats.mtimeMs % 1000 === 0;
}

/** Linux's split of a device number (makedev(3)). */
function deviceOf(rdev: number): { readonly major: number; readonly minor: number } {
  return {
    major: ((rdev >>> 8) & 0xfff) | (Math.floor(rdev / 2 ** 32) & ~0xfff),
    minor: (rdev & 0xff) | ((rdev >>> 12) & ~0xff),
  };
}

function digestOfFile({ content }: FileEntry): string | undefined {
  if (content.in !== "host") return undefined;
  const fd = openSync(fsName(content.path), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafe(256 << 10);
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) hash.update(buffer.subarray(0, read));
    return `sha256:${hash.digest("hex")}`;
  } finally {
    closeSync(fd);
  }
}
