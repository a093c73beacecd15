import { closeSync, readSync } from "node:fs";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Draft, Entry, FileEntry } from "../../tree/entry.ts";
import { follow, type Walkable } from "../../tree/lookup.ts";
import { compareByPath } from "../../tree/order.ts";
import { join, nameOf, type Path, parentOf, ROOT, toPath } from "../../tree/path.ts";
import type { OpenLayer } from "../../tree/read.ts";
import type { Deb } from "../deb.ts";
import { parseRelations } from "../relation.ts";
import { satisfies } from "../version.ts";

/** One path of an image being made, and who put it there: a package, or an effect on behalf of one. */
export interface Placed {
  readonly entry: Entry;
  /** Name of a package, or empty for what belongs to the image as a whole. */
  readonly from: string;
  /** The stage in which it came, or was changed last. */
  readonly stage: number;
}

interface Node extends Walkable<Node> {}

const ROOT_ENTRY: Entry = { kind: "dir", path: ROOT, mode: 0o755, uid: 0, gid: 0, mtime: 0 };

/** How an effect describes a file or directory; what is left out is root's, 0644 or 0755. */
export interface Facts {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * The files of an image being put together from packages: what dpkg would have on disk after unpacking, and then what their scripts
 * would have changed, done here as data. Packages are added in the order in which they would be unpacked.
 */
export class Site {
  readonly debs: Deb[] = [];
  /** Images are made in stages, each of which becomes a layer. 0 first. */
  stage = 0;
  readonly #stages = new Map<string, number>();
  readonly #placed = new Map<Path, Placed>();
  readonly #names = new Map<Path, Set<string>>();
  readonly #newest = new Map<string, number>();
  readonly #open: OpenLayer;

  /** `open` opens the contents that are not in memory (DebContents.opener). */
  constructor(open: OpenLayer) {
    this.#open = open;
  }

  /** What is at a path, links not followed. */
  get(path: string): Entry | undefined {
    return path === ROOT ? (this.#placed.get(ROOT)?.entry ?? ROOT_ENTRY) : this.#placed.get(path as Path)?.entry;
  }

  /** Where a path leads, links followed; parts that are not there are kept. A loop of links throws PACKAGE. */
  resolve(path: string, keepLast = false): Path {
    const found = follow(this.#node(ROOT, this.get(ROOT) as Entry), path as Path, keepLast);
    if (!found) throw new Failure("PACKAGE", `${printable(path)}: a loop of symbolic links`);
    return found.path;
  }

  /** What a path leads to. */
  lookup(path: string): Entry | undefined {
    const entry = this.get(this.resolve(path));
    return entry?.kind === "hardlink" ? this.get(entry.target) : entry;
  }

  /** The package or effect that a path is from. */
  from(path: string): string | undefined {
    return this.#placed.get(path as Path)?.from;
  }

  /** Names in a directory, in order. */
  names(dir: string): string[] {
    return [...(this.#names.get(this.resolve(dir)) ?? [])].sort();
  }

  /** All paths, in canonical order. */
  all(): Placed[] {
    return [...this.#placed.values()].sort((a, b) => compareByPath(a.entry.path, b.entry.path));
  }

  /** All paths below a directory whose last part ends in `suffix`, in canonical order; links are not followed. */
  *below(dir: string, suffix = ""): Generator<Entry> {
    const real = this.resolve(dir);
    for (const name of this.names(real)) {
      const entry = this.get(join(real, name));
      if (entry === undefined) continue;
      if (entry.kind === "dir") yield* this.below(entry.path, suffix);
      else if (name.endsWith(suffix)) yield entry;
    }
  }

  has(name: string): boolean {
    return this.debs.some((deb) => deb.name === name);
  }

  /** Whether a package came in this stage: what its scripts do is done then, and not again. */
  isNew(name: string): boolean {
    return this.#stages.get(name) === this.stage;
  }

  /** Seconds: the newest time in a package; of all packages without a name. Generated files have it, so that the clock is never asked. */
  time(from = ""): number {
    const own = from === "" ? undefined : this.#newest.get(from);
    return own ?? Math.max(0, ...this.#newest.values());
  }

  /** The bytes of a file, or its first `most`. Throws DIGEST, STORAGE. */
  async read(file: FileEntry, most = file.size): Promise<Buffer> {
    const { content } = file;
    if (content.in === "memory") return Buffer.from(content.bytes.buffer, content.bytes.byteOffset, Math.min(most, content.bytes.length));
    if (content.in === "host") throw new Error("internal: packages have no files of the host");
    const bytes = Buffer.alloc(Math.min(most, file.size));
    const fd = await this.#open(content.diffId);
    try {
      for (let done = 0; done < bytes.length; ) {
        const read = readSync(fd, bytes, done, bytes.length - done, content.offset + done);
        if (read === 0) throw new Failure("DIGEST", `${printable(file.path)}: a temporary file was cut`);
        done += read;
      }
    } finally {
      closeSync(fd);
    }
    return bytes;
  }

  /** The text of a file that a path leads to; undefined where there is none. */
  async text(path: string): Promise<string | undefined> {
    const entry = this.lookup(path);
    return entry?.kind === "file" ? (await this.read(entry)).toString("utf8") : undefined;
  }

  /** Puts an entry at its path, which must lie in a directory that is there. */
  put(entry: Entry, from: string): void {
    const { path } = entry;
    this.#placed.set(path, { entry, from, stage: this.stage });
    if (path === ROOT) return;
    const dir = parentOf(path);
    const names = this.#names.get(dir) ?? new Set();
    names.add(nameOf(path));
    this.#names.set(dir, names);
  }

  remove(path: string): void {
    this.#placed.delete(path as Path);
    this.#names.get(parentOf(path as Path))?.delete(nameOf(path as Path));
  }

  /** Makes a file, over what was there, and the directories it needs. */
  file(path: string, text: string | Uint8Array, from: string, { mode = 0o644, uid = 0, gid = 0 }: Facts = {}): void {
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    const real = this.#at(path, from);
    const there = this.get(real);
    // What is there already stays as it is, in the stage that it came in.
    if (there?.kind === "file" && there.mode === mode && there.uid === uid && there.gid === gid && sameBytes(there, bytes)) return;
    this.put(
      { kind: "file", path: real, mode, uid, gid, mtime: this.time(from), size: bytes.length, content: { in: "memory", bytes } },
      from,
    );
  }

  /** A further place for a file that is there, as `cp -p` makes it. */
  copy(source: string, path: string, from: string): void {
    const entry = this.lookup(source);
    if (entry?.kind === "file") this.put({ ...entry, path: this.#at(path, from) }, from);
  }

  link(path: string, target: string, from: string): void {
    const real = this.#at(path, from);
    const there = this.get(real);
    if (there?.kind === "symlink" && there.target === target) return;
    this.put({ kind: "symlink", path: real, target, mode: 0o777, uid: 0, gid: 0, mtime: this.time(from) }, from);
  }

  /** Makes a directory unless it is there, and its parents (0755). Gives its real path. */
  dir(path: string, from: string, { mode = 0o755, uid = 0, gid = 0 }: Facts = {}): Path {
    const real = this.resolve(path);
    const there = this.get(real);
    if (there?.kind === "dir") return real;
    if (there) throw new Failure("PACKAGE", `${printable(path)} is no directory`);
    this.dir(parentOf(real), from);
    this.put({ kind: "dir", path: real, mode, uid, gid, mtime: this.time(from) }, from);
    return real;
  }

  #at(path: string, from: string): Path {
    const wanted = toPath(path);
    return join(this.dir(parentOf(wanted), from), nameOf(wanted));
  }

  /**
   * Adds the files of a package as dpkg would unpack them: below directories that are links in the image (`/bin` → `usr/bin`) they go
   * where the links lead. A path that another package has already is refused unless one says that it replaces the other, or both have
   * the same. Throws PACKAGE.
   */
  add(deb: Deb): void {
    this.debs.push(deb);
    this.#stages.set(deb.name, this.stage);
    this.#newest.set(
      deb.name,
      deb.draft.reduce((newest, { mtime }) => Math.max(newest, mtime), 0),
    );
    const moved = new Map<Path, Path>();
    const place = (path: Path): Path => {
      const known = moved.get(path);
      if (known !== undefined) return known;
      const real = path === ROOT ? ROOT : join(this.dir(parentOf(path), deb.name), nameOf(path));
      moved.set(path, real);
      return real;
    };
    for (const entry of deb.draft) {
      const path = place(entry.path);
      const there = this.get(path);
      if (entry.kind === "dir" && (path === ROOT || (there && this.get(this.resolve(path))?.kind === "dir"))) {
        // A directory that was only made because something had to lie in it is from now on the package's.
        const made = this.#placed.get(path);
        if (there?.kind === "dir" && made?.from === "" && made.stage === this.stage) this.put({ ...entry, path }, deb.name);
        continue;
      }
      const placed: Entry = entry.kind === "hardlink" ? { ...entry, path, target: place(entry.target) } : { ...entry, path };
      if (there && !this.#mayReplace(deb, path, there, placed)) continue;
      this.put(placed, deb.name);
    }
  }

  /** Whether a package's entry takes the place of the one that is there. Throws PACKAGE where it must not. */
  #mayReplace(deb: Deb, path: Path, there: Entry, entry: Entry): boolean {
    const owner = this.from(path);
    const other = this.debs.find((one) => one.name === owner);
    if (sameThing(there, entry)) return false;
    if (other && replaces(deb, other)) return true;
    if (other && replaces(other, deb)) return false;
    throw new Failure(
      "PACKAGE",
      `${printable(path)} is in ${owner === "" || owner === undefined ? "the image" : owner} and also in ${deb.name}`,
      {
        hint: "Leave one of the packages out, or exclude it with `without:` in the recipe.",
      },
    );
  }

  #node(path: Path, entry: Entry): Node {
    if (entry.kind !== "dir") return { entry, kids: undefined };
    const get = (name: string): Node | undefined => {
      const kid = this.get(join(path, name));
      return kid && this.#node(kid.path, kid);
    };
    return { entry, kids: { get } };
  }

  /** The entries of one or more owners as a draft, every parent included. Hard links to what others own become copies. */
  draft(pick: (placed: Placed) => boolean): Draft {
    const chosen = new Map<Path, Entry>();
    for (const placed of this.all()) if (pick(placed)) chosen.set(placed.entry.path, placed.entry);
    for (const [path, entry] of chosen) {
      if (entry.kind === "hardlink" && !chosen.has(entry.target)) {
        const file = this.get(entry.target);
        if (file?.kind === "file") chosen.set(path, { ...file, path });
      }
      for (let dir = parentOf(path); dir !== ROOT && !chosen.has(dir); dir = parentOf(dir)) {
        const there = this.get(dir);
        if (there) chosen.set(dir, there);
      }
    }
    return linksAfterFiles([...chosen.values()].sort((a, b) => compareByPath(a.path, b.path)));
  }
}

/** Tar readers need a file before the links to it: the first of its names in order becomes the file. */
function linksAfterFiles(entries: readonly Entry[]): Draft {
  const names = new Map<Path, Path>();
  const files = new Map<Path, Entry>();
  for (const entry of entries) {
    if (entry.kind !== "hardlink") files.set(entry.path, entry);
    else if (!names.has(entry.target)) names.set(entry.target, entry.path);
  }
  return entries.map((entry) => {
    const target = entry.kind === "hardlink" ? entry.target : entry.path;
    const first = names.get(target);
    if (first === undefined || compareByPath(first, target) > 0) return entry;
    const file = files.get(target) as Entry;
    if (entry.path === first) return { ...file, path: first } as Entry;
    const { uid, gid, mode, mtime } = file;
    return { kind: "hardlink", path: entry.path, target: first, uid, gid, mode, mtime };
  });
}

function sameBytes({ content }: FileEntry, bytes: Uint8Array): boolean {
  return content.in === "memory" && Buffer.compare(content.bytes, bytes) === 0;
}

function sameThing(a: Entry, b: Entry): boolean {
  if (a.kind === "file" && b.kind === "file") return a.digest !== undefined && a.digest === b.digest && a.mode === b.mode;
  return a.kind === "symlink" && b.kind === "symlink" && a.target === b.target;
}

/** Debian Policy 7.6.1: a package may say whose files it takes over. */
function replaces(deb: Deb, other: Deb): boolean {
  const groups = parseRelations(deb.fields.get("replaces") ?? "", `${deb.name}: Replaces`);
  return groups.flat().some((one) => {
    if (one.name !== other.name) return false;
    return one.relation === undefined || one.version === undefined || satisfies(other.version, one.relation, one.version);
  });
}
