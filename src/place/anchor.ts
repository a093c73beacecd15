import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { decodeName } from "../kit/bytes.ts";
import { assert, Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf } from "../kit/storage-failure.ts";
import { fsName } from "../tree/content.ts";

/** Linux's O_PATH: a place in the file system without the right to read it (open(2)); Node does not name it. */
const O_PATH = 0o10000000;
const DIRECTORY = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * A directory held by a descriptor. Names below it are reached through /proc/self/fd, so that neither a symlink nor another
 * process that swaps directories can lead a write elsewhere: the one name that follows is never resolved as a link.
 */
export interface Anchor {
  readonly fd: number;
  /** A path for fs calls: one name inside this directory. */
  at(name: string): string | Buffer;
  /** The directory itself, for chmod and utimes. */
  readonly self: string;
}

/** Takes hold of the directory that everything is written below. Symlinks on the way to it are the caller's own and followed. */
export function anchorAt(path: string): Anchor {
  const anchor = hold(openSync(path, O_PATH | constants.O_DIRECTORY));
  if (lstatSync(anchor.at("."), { throwIfNoEntry: false }) === undefined) {
    closeSync(anchor.fd);
    throw new Failure("STORAGE", "/proc is not mounted, and without it files cannot be written safely", {
      hint: "Write a tar instead (type=tar).",
    });
  }
  return anchor;
}

/** Takes hold of a directory inside another; undefined where there is none of that name, or something else than a directory. */
export function enter(dir: Anchor, name: string): Anchor | undefined {
  try {
    return hold(openSync(dir.at(name), DIRECTORY));
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return undefined;
    throw error;
  }
}

/** Lets go of a directory. */
/** Lets go of a directory. */
export function release(anchor: Anchor): void {
  closeSync(anchor.fd);
}

/** What stands under a name; no link is followed. */
export function look(dir: Anchor, name: string): Stats | undefined {
  return lstatSync(dir.at(name), { throwIfNoEntry: false });
}

/** Takes hold of a subdirectory, making it where needed and putting it in the place of anything that is not a directory. */
export function makeDirectory(dir: Anchor, name: string): Anchor {
  for (let left = 3; left > 0; left--) {
    try {
      mkdirSync(dir.at(name), 0o700);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
    const there = enter(dir, name);
    if (there) {
      makeWritable(there);
      return there;
    }
    remove(dir, name);
  }
  throw changed(name);
}

/** Runs `make`, which must fail where the name is taken, and again after removing what stands in the way. */
export function makeFresh<T>(dir: Anchor, name: string, make: () => T): T {
  for (let left = 3; left > 0; left--) {
    try {
      return make();
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
    remove(dir, name);
  }
  throw changed(name);
}

function changed(name: string): Failure {
  return new Failure("STORAGE", `${printable(name)} is changed by another process while it is being written`);
}

/** Removes whatever stands under a name, with all it holds. Nothing outside is touched, whatever links it holds. */
export function remove(dir: Anchor, name: string): void {
  const stats = look(dir, name);
  if (stats === undefined) return;
  if (!stats.isDirectory()) return unlinkSync(dir.at(name));
  const inner = enter(dir, name);
  if (inner) {
    try {
      makeWritable(inner);
      for (const one of readdirSync(inner.self, { encoding: "buffer" })) remove(inner, decodeName(one));
    } finally {
      release(inner);
    }
  }
  rmdirSync(dir.at(name));
}

function makeWritable(dir: Anchor): void {
  const { mode } = fstatSync(dir.fd);
  if ((mode & 0o700) !== 0o700) chmodSync(dir.self, (mode & 0o7777) | 0o700);
}

function hold(fd: number): Anchor {
  const self = `/proc/self/fd/${fd}`;
  return {
    fd,
    self,
    at(name) {
      assert(name !== "" && name !== ".." && !name.includes("/") && !name.includes("\0"), "a name inside a directory");
      return fsName(`${self}/${name}`);
    },
  };
}
