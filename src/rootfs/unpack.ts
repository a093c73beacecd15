import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { LayerWindow } from "../image/layer-window.ts";
import { writeFully } from "../kit/atomic.ts";
import { assert, Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import type { Task } from "../task/task.ts";
import { damagedLayer, fsName } from "../tree/content.ts";
import type { DirEntry, Draft, Entry, FileEntry } from "../tree/entry.ts";
import { type LayerFiles, readEntry } from "../tree/read.ts";
import type { HostCalls, HostChange } from "./calls.ts";
import { isOwnBook, orUnknownOwner, ownerNote } from "./owner.ts";

/** How layers become directories. */
export interface UnpackHow {
  /** `keep`: files belong to the ids of their entries. `mine`: all to the caller, where no other id exists; whose they are is noted. */
  readonly ids: "keep" | "mine";
  readonly calls: HostCalls;
}

/** What was written, and what could not be: entries, bytes of files, devices, attributes. */
export interface Unpacked {
  readonly entries: number;
  readonly bytes: number;
  readonly skippedDevices: number;
  readonly lostAttributes: number;
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY, S_IFBLK, S_IFCHR, S_IFIFO } = constants;
const CHUNK = 1 << 20;
const EPERM = -1;

/**
 * Writes the entries of one layer into `into`, which must not exist and lies in a directory that only the caller may enter, in the form
 * in which overlayfs stacks it: whiteouts are character devices 0:0, opaque directories have the attribute `overlay.opaque`
 * (kernel documentation, filesystems/overlayfs.rst, "whiteouts and opaque directories"). Every directory on the way to an entry must be in
 * the
 * draft (see settle.ts), so no symbolic link is ever passed. Devices that may not be made, and attributes that the file system or the
 * kernel refuses, are left out and counted. Throws DIGEST, TAR, STORAGE, NO_SPACE, INTERRUPTED, SANDBOX; then a part is left in `into`.
 */
export async function unpackLayer(draft: Draft, files: LayerFiles, into: string, how: UnpackHow, task: Task): Promise<Unpacked> {
  try {
    return await new Unpacker(files, into, how, task).unpack(draft);
  } catch (error) {
    throw storageFailure(error, "could not unpack a layer into", into);
  }
}

class Unpacker {
  readonly #files: LayerFiles;
  readonly #into: string;
  readonly #how: UnpackHow;
  readonly #task: Task;
  readonly #buffer = Buffer.allocUnsafeSlow(CHUNK);
  readonly #windows = new Map<Digest, LayerWindow>();
  readonly #dirs: DirEntry[] = [];
  /** Directories on the way to the last entry. */
  readonly #open: string[] = [];
  readonly #links: Extract<Entry, { kind: "hardlink" }>[] = [];
  readonly #attributes: HostChange[] = [];
  readonly #nodes: { readonly entry: Entry; readonly change: HostChange }[] = [];
  readonly #own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  readonly #umask = process.umask();
  #bytes = 0;
  readonly #skipped = new Set<string>();
  #lostAttributes = 0;

  constructor(files: LayerFiles, into: string, how: UnpackHow, task: Task) {
    this.#files = files;
    this.#into = into;
    this.#how = how;
    this.#task = task;
  }

  async unpack(draft: Draft): Promise<Unpacked> {
    mkdirSync(this.#into, { mode: 0o700 });
    if (draft[0]?.path !== "/") this.#dirs.push({ kind: "dir", path: "/" as DirEntry["path"], mode: 0o755, ...this.#own, mtime: 0 });
    for (const entry of draft) {
      if (this.#task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while unpacking a layer");
      this.#enterParent(entry);
      if (entry.kind === "file") {
        // Waiting only where there is something to wait for: most layers are tens of thousands of small files.
        if (!this.#small(entry)) await this.#large(entry);
      } else this.#other(entry);
      if (entry.xattrs && entry.kind !== "hardlink" && entry.kind !== "whiteout")
        for (const [name, value] of entry.xattrs)
          if (!isOwnBook(name)) this.#attributes.push({ call: "setxattr", path: this.#at(entry.path), name, value });
    }
    // All names of a file exist before its directory may be closed to its owner, and before that directory's time is set.
    this.#makeNodes();
    for (const link of this.#links)
      if (this.#skipped.has(link.target)) this.#skipped.add(link.path);
      else linkSync(fsName(this.#at(link.target)), fsName(this.#at(link.path)));
    this.#setAttributes(draft);
    for (const entry of this.#dirs.reverse()) this.#finish(entry);
    return {
      entries: draft.length,
      bytes: this.#bytes,
      skippedDevices: this.#skipped.size,
      lostAttributes: this.#lostAttributes,
    };
  }

  #at(path: string): string {
    return path === "/" ? this.#into : this.#into + path;
  }

  /** Checks that the directory of an entry was made by this unpacking, and is a directory. */
  #enterParent(entry: Entry): void {
    if (entry.path === "/") return;
    const slash = entry.path.lastIndexOf("/");
    const parent = entry.path.slice(0, slash);
    const name = entry.path.slice(slash + 1);
    if (name === "" || name === "." || name === ".." || name.includes("\0")) throw refuse(entry, "has a name that no file can have");
    while (this.#open.length > 0 && this.#open.at(-1) !== parent) this.#open.pop();
    if (parent !== "" && this.#open.length === 0) throw refuse(entry, "comes without its directory");
    if (entry.kind === "dir") this.#open.push(entry.path);
  }

  #other(entry: Exclude<Entry, FileEntry>): void {
    const path = this.#at(entry.path);
    switch (entry.kind) {
      case "dir":
        if (entry.path !== "/") mkdirSync(fsName(path), { mode: 0o700 });
        this.#dirs.push(entry);
        return;
      case "symlink":
        symlinkSync(fsName(entry.target), fsName(path));
        this.#chown(entry);
        lutimesSync(fsName(path), entry.mtime, entry.mtime);
        return;
      case "hardlink":
        this.#links.push(entry);
        return;
      case "whiteout":
        this.#nodes.push({ entry, change: { call: "mknod", path, mode: S_IFCHR, major: 0, minor: 0 } });
        return;
      case "fifo":
        this.#nodes.push({ entry, change: { call: "mknod", path, mode: S_IFIFO | 0o600, major: 0, minor: 0 } });
        return;
      default: {
        const { major, minor } = entry;
        // Such a device would be taken for a whiteout; no program can use it.
        if (entry.kind === "char" && major === 0 && minor === 0) this.#skipped.add(entry.path);
        else {
          const mode = (entry.kind === "char" ? S_IFCHR : S_IFBLK) | 0o600;
          this.#nodes.push({ entry, change: { call: "mknod", path, mode, major, minor } });
        }
      }
    }
  }

  #foreign(entry: Entry): boolean {
    return this.#how.ids === "keep" && (entry.uid !== this.#own.uid || entry.gid !== this.#own.gid);
  }

  #chown(entry: Entry): void {
    if (this.#foreign(entry)) orUnknownOwner(entry, () => lchownSync(fsName(this.#at(entry.path)), entry.uid, entry.gid));
  }

  #create(entry: FileEntry): number {
    return openSync(fsName(this.#at(entry.path)), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, entry.mode & 0o777);
  }

  /** Owner first: changing it takes setuid bits away. */
  #finishFile(fd: number, entry: FileEntry): void {
    const foreign = this.#foreign(entry);
    if (foreign) orUnknownOwner(entry, () => fchownSync(fd, entry.uid, entry.gid));
    if ((entry.mode & (this.#umask | 0o7000)) !== 0) fchmodSync(fd, entry.mode);
    futimesSync(fd, entry.mtime, entry.mtime);
    this.#bytes += entry.size;
  }

  /** A file of a layer that is open already and that fits into the buffer, without a promise. False for any other. */
  #small(entry: FileEntry): boolean {
    const { content, size } = entry;
    let bytes: Uint8Array;
    if (size === 0) bytes = this.#buffer.subarray(0, 0);
    else if (content.in === "memory") bytes = content.bytes;
    else {
      const window = content.in === "layer" && size <= CHUNK ? this.#windows.get(content.diffId) : undefined;
      if (!window || content.in !== "layer") return false;
      window.copy(content.offset, size, this.#buffer, 0);
      bytes = this.#buffer.subarray(0, size);
      if (entry.digest !== undefined && digestOf(bytes) !== entry.digest) {
        throw damagedLayer(content.diffId, `${printable(entry.path)} has other bytes than when the layer was made`);
      }
    }
    const fd = this.#create(entry);
    try {
      writeFully(fd, bytes);
      this.#finishFile(fd, entry);
    } finally {
      closeSync(fd);
    }
    return true;
  }

  async #large(entry: FileEntry): Promise<void> {
    const { content } = entry;
    if (content.in === "layer" && !this.#windows.has(content.diffId)) {
      const layer = await this.#files(content.diffId);
      this.#windows.set(content.diffId, new LayerWindow(layer, content.diffId, fstatSync(layer).size));
      if (this.#small(entry)) return;
    }
    const fd = this.#create(entry);
    try {
      const buffer = this.#buffer;
      await readEntry(entry, this.#files, {
        room: async (wanted) => ({ buffer, at: 0, length: Math.min(wanted, buffer.length) }),
        take: (length) => {
          if (this.#task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while unpacking a layer");
          writeFully(fd, buffer.subarray(0, length));
        },
      });
      this.#finishFile(fd, entry);
    } finally {
      closeSync(fd);
    }
  }

  #makeNodes(): void {
    if (this.#nodes.length === 0) return;
    const results = this.#how.calls.change(this.#nodes.map(({ change }) => change));
    for (const [at, { entry }] of this.#nodes.entries()) {
      const result = results[at] as number;
      if (result === EPERM && (entry.kind === "char" || entry.kind === "block")) {
        this.#skipped.add(entry.path);
        continue;
      }
      if (result < 0) throw new Failure("STORAGE", `could not make ${entry.kind} ${printable(this.#at(entry.path))}: error ${-result}`);
      if (entry.kind === "whiteout") continue;
      const path = fsName(this.#at(entry.path));
      this.#chown(entry);
      chmodSync(path, entry.mode);
      utimesSync(path, entry.mtime, entry.mtime);
    }
  }

  #notes(draft: Draft): HostChange[] {
    if (this.#how.ids === "keep") return [];
    const root = draft[0]?.path === "/" ? [] : [ownerNote(this.#into, { uid: 0, gid: 0 })];
    return [...root, ...draft.filter(canHaveNote).map((entry) => ownerNote(this.#at(entry.path), entry))];
  }

  #setAttributes(draft: Draft): void {
    const { calls } = this.#how;
    const opaque = this.#dirs.filter((entry) => entry.opaque === true && entry.path !== "/");
    const marks = opaque.map((entry): HostChange => {
      return { call: "setxattr", path: this.#at(entry.path), name: `${calls.overlay}.overlay.opaque`, value: Buffer.from("y") };
    });
    const musts = [...marks, ...this.#notes(draft)];
    const wanted = this.#attributes;
    if (musts.length + wanted.length === 0) return;
    const results = calls.change([...musts, ...wanted]);
    assert(results.length === musts.length + wanted.length, "an answer for each change");
    const failed = results.slice(0, musts.length).findIndex((result) => result < 0);
    if (failed >= 0) {
      const path = printable((musts[failed] as HostChange).path);
      throw new Failure("STORAGE", `could not mark ${path}: error ${-(results[failed] as number)}`, {
        hint: "The store must lie on a file system with extended attributes (ext4, xfs, btrfs, tmpfs); set NOUGHT_STORE.",
      });
    }
    this.#lostAttributes = results.slice(musts.length).filter((result) => result < 0).length;
  }

  #finish(entry: DirEntry): void {
    const path = fsName(this.#at(entry.path));
    this.#chown(entry);
    chmodSync(path, entry.mode);
    utimesSync(path, entry.mtime, entry.mtime);
  }
}

function canHaveNote({ kind }: Entry): boolean {
  return kind === "file" || kind === "dir";
}

function refuse(entry: Entry, what: string): Failure {
  return new Failure("TAR", `${printable(entry.path)} ${what}`);
}
