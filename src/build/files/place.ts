import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Entry } from "../../tree/entry.ts";
import { join, type Path, parentOf, ROOT, toPath } from "../../tree/path.ts";
import { twinOf } from "../key.ts";
import { type DraftBuilder, UNTIMED } from "./draft.ts";
import type { ModeChange } from "./mode.ts";
import { type Pick, relativeFrom } from "./select.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** How chosen entries are put into the image: everything expanded and looked up already. */
export interface Placing {
  /** Absolute, with a trailing slash where the destination must be a directory. */
  readonly dest: string;
  /** Undefined keeps the owners that the sources have. */
  readonly owner?: Owner;
  readonly mode?: ModeChange;
  /** Seconds that an entry's time becomes. */
  readonly time: (mtime: number) => number;
  /** COPY --parents: entries keep their path below the source's root. */
  readonly parents: boolean;
}

const ROOT_OWNER: Owner = { uid: 0, gid: 0 };

/**
 * Puts one match of a source at its destination, as BuildKit's copier does: a directory's contents go into the destination, a file goes
 * under its own name into a directory and else becomes the destination; links in the destination are followed, links that are
 * copied are not; an existing directory keeps its metadata at the top and takes the source's below.
 */
export function place(draft: DraftBuilder, pick: Pick, how: Placing): void {
  const owner = how.owner ?? ROOT_OWNER;
  const created = how.mode?.created ?? 0o755;
  const clean = toPath(how.dest);
  draft.mkdirAll(how.dest.endsWith("/") ? clean : parentOf(clean), owner, created);
  let target = draft.resolve(clean);
  draft.mkdirAll(parentOf(target), owner, created);
  const there = draft.get(target);
  const twins = new Map<string, Path>();
  if (pick.top.kind === "dir") {
    if (there === undefined) draft.mkdirAll(target, owner, created);
    else if (there.kind !== "dir") throw new Failure("PLAN", `cannot copy to non-directory: ${printable(target)}`);
    // The destination takes the source's time and nothing else; the root of a context has no time of its own.
    const dir = draft.get(target);
    if (dir?.kind === "dir" && pick.top.path !== ROOT && target !== ROOT && !how.parents)
      draft.put({ ...dir, mtime: how.time(pick.top.mtime) });
    const from = relativeFrom(pick);
    for (const entry of pick.below) put(draft, entry, join(target, entry.path.slice(from)), how, twins, pick.ways?.has(entry));
    return;
  }
  if (there?.kind === "dir") target = join(target, pick.name);
  put(draft, pick.top, target, how, twins);
}

function put(draft: DraftBuilder, entry: Entry, target: Path, how: Placing, twins: Map<string, Path>, way = false): void {
  const there = draft.get(target);
  const { uid, gid } = how.owner ?? entry;
  const facts = { path: target, uid, gid, mtime: way ? UNTIMED : how.time(entry.mtime) };
  if (entry.kind === "dir") {
    if (there !== undefined && there.kind !== "dir") throw new Failure("PLAN", `cannot copy to non-directory: ${printable(target)}`);
    const { opaque: _, ...dir } = entry;
    draft.put({ ...dir, ...facts, mode: how.mode ? how.mode.apply(entry.mode, true) : entry.mode });
    return;
  }
  if (there?.kind === "dir") throw new Failure("PLAN", `cannot replace to directory ${printable(target)} with file`);
  const twin = twinOf(entry);
  if (twin !== undefined) {
    const first = twins.get(twin);
    if (first !== undefined) {
      draft.put({ kind: "hardlink", target: first, ...facts, mode: how.mode ? how.mode.apply(entry.mode, false) : entry.mode });
      return;
    }
    twins.set(twin, target);
  }
  const mode = entry.kind === "symlink" ? 0o777 : how.mode ? how.mode.apply(entry.mode, false) : entry.mode;
  draft.put({ ...(entry as Entry), ...facts, mode } as Entry);
}
