import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { writeFully } from "../../kit/atomic.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { placePath, RootedFolder } from "../../kit/rooted.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import { ownHow } from "../../rootfs/open.ts";
import type { Item, ItemSink } from "./item.ts";

const { O_CREAT, O_EXCL, O_WRONLY, O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
const KINDS = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

/** How things are written. */
export interface WriteHow {
  /** Whose they become: whose they were, everything one user's, or ours. */
  readonly owner: "keep" | "mine" | { readonly uid: number; readonly gid: number };
  /** Whether devices are made, and set-user-id bits are kept. Not on the host: there the file would be somebody else's. */
  readonly special: boolean;
  /** Told what is left out. */
  note(text: string): void;
}

/**
 * Writes items below a directory of a root, as docker cp does: directories are merged, everything else replaces what was there, but never a
 * directory. Nothing is written through a link that lies where an item belongs; links on the way lead inside the root. Throws
 * CONFLICT for a directory in the place of a file and the other way round, STORAGE, NO_SPACE.
 */
export class FolderWriter implements ItemSink {
  readonly #root: RootedFolder;
  readonly #base: string;
  readonly #how: WriteHow;
  readonly #dirs: Item[] = [];
  #file: { readonly fd: number; readonly item: Item } | undefined;

  /** `base` is the path of a directory in the root. */
  constructor(root: RootedFolder, base: string, how: WriteHow) {
    this.#root = root;
    this.#base = base;
    this.#how = how;
  }

  begin(item: Item): void {
    try {
      this.#begin(item);
    } catch (error) {
      throw storageFailure(error, "could not write", this.#shown(item.path));
    }
  }

  data(chunk: Buffer): void {
    if (this.#file === undefined) return;
    try {
      writeFully(this.#file.fd, chunk);
    } catch (error) {
      throw storageFailure(error, "could not write", this.#shown(this.#file.item.path));
    }
  }

  done(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      this.#finish(file.fd, file.item);
    } catch (error) {
      throw storageFailure(error, "could not write", this.#shown(file.item.path));
    } finally {
      closeSync(file.fd);
    }
  }

  /** Times and modes of directories: when nothing is written into them any more. */
  end(): void {
    for (const item of this.#dirs.reverse()) {
      const { dir, name } = this.#place(item.path);
      let fd: number;
      try {
        fd = openSync(placePath(dir, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      } catch {
        // Somebody else took it away meanwhile.
        continue;
      }
      try {
        this.#finish(fd, item);
      } catch (error) {
        throw storageFailure(error, "could not write", this.#shown(item.path));
      } finally {
        closeSync(fd);
      }
    }
  }

  /** Closes what an interrupted copy left open. */
  abort(): void {
    if (this.#file) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  #begin(item: Item): void {
    const link = item.kind === "hardlink" ? this.#linkSource(item) : undefined;
    try {
      const { dir, name } = this.#place(item.path);
      const at = placePath(dir, name);
      const there = lstatSync(at, { throwIfNoEntry: false });
      if (item.kind === "dir") this.#folder(item, at, there);
      else {
        if (there?.isDirectory())
          throw new Failure(
            "CONFLICT",
            `cannot overwrite directory "${this.#shown(item.path)}" with non-directory "${this.#shown(item.path)}"`,
          );
        if (there) unlinkSync(at);
        if (item.kind === "file") this.#file = { fd: openSync(at, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600), item };
        else if (item.kind === "symlink") this.#symlink(item, at);
        else if (link !== undefined) linkSync(link.at, at);
        else this.#node(item, dir, name);
      }
    } finally {
      if (link) closeSync(link.dir);
    }
  }

  #folder(item: Item, at: string | Buffer, there: Stats | undefined): void {
    if (there && !there.isDirectory())
      throw new Failure(
        "CONFLICT",
        `cannot overwrite non-directory "${this.#shown(item.path)}" with directory "${this.#shown(item.path)}"`,
      );
    if (!there) mkdirSync(at, { mode: 0o700 });
    this.#dirs.push(item);
  }

  #symlink(item: Item, at: string | Buffer): void {
    symlinkSync(item.target ?? "", at);
    const owner = this.#owner(item);
    if (owner) lchownSync(at, owner.uid, owner.gid);
    lutimesSync(at, item.mtime, item.mtime);
  }

  #node(item: Item, dir: number, name: string): void {
    if (!this.#how.special && item.kind !== "fifo") return this.#how.note(`${printable(item.path)} is left out: it is a device`);
    const { calls } = ownHow();
    const path = `/proc/${process.pid}/fd/${dir}/${name}`;
    const mode = KINDS[item.kind as keyof typeof KINDS] | 0o600;
    const [result = 0] = calls.change([{ call: "mknod", path, mode, major: item.major ?? 0, minor: item.minor ?? 0 }]);
    if (result < 0) return this.#how.note(`${printable(item.path)} is left out: a ${item.kind} cannot be made here`);
    const owner = this.#owner(item);
    if (owner) lchownSync(placePath(dir, name), owner.uid, owner.gid);
  }

  /** The file that a hard link names, held by its directory. */
  #linkSource(item: Item): { readonly at: string | Buffer; readonly dir: number } {
    const { dir, name } = this.#place(item.target ?? "");
    const held = openSync(placePath(dir, "."), O_RDONLY | O_DIRECTORY);
    return { at: placePath(held, name), dir: held };
  }

  /** The directory that an item lies in; made where an archive does not name it. */
  #place(path: string): { readonly dir: number; readonly name: string } {
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) throw new Failure("TAR", `${printable(path)} leads out of where it is copied to`);
    const name = parts.pop() ?? ".";
    for (let tries = 0; ; tries++) {
      try {
        return { dir: this.#root.find(`${this.#base}/${parts.join("/")}/.`, true).dir, name };
      } catch (error) {
        if (!(error instanceof Failure) || tries > parts.length) throw error;
        this.#makeParents(parts);
      }
    }
  }

  #makeParents(parts: readonly string[]): void {
    for (let count = 1; count <= parts.length; count++) {
      const place = this.#root.find(`${this.#base}/${parts.slice(0, count).join("/")}`, true);
      if (place.stats === undefined) mkdirSync(placePath(place.dir, place.name), { mode: 0o755 });
    }
  }

  /** Owner first: changing it takes set-user-id bits away. */
  #finish(fd: number, item: Item): void {
    const owner = this.#owner(item);
    if (owner) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, item.mode & (this.#how.special || item.kind === "dir" ? 0o7777 : 0o777));
    if (item.xattrs && this.#how.special) this.#attributes(item);
    futimesSync(fd, item.mtime, item.mtime);
  }

  /** By name again, since there is no call for a descriptor; no link is followed at its end. */
  #attributes({ path, xattrs = new Map() }: Item): void {
    const wanted = [...xattrs].filter(([name]) => name === "security.capability" || name.startsWith("user."));
    if (wanted.length === 0) return;
    const { dir, name } = this.#place(path);
    const at = `/proc/${process.pid}/fd/${dir}/${name}`;
    ownHow().calls.change(wanted.map(([attribute, value]) => ({ call: "setxattr", path: at, name: attribute, value })));
  }

  #owner(item: Item): { readonly uid: number; readonly gid: number } | undefined {
    const { owner } = this.#how;
    if (owner === "mine" || ownHow().ids === "mine") return undefined;
    return owner === "keep" ? item : owner;
  }

  #shown(path: string): string {
    return printable(path === "." ? this.#base : `${this.#base === "/" ? "" : this.#base}/${path}`);
  }
}
