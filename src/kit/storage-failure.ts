import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { Failure } from "./error.ts";
import { printable } from "./printable.ts";

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  EIO: "the disk reports an input/output error",
  EFBIG: "larger than the file size limit (ulimit -f)",
  EMFILE: "too many open files (ulimit -n)",
  ENFILE: "too many open files on this machine",
  ENOENT: "no such file or directory",
  ENOTDIR: "a part of the path is not a directory",
  EISDIR: "is a directory",
  ELOOP: "is a symbolic link",
  ENAMETOOLONG: "the path is too long",
  EXDEV: "is on another file system",
  EMLINK: "too many links",
  EEXIST: "is there already",
};

/** The `code` of a system error, or undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return error instanceof Error && !(error instanceof Failure) && typeof code === "string" ? code : undefined;
}

/**
 * Turns a system error into the Failure that users see: NO_SPACE for a full disk (saying when it is the inodes that ran
 * out) and STORAGE for the rest. `doing` starts the sentence: "could not write". Failures and bugs pass unchanged.
 */
export function storageFailure(error: unknown, doing: string, path: string): unknown {
  const code = errnoOf(error);
  if (code === undefined) return error;
  if (code === "ENOSPC" || code === "EDQUOT") {
    const what =
      code === "EDQUOT" ? "the disk quota is used up" : outOfInodes(path) ? "no inodes left on the disk" : "no space left on the disk";
    return new Failure("NO_SPACE", `${doing} ${printable(path)}: ${what}`, { cause: error });
  }
  return new Failure("STORAGE", `${doing} ${printable(path)}: ${REASONS[code] ?? code} (${code})`, { cause: error });
}

/** Runs `work` and translates its system errors as `storageFailure` does. */
export function orStorageFailure<T>(doing: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw storageFailure(error, doing, path);
  }
}

function outOfInodes(path: string): boolean {
  for (const place of [path, dirname(path)]) {
    try {
      const facts = statfsSync(place);
      return facts.files > 0 && facts.ffree === 0;
    } catch {
      // The file itself may be gone; its directory answers.
    }
  }
  return false;
}
