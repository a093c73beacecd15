import { closeSync, constants, fchmodSync, fsync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY, O_RDONLY, O_DIRECTORY } = constants;

/** Creates a file that must not be there yet (no link is followed), for its owner only. Throws the system's error. */
export function createPrivate(path: string): number {
  return openSync(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
}

/** Writes all bytes, however many calls it takes (a full disk may take a part of them before it refuses). */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
}

/** Waits in the pool until the file behind `fd` is on the disk. */
export function syncFile(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())));
}

/** Makes the names in a directory durable. File systems that cannot (EINVAL, ENOTSUP) count as done. */
export async function syncDirectory(path: string): Promise<void> {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY);
  try {
    await syncFile(fd);
  } catch (error) {
    if (!cannotSync(error)) throw error;
  } finally {
    closeSync(fd);
  }
}

/** The same without giving way to others. */
export function syncDirectorySync(path: string): void {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY);
  try {
    fsyncSync(fd);
  } catch (error) {
    if (!cannotSync(error)) throw error;
  } finally {
    closeSync(fd);
  }
}

export interface ReplaceOptions {
  /** Permission bits of the file. Default 0600. */
  readonly mode?: number;
  /** Whether the bytes must be on the disk before the file gets its name. Default false. */
  readonly durable?: boolean;
}

/**
 * Puts `bytes` under `path` so that a reader sees the old file or the new one, never a part. `temporary` is a name on the
 * same file system that nobody else uses. With `durable`, the caller still has to sync the directory. Throws the system's
 * error, and then neither name is left behind.
 */
export function replaceFile(temporary: string, path: string, bytes: Uint8Array, options: ReplaceOptions = {}): void {
  const fd = createPrivate(temporary);
  let open = true;
  try {
    writeFully(fd, bytes);
    if (options.mode !== undefined) fchmodSync(fd, options.mode);
    if (options.durable) fsyncSync(fd);
    open = false;
    closeSync(fd);
    renameSync(temporary, path);
  } catch (error) {
    if (open) quietly(() => closeSync(fd));
    quietly(() => unlinkSync(temporary));
    throw error;
  }
}

/** Runs something whose failure changes nothing, such as removing what may be gone. */
export function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // By contract of this function.
  }
}

function cannotSync(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "EINVAL" || code === "ENOTSUP";
}
