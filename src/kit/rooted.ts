import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, type Stats } from "node:fs";
import { decodeName, encodeName } from "./bytes.ts";
import { Failure } from "./error.ts";
import { printable } from "./printable.ts";
import { readFully } from "./read-file.ts";
import { errnoOf } from "./storage-failure.ts";

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** Linux's; Node does not name it. The same number on every architecture that Node runs on. */
const O_PATH = 0o10000000;
/** Links followed for one path, as in the kernel. */
const MAX_LINKS = 40;
/** How often a name may be something else at the second look before we give up. */
const MAX_TRIES = 100;

/** A name in a directory that is held open: whatever is renamed meanwhile, it is a name in that directory. */
export interface RootedPlace {
  /** Good until another path is looked up, or the root is disposed of. */
  readonly dir: number;
  /** `.` for the directory itself. */
  readonly name: string;
  /** Where it lies, below the root, links followed: `/etc/passwd`. */
  readonly path: string;
  /** Undefined where nothing has that name. */
  readonly stats: Stats | undefined;
}

/**
 * A directory that is the root of every path looked up in it, as chroot(2) would make it, also while others rename and replace what is
 * in it: each directory on the way is opened relative to the one before, never through a link, and `..` goes back to a descriptor that was
 * passed, never to what is a parent by now. Links are read and followed by us, absolute ones from the root, so that magic links
 * of /proc are followed as text.
 */
export class RootedFolder implements Disposable {
  readonly #root: number;
  #way: { readonly fd: number; readonly name: string }[] = [];

  /** Opens the root itself by a path of the host. Throws the system's error. */
  constructor(path: string) {
    this.#root = openSync(path, O_PATH | O_DIRECTORY);
  }

  /**
   * Finds where a path leads; links at its end are followed with `follow`. Throws NOT_FOUND where a directory on the way is missing or is
   * none, or links go round, and else the system's error.
   */
  find(path: string, follow: boolean): RootedPlace {
    this.#leave(0);
    const left = path.split("/").reverse();
    let links = 0;
    let tries = 0;
    for (;;) {
      const name = left.pop();
      if (name === undefined) return this.#here(".");
      if (name === "" || name === ".") continue;
      if (name === "..") {
        this.#leave(Math.max(0, this.#way.length - 1));
        continue;
      }
      const at = placePath(this.#top, name);
      const stats = lookAt(at, path);
      const last = left.every((one) => one === "");
      if (stats?.isSymbolicLink() && (follow || !last)) {
        const target = linkAt(at);
        // It was replaced between the two looks.
        if (target === undefined) this.#again(left, name, ++tries, path);
        else {
          if (++links > MAX_LINKS) throw new Failure("NOT_FOUND", `${printable(path)}: too many levels of symbolic links`);
          if (target.startsWith("/")) this.#leave(0);
          left.push(...target.split("/").reverse());
        }
      } else if (last) return { dir: this.#top, name, path: `${this.#path()}/${name}`, stats };
      else if (stats === undefined) throw new Failure("NOT_FOUND", `${printable(path)}: no such file or directory`);
      else if (!stats.isDirectory()) throw new Failure("NOT_FOUND", `${printable(path)}: not a directory`);
      else if (!this.#enter(at, name)) this.#again(left, name, ++tries, path);
    }
  }

  /** The bytes of a small regular file, or undefined where there is none, or a larger one. Never throws. */
  readSmall(path: string, limit: number): Buffer | undefined {
    let fd: number | undefined;
    try {
      const place = this.find(path, true);
      if (!place.stats?.isFile()) return undefined;
      fd = openSync(placePath(place.dir, place.name), constants.O_RDONLY | O_NOFOLLOW | constants.O_NONBLOCK);
      const stats = fstatSync(fd);
      if (!stats.isFile() || stats.size > limit) return undefined;
      const buffer = Buffer.alloc(limit + 1);
      const bytes = buffer.subarray(0, readFully(fd, buffer, 0));
      return bytes.length > limit ? undefined : bytes;
    } catch {
      return undefined;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  get #top(): number {
    return this.#way.at(-1)?.fd ?? this.#root;
  }

  #path(): string {
    return this.#way.map((one) => `/${one.name}`).join("");
  }

  #here(name: string): RootedPlace {
    return { dir: this.#top, name, path: this.#path() || "/", stats: fstatSync(this.#top) };
  }

  #enter(at: string | Buffer, name: string): boolean {
    try {
      this.#way.push({ fd: openSync(at, O_PATH | O_DIRECTORY | O_NOFOLLOW), name });
      return true;
    } catch (error) {
      const code = errnoOf(error) ?? "";
      if (code === "ENOTDIR" || code === "ELOOP" || code === "ENOENT") return false;
      throw error;
    }
  }

  #again(left: string[], name: string, tries: number, path: string): void {
    if (tries > MAX_TRIES) throw new Failure("CHANGED", `${printable(path)} changes all the time`);
    left.push(name);
  }

  #leave(depth: number): void {
    for (const one of this.#way.splice(depth)) closeSync(one.fd);
  }

  [Symbol.dispose](): void {
    this.#leave(0);
    closeSync(this.#root);
  }
}

/** A name in an open directory as a path for Node's calls, which know no descriptors of directories. Its last part must not be followed. */
export function placePath(dir: number, name: string): string | Buffer {
  const path = `/proc/self/fd/${dir}/${name}`;
  return /[\udc80-\udcff]/.test(name) ? encodeName(path) : path;
}

function lookAt(at: string | Buffer, path: string): Stats | undefined {
  try {
    return lstatSync(at, { throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === "ENAMETOOLONG") throw new Failure("NOT_FOUND", `${printable(path.slice(0, 100))}: file name too long`);
    throw error;
  }
}

/** What a symbolic link says; undefined where it is none any more. */
function linkAt(at: string | Buffer): string | undefined {
  try {
    return decodeName(readlinkSync(at, { encoding: "buffer" }));
  } catch (error) {
    if (errnoOf(error) === "EINVAL" || errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
