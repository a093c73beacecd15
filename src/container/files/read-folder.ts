import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { compareNames, decodeName } from "../../kit/bytes.ts";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import { readFully } from "../../kit/read-file.ts";
import { placePath, type RootedPlace } from "../../kit/rooted.ts";
import { errnoOf, storageFailure } from "../../kit/storage-failure.ts";
import type { Task } from "../../task/task.ts";
import type { Item, ItemSink } from "./item.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
const CHUNK = 1 << 20;

/** What the kernel shows there is no file of anybody's; the directories are copied, empty. */
const KERNELS: ReadonlySet<string> = new Set(["/proc", "/sys", "/dev"]);

/**
 * Reads a place and all below it into a sink, the place itself under the name `as`. File systems mounted on /proc, /sys and /dev are left
 * out. Directories are entered by descriptors, so whoever renames them meanwhile cannot lead us elsewhere; what vanishes in that moment is
 * left out. Sockets are no files and left out too. Throws STORAGE, LIMIT, INTERRUPTED, CHANGED for a file that became shorter, and what the
 * sink throws.
 */
export async function readFolder(place: RootedPlace, as: string, sink: ItemSink, task: Task): Promise<void> {
  if (place.stats === undefined) throw new Error("internal: nothing to read");
  try {
    await new FolderReader(place.path, as, sink, task).read(place.dir, place.name, as, place.stats);
    await sink.end();
  } catch (error) {
    throw storageFailure(error, "could not copy", place.path);
  }
}

class FolderReader {
  readonly #sink: ItemSink;
  readonly #task: Task;
  /** Names of the items that stand for those. */
  readonly #kernels: ReadonlySet<string>;
  readonly #buffer = Buffer.allocUnsafeSlow(CHUNK);
  readonly #first = new Map<string, string>();
  #count = 0;

  constructor(from: string, as: string, sink: ItemSink, task: Task) {
    this.#sink = sink;
    this.#kernels = new Set(
      [...KERNELS].flatMap((path) => (isWithin(path, from) ? [joined(as, path.slice(from === "/" ? 1 : from.length + 1))] : [])),
    );
    this.#task = task;
  }

  async read(dir: number, name: string, path: string, stats: Stats): Promise<void> {
    if (this.#task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while copying");
    if (++this.#count > LIMITS.treeEntries) throw new Failure("LIMIT", `there are more than ${LIMITS.treeEntries} files`);
    if (stats.isDirectory()) await this.#folder(dir, name, path);
    else if (stats.isFile()) await this.#file(dir, name, path, stats);
    else if (!stats.isSocket()) await this.#other(dir, name, path, stats);
  }

  async #folder(dir: number, name: string, path: string): Promise<void> {
    const fd = open(placePath(dir, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd === undefined) return;
    try {
      await this.#sink.begin({ ...facts(fstatSync(fd)), path, kind: "dir" });
      await this.#sink.done();
      if (this.#kernels.has(path) && fstatSync(fd).dev !== fstatSync(dir).dev) return;
      const names = readdirSync(`/proc/self/fd/${fd}`, { encoding: "buffer" }).map(decodeName).sort(compareNames);
      for (const inner of names) {
        const stats = lstatSync(placePath(fd, inner), { throwIfNoEntry: false });
        if (stats) await this.read(fd, inner, joined(path, inner), stats);
      }
    } finally {
      closeSync(fd);
    }
  }

  async #file(dir: number, name: string, path: string, seen: Stats): Promise<void> {
    const inode = `${seen.dev}:${seen.ino}`;
    const first = seen.nlink > 1 ? this.#first.get(inode) : undefined;
    if (first !== undefined) {
      await this.#sink.begin({ ...facts(seen), path, kind: "hardlink", target: first });
      return this.#sink.done();
    }
    const fd = open(placePath(dir, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fd === undefined) return;
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) return;
      if (stats.nlink > 1) this.#first.set(`${stats.dev}:${stats.ino}`, path);
      await this.#sink.begin({ ...facts(stats), path, kind: "file", size: stats.size });
      for (let left = stats.size; left > 0; ) {
        const got = readFully(fd, this.#buffer.subarray(0, Math.min(left, CHUNK)), stats.size - left);
        if (got === 0) throw new Failure("CHANGED", `${printable(path)} became shorter while it was copied`);
        await this.#sink.data(this.#buffer.subarray(0, got));
        left -= got;
        if (this.#task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while copying");
      }
      await this.#sink.done();
    } finally {
      closeSync(fd);
    }
  }

  async #other(dir: number, name: string, path: string, stats: Stats): Promise<void> {
    if (stats.isSymbolicLink()) {
      const target = linkAt(placePath(dir, name));
      if (target === undefined) return;
      await this.#sink.begin({ ...facts(stats), path, kind: "symlink", mode: 0o777, target });
    } else if (stats.isFIFO()) await this.#sink.begin({ ...facts(stats), path, kind: "fifo" });
    else await this.#sink.begin({ ...facts(stats), path, kind: stats.isBlockDevice() ? "block" : "char", ...deviceOf(stats.rdev) });
    await this.#sink.done();
  }
}

function isWithin(path: string, folder: string): boolean {
  return path !== folder && path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

/** The name of an item below another one. */
function joined(path: string, name: string): string {
  return path === "." ? name : `${path}/${name}`;
}

function facts(stats: Stats): Pick<Item, "mode" | "uid" | "gid" | "mtime" | "size"> {
  return { mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid, mtime: Math.floor(stats.mtimeMs / 1000), size: 0 };
}

/** Undefined where it is gone or is something else by now. */
function open(path: string | Buffer, flags: number): number | undefined {
  try {
    return openSync(path, flags);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "EISDIR"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

function linkAt(path: string | Buffer): string | undefined {
  try {
    return decodeName(readlinkSync(path, { encoding: "buffer" }));
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "EINVAL") return undefined;
    throw error;
  }
}

/** Linux's split of a device number (makedev(3)). */
function deviceOf(rdev: number): { readonly major: number; readonly minor: number } {
  return {
    major: ((rdev >>> 8) & 0xfff) | (Math.floor(rdev / 2 ** 32) & ~0xfff),
    minor: (rdev & 0xff) | ((rdev >>> 12) & ~0xff),
  };
}
