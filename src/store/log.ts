import { closeSync, constants, fstatSync, openSync, renameSync, unlinkSync } from "node:fs";
import { createPrivate, quietly, writeFully } from "../kit/atomic.ts";
import { openToRead, readFully } from "../kit/read-file.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";

/** More than this is not read: the oldest lines count as forgotten then. Bytes. */
const READ_LIMIT = 64 << 20;

/**
 * Appends text (whole lines) to a log with one write, so that lines of several processes do not mix. If the log was replaced
 * meanwhile (replaceLog), the lines went into a file without a name, and are written again.
 */
export function appendToLog(path: string, text: string): void {
  // An empty line first: it ends a line that a kill or a full disk left torn.
  const bytes = Buffer.from(`\n${text}`, "utf8");
  try {
    for (;;) {
      const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
      const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
      try {
        writeFully(fd, bytes);
        if (fstatSync(fd).nlink > 0) return;
      } finally {
        closeSync(fd);
      }
    }
  } catch (error) {
    throw storageFailure(error, "could not write", path);
  }
}

/** The text of a log, or "" where there is none, or where something that is no file has its place. */
export function readLog(path: string): string {
  const fd = openLog(path);
  if (fd === undefined) return "";
  try {
    const { size } = fstatSync(fd);
    return readRange(fd, Math.max(0, size - READ_LIMIT), size);
  } catch (error) {
    if (errnoOf(error) === "EISDIR") return "";
    throw storageFailure(error, "could not read", path);
  } finally {
    closeSync(fd);
  }
}

/**
 * Replaces a log by what `rewrite` makes of its text, losing no line that another process appends meanwhile. The caller
 * makes sure that nobody else replaces it at the same time. `temporary` is a private name on the same file system.
 */
export function replaceLog(path: string, temporary: string, rewrite: (text: string) => string): void {
  const old = openLog(path);
  if (old === undefined) return;
  try {
    const { size } = fstatSync(old);
    const fd = createPrivate(temporary);
    try {
      writeFully(fd, Buffer.from(rewrite(readRange(old, Math.max(0, size - READ_LIMIT), size)), "utf8"));
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    // Who appended before the rename saw a log with a name and went away content: his lines are taken over here.
    const late = readRange(old, size, fstatSync(old).size);
    if (late !== "") appendToLog(path, late);
  } catch (error) {
    quietly(() => unlinkSync(temporary));
    throw storageFailure(error, "could not write", path);
  } finally {
    closeSync(old);
  }
}

function openLog(path: string): number | undefined {
  try {
    return openToRead(path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ELOOP") return undefined;
    throw storageFailure(error, "could not read", path);
  }
}

function readRange(fd: number, from: number, to: number): string {
  const buffer = Buffer.allocUnsafe(Math.max(0, to - from));
  return buffer.toString("utf8", 0, readFully(fd, buffer, from));
}
