import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { errnoOf } from "./storage-failure.ts";

/**
 * Makes a folder and those on the way to it; one that is there is kept. Node's own `recursive` never ends where a file system takes no
 * folders although the parent is there, as /proc, and says ENOENT on a disk that is read-only. `mode` is for folders that are made. The
 * result is the uppermost of these; undefined where nothing had to be made. Throws what mkdir throws.
 */
export function makeFolder(path: string, mode = 0o777): string | undefined {
  const folder = resolve(path);
  try {
    mkdirSync(folder, { mode });
    return folder;
  } catch (error) {
    if (errnoOf(error) === "EEXIST" && statSync(folder).isDirectory()) return undefined;
    const parent = dirname(folder);
    if (errnoOf(error) !== "ENOENT" || parent === folder || statSync(parent, { throwIfNoEntry: false }) !== undefined) throw error;
    const first = makeFolder(parent, mode);
    const own = makeFolder(folder, mode);
    return first ?? own;
  }
}
