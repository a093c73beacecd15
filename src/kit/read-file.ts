import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { errnoOf } from "./storage-failure.ts";

/**
 * Opens a file for reading without following a link in the last part of its path and without waiting for the other end of a
 * pipe. The caller makes sure that it is a file. Throws the system's error.
 */
export function openToRead(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/**
 * Fills `buffer` from the byte `position` of a file on, or up to the file's end. Returns how many bytes it got. A read that a signal
 * interrupts is taken up again (libuv leaves that to us). Throws the system's error.
 */
export function readFully(fd: number, buffer: Uint8Array, position: number): number {
  let fill = 0;
  while (fill < buffer.byteLength) {
    try {
      const got = readSync(fd, buffer, fill, buffer.byteLength - fill, position + fill);
      if (got === 0) break;
      fill += got;
    } catch (error) {
      if (errnoOf(error) !== "EINTR") throw error;
    }
  }
  return fill;
}

/** The bytes of a small file, at most `limit`; undefined where it is missing. Links are not followed. Throws the system's error. */
export function readSmallFile(path: string, limit: number): Buffer | undefined {
  let fd: number;
  try {
    fd = openToRead(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const buffer = Buffer.allocUnsafe(Math.min(limit, fstatSync(fd).size));
    return buffer.subarray(0, readFully(fd, buffer, 0));
  } finally {
    closeSync(fd);
  }
}
