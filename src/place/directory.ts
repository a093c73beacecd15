import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  linkSync,
  lutimesSync,
  openSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { resolve } from "node:path";
import { writeFully } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { makeFolder } from "../kit/make-folder.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import type { Task } from "../task/task.ts";
import { fsName } from "../tree/content.ts";
import type { DirEntry, Entry, FileEntry } from "../tree/entry.ts";
import { addressOf, type LayerFiles, readEntry } from "../tree/read.ts";
import type { Tree } from "../tree/tree.ts";
import { type Anchor, anchorAt, enter, look, makeDirectory, makeFresh, release, remove } from "./anchor.ts";

/** What was written, and what could not be: both count entries. */
export interface Exported {
  readonly entries: number;
  readonly bytes: number;
  /** Devices that only root can make, and files whose extended attributes were left out. */
  readonly skippedDevices: number;
  readonly lostAttributes: number;
}

/**
 * Writes a merged tree into a directory, for `-o type=local`: made (0700, as docker does) where it is missing, and added to where it
 * is not. What stands in the way is replaced (an existing directory is kept and filled), never written through: no symlink below
 * `dest` is followed, whether it was there before, came from the image or is swapped in meanwhile. As docker's local exporter does,
 * files belong to the caller and keep modes (setuid too) and times. Throws STORAGE, NO_SPACE, DIGEST, INTERRUPTED.
 */
export async function exportDirectory(tree: Tree, files: LayerFiles, dest: string, task: Task): Promise<Exported> {
  const path = resolve(dest);
  try {
    makeFolder(path, 0o700);
    return await new DirectoryWriter(anchorAt(path), files, task).write(tree);
  } catch (error) {
    throw storageFailure(error, "could not write", path);
  }
}

interface Open {
  readonly path: string;
  readonly anchor: Anchor;
  readonly entry: DirEntry | undefined;
}

class DirectoryWriter {
  readonly #files: LayerFiles;
  readonly #task: Task;
  readonly #buffer = Buffer.allocUnsafeSlow(1 << 20);
  /** Directories being filled, outermost first. Their modes and times are set when they are left. */
  readonly #open: Open[];
  /** Where the first name of each file was written, and as which inode. */
  readonly #names = new Map<string, { readonly path: string; readonly ino: number }>();
  #bytes = 0;
  #skippedDevices = 0;
  #lostAttributes = 0;

  constructor(root: Anchor, files: LayerFiles, task: Task) {
    this.#open = [{ path: "", anchor: root, entry: undefined }];
    this.#files = files;
    this.#task = task;
  }

  async write(tree: Tree): Promise<Exported> {
    let entries = 0;
    try {
      for (const entry of tree.walk()) {
        if (this.#task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while writing files");
        if (entry.path === "/") continue;
        const slash = entry.path.lastIndexOf("/");
        const dir = this.#leaveUntil(entry.path.slice(0, slash));
        await this.#one(dir, entry.path.slice(slash + 1), entry);
        if (++entries % 1000 === 0)
          this.#task.emit({ type: "bytes", id: "export", label: "writing files", done: entries, total: tree.size });
      }
      this.#leaveUntil("");
    } finally {
      for (const { anchor } of this.#open.splice(0)) release(anchor);
    }
    if (this.#skippedDevices > 0)
      this.#task.emit({ type: "note", text: `${this.#skippedDevices} device files were left out: only root can make them` });
    if (this.#lostAttributes > 0) {
      const text = `${this.#lostAttributes} files lost their extended attributes: a directory cannot be given them; use type=tar to keep them`;
      this.#task.emit({ type: "note", text });
    }
    return { entries, bytes: this.#bytes, skippedDevices: this.#skippedDevices, lostAttributes: this.#lostAttributes };
  }

  /** The directory a path lies in, which is open because entries come in order; those that were left are finished. */
  #leaveUntil(path: string): Anchor {
    for (;;) {
      const last = this.#open.at(-1) as Open;
      if (last.path === path) return last.anchor;
      if (last.entry === undefined) throw new Failure("STORAGE", `${printable(path)} comes before its directory`);
      this.#open.pop();
      try {
        chmodSync(last.anchor.self, last.entry.mode);
        utimesSync(last.anchor.self, last.entry.mtime, last.entry.mtime);
      } finally {
        release(last.anchor);
      }
    }
  }

  async #one(dir: Anchor, name: string, entry: Entry): Promise<void> {
    if (entry.xattrs && entry.xattrs.size > 0) this.#lostAttributes++;
    if (entry.kind === "dir") {
      this.#open.push({ path: entry.path, anchor: makeDirectory(dir, name), entry });
      return;
    }
    if (entry.kind === "file") await this.#file(dir, name, entry);
    else if (entry.kind === "symlink") {
      makeFresh(dir, name, () => symlinkSync(fsName(entry.target), dir.at(name)));
      lutimesSync(dir.at(name), entry.mtime, entry.mtime);
    } else this.#special(dir, name, entry);
  }

  async #file(dir: Anchor, name: string, entry: FileEntry): Promise<void> {
    const address = addressOf(entry);
    const first = address === undefined ? undefined : this.#names.get(address);
    if (first && this.#link(first, dir, name)) return;
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    const fd = makeFresh(dir, name, () => openSync(dir.at(name), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600));
    try {
      const buffer = this.#buffer;
      await readEntry(entry, this.#files, {
        room: async (wanted) => ({ buffer, at: 0, length: Math.min(wanted, buffer.length) }),
        take: (length) => writeFully(fd, buffer.subarray(0, length)),
      });
      fchmodSync(fd, entry.mode);
      futimesSync(fd, entry.mtime, entry.mtime);
      if (address !== undefined) this.#names.set(address, { path: entry.path, ino: fstatSync(fd).ino });
      this.#bytes += entry.size;
    } finally {
      closeSync(fd);
    }
  }

  /** A further name for a file written before; false where that file is no longer what was written, or a link is refused. */
  #link(first: { readonly path: string; readonly ino: number }, dir: Anchor, name: string): boolean {
    const held: Anchor[] = [];
    try {
      let from = (this.#open[0] as Open).anchor;
      const parts = first.path.slice(1).split("/");
      for (const part of parts.slice(0, -1)) {
        const next = enter(from, part);
        if (!next) return false;
        held.push(next);
        from = next;
      }
      const last = parts.at(-1) as string;
      if (look(from, last)?.ino !== first.ino) return false;
      makeFresh(dir, name, () => linkSync(from.at(last), dir.at(name)));
      return true;
    } catch (error) {
      // A directory of mode 000 that was left already, or a file system without hard links: write it again.
      if (["EACCES", "EPERM", "EMLINK", "ENOTSUP", "EXDEV"].includes(errnoOf(error) ?? "")) return false;
      throw error;
    } finally {
      for (const anchor of held) release(anchor);
    }
  }

  /** Node has no call for these; coreutils do. The child reaches our directory through our entry in /proc. */
  #special(dir: Anchor, name: string, entry: Exclude<Entry, { kind: "file" | "dir" | "symlink" }>): void {
    remove(dir, name);
    const path = `/proc/${process.pid}/fd/${dir.fd}/${name}`;
    const mode = `--mode=${(entry.mode & 0o7777).toString(8)}`;
    const device = entry.kind === "char" || entry.kind === "block";
    const args = device
      ? [mode, "--", path, entry.kind === "char" ? "c" : "b", String(entry.major), String(entry.minor)]
      : [mode, "--", path];
    if ((device && process.getuid?.() !== 0) || !this.#made(device ? "mknod" : "mkfifo", args)) {
      this.#skippedDevices++;
      return;
    }
    lutimesSync(dir.at(name), entry.mtime, entry.mtime);
  }

  #made(program: string, args: readonly string[]): boolean {
    try {
      execFileSync(program, args, { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  }
}
