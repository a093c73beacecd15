import { chmodSync, chownSync, closeSync, mkdirSync, openSync, utimesSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { fsName } from "../tree/content.ts";
import type { Entry } from "../tree/entry.ts";
import { type Path, parentOf, ROOT, toPath } from "../tree/path.ts";
import type { Tree } from "../tree/tree.ts";
import type { HostCalls, HostChange } from "./calls.ts";
import { isOwnBook, ownerNote } from "./owner.ts";

/** Always real directories of their own, so that no image can offer a symbolic link in their place. */
const REAL: ReadonlySet<string> = new Set(["/proc", "/sys", "/dev"]);

/**
 * Makes the topmost lower in `into` (which must not exist): what `points` need and the image lacks. Parents are as the image has them.
 * Links
 * of the image are followed inside it. Gives the paths made that the image has not. Throws SANDBOX where the image has another kind,
 * and STORAGE. With `calls`, parents have their attributes too, and, with `mine`, notes of their owners.
 */
export function makeStubs(
  into: string,
  points: readonly { readonly path: string; readonly kind: "directory" | "file" }[],
  image: Tree,
  ids: "keep" | "mine",
  calls?: HostCalls,
): ReadonlySet<Path> {
  const made = new Set<Path>();
  const dirs = new Map<Path, Entry | undefined>([[ROOT, image.get(ROOT)]]);
  const directory = (path: Path): void => {
    if (dirs.has(path)) return;
    directory(parentOf(path));
    const there = image.get(path);
    if (there && there.kind !== "dir" && !REAL.has(path)) throw mismatch(path, "directory");
    mkdirSync(fsName(into + path), { mode: 0o755 });
    dirs.set(path, there?.kind === "dir" ? there : undefined);
    if (there?.kind !== "dir") made.add(path);
  };
  try {
    mkdirSync(into, { mode: 0o755 });
    for (const { path: text, kind } of points) {
      const literal = toPath(text);
      const path = REAL.has(literal) ? literal : image.resolve(literal);
      if (path === undefined) throw mismatch(literal, kind);
      const there = image.get(path);
      if (there && !REAL.has(path) && (there.kind === "dir") !== (kind === "directory")) throw mismatch(path, kind);
      if (made.has(path) || (there && (!REAL.has(path) || there.kind === "dir"))) continue;
      if (kind === "directory") directory(path);
      else {
        directory(parentOf(path));
        closeSync(openSync(fsName(into + path), "wx", 0o644));
        made.add(path);
      }
    }
    if (calls) copyAttributes(into, dirs, ids, calls);
    for (const [path, entry] of [...dirs].reverse()) {
      const file = fsName(path === ROOT ? into : into + path);
      if (entry && ids === "keep") chownSync(file, entry.uid, entry.gid);
      chmodSync(file, entry?.mode ?? 0o755);
      utimesSync(file, entry?.mtime ?? 0, entry?.mtime ?? 0);
    }
  } catch (error) {
    throw storageFailure(error, "could not make mount points in", into);
  }
  return made;
}

/** What overlayfs shows of a directory is what the topmost layer says of it. Attributes that cannot be set here were lost below as well. */
function copyAttributes(into: string, dirs: ReadonlyMap<Path, Entry | undefined>, ids: "keep" | "mine", calls: HostCalls): void {
  const changes: HostChange[] = [];
  for (const [path, entry] of dirs) {
    const file = path === ROOT ? into : into + path;
    if (ids === "mine") changes.push(ownerNote(file, entry ?? { uid: 0, gid: 0 }));
    for (const [name, value] of entry?.xattrs ?? []) if (!isOwnBook(name)) changes.push({ call: "setxattr", path: file, name, value });
  }
  if (changes.length > 0) calls.change(changes);
}

function mismatch(path: string, wanted: string): Failure {
  return new Failure("SANDBOX", `cannot mount a ${wanted} on ${printable(path)}: the image has something else there`);
}
