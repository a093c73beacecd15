import { chmodSync, chownSync, mkdirSync, utimesSync } from "node:fs";
import { storageFailure } from "../kit/storage-failure.ts";
import { ownHow } from "../rootfs/open.ts";
import { fsName } from "../tree/content.ts";
import { type Path, parentOf, ROOT, toPath } from "../tree/path.ts";
import type { Tree } from "../tree/tree.ts";

/**
 * Makes a container's working directory where the image lacks it: root's, 0755, as docker does, and not the user's as in a build.
 * Directories
 * of the image on the way are as they were. Throws STORAGE.
 */
export function makeWorkdir(upper: string, tree: Tree, workdir: string): void {
  const path = tree.resolve(toPath(workdir));
  if (path === undefined || tree.get(path) !== undefined) return;
  const missing: Path[] = [];
  for (let at = path; at !== ROOT; at = parentOf(at)) missing.unshift(at);
  // Something that is no directory is in the way: the start will say so.
  if (missing.some((one) => (tree.get(one)?.kind ?? "dir") !== "dir")) return;
  try {
    for (const one of missing) mkdirSync(fsName(upper + one), { mode: 0o755 });
    for (const one of missing.reverse()) {
      const known = tree.get(one);
      const file = fsName(upper + one);
      if (known && ownHow().ids === "keep") chownSync(file, known.uid, known.gid);
      chmodSync(file, known?.mode ?? 0o755);
      if (known) utimesSync(file, known.mtime, known.mtime);
    }
  } catch (error) {
    throw storageFailure(error, "could not make the working directory in", upper);
  }
}
