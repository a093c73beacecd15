import type { Stats } from "node:fs";
import type { Stamp } from "./entry.ts";

/** The facts of an lstat or fstat that tell whether a file's bytes may have changed. */
export function stampOf(stats: Stats): Stamp {
  return { size: stats.size, mtimeMs: stats.mtimeMs, ctimeMs: stats.ctimeMs, ino: stats.ino };
}

/** Whether two looks at one file saw the same bytes, as far as stamps tell. */
export function sameStamp(a: Stamp, b: Stamp): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.ino === b.ino;
}
