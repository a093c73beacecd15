import { constants, fstatSync, openSync, readSync } from "node:fs";
import { encodeName } from "../kit/bytes.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Content } from "./entry.ts";
import { sameStamp, stampOf } from "./stamp.ts";

type HostContent = Content & { readonly in: "host" };

/** The name to hand to fs calls: plain strings stay strings (faster), names with bytes that are not UTF-8 become buffers. */
export function fsName(path: string): string | Buffer {
  return /[\udc80-\udcff]/.test(path) ? encodeName(path) : path;
}

/**
 * Opens a file of the context for reading, never through a symlink at its end, never waiting for a FIFO. That it is the file that
 * lstat saw is checked by `stillTheSame` after reading. Throws CHANGED or CONTEXT.
 */
export function openHostFile(content: HostContent): number {
  try {
    return openSync(fsName(content.path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EACCES" || code === "EPERM") throw new Failure("CONTEXT", `cannot read ${printable(content.path)}: permission denied`);
    throw changed(content.path, error);
  }
}

/** Compares an open file with the stamp it was found with. Throws CHANGED. */
export function stillTheSame(fd: number, content: HostContent): void {
  if (!sameStamp(stampOf(fstatSync(fd)), content.stamp)) throw changed(content.path);
}

/** Reads exactly `length` bytes at `position` into `buffer` at `at`. Throws CHANGED when the file ends early. */
export function readExactly(fd: number, buffer: Buffer, at: number, length: number, position: number, name: string): void {
  for (let done = 0; done < length; ) {
    const read = readSync(fd, buffer, at + done, length - done, position + done);
    if (read === 0) throw changed(name);
    done += read;
  }
}

function changed(path: string, cause?: unknown): Failure {
  return new Failure("CHANGED", `${printable(path)} changed while it was being read`, cause === undefined ? {} : { cause });
}
