import { Failure } from "../../kit/error.ts";
import { checkGlob, compileGlob, hasGlob } from "../../kit/glob.ts";
import { createMatcher, type MatchState, type PathMatcher } from "../../kit/pattern.ts";
import { printable } from "../../kit/printable.ts";
import type { Entry } from "../../tree/entry.ts";
import { nameOf, type Path, parentOf, ROOT, toPath } from "../../tree/path.ts";
import type { Tree } from "../../tree/tree.ts";

/** One source of COPY or ADD, variables already expanded. */
export interface SourceSpec {
  readonly pattern: string;
  readonly parents: boolean;
  readonly excludes: readonly string[];
}

/** What one match of a source gives: itself (`relative` empty) and, for a directory, all that lies below it. */
export interface Pick {
  /** Name that it gets inside a directory. */
  readonly name: string;
  readonly top: Entry;
  readonly items: readonly PickedEntry[];
}

export interface PickedEntry {
  readonly relative: string;
  readonly entry: Entry;
  /** A directory that is there only because it leads to something wanted: it is made anew and gets the time of the build. */
  readonly way?: boolean;
}

/**
 * What a source of COPY or ADD names in a tree, as BuildKit's copier finds it: links in the path are followed inside the tree
 * (also the last one), `*` and `?` do not cross `/`, `..` does not lead out, excludes filter only what lies inside directories.
 * No match gives an empty list.
 * Throws USAGE for a malformed wildcard.
 */
export function select(tree: Tree, spec: SourceSpec): readonly Pick[] {
  if (spec.parents) return withParents(tree, spec);
  const matches = hasGlob(spec.pattern) ? expand(tree, spec.pattern) : [toPath(spec.pattern)];
  const excluded = spec.excludes.length === 0 ? undefined : createMatcher(spec.excludes);
  const picks: Pick[] = [];
  for (const match of matches) {
    const top = tree.lookup(match);
    if (top === undefined) continue;
    picks.push({ name: nameOf(match), top, items: itemsOf(tree, top, excluded) });
  }
  return picks;
}

/** `relative` of each entry is its path below the top. */
function itemsOf(tree: Tree, top: Entry, excluded: PathMatcher | undefined): PickedEntry[] {
  const items: PickedEntry[] = [{ relative: "", entry: top }];
  if (top.kind !== "dir") return items;
  const from = top.path === ROOT ? 1 : top.path.length + 1;
  if (!excluded) {
    for (const entry of tree.walk(top.path)) if (entry.path !== top.path) items.push({ relative: entry.path.slice(from), entry });
    return items;
  }
  return withWays(
    tree,
    top,
    filtered(tree, top, (state) => !state.excluded, excluded, items),
  );
}

/** Adds what a matcher lets through below `top`; the matcher is carried down the walk as docker does. */
function filtered(
  tree: Tree,
  top: Entry,
  wanted: (state: MatchState) => boolean,
  matcher: PathMatcher,
  items: PickedEntry[],
): PickedEntry[] {
  const from = top.path === ROOT ? 1 : top.path.length + 1;
  const states = new Map<string, MatchState>();
  for (const entry of tree.walk(top.path)) {
    if (entry.path === top.path) continue;
    const relative = entry.path.slice(from);
    const slash = relative.lastIndexOf("/");
    const state = matcher.step(relative, slash < 0 ? undefined : states.get(relative.slice(0, slash)));
    if (entry.kind === "dir") states.set(relative, state);
    if (wanted(state)) items.push({ relative, entry });
  }
  return items;
}

/** Puts back the directories that lead to something that was let in below an excluded one. */
function withWays(tree: Tree, top: Entry, items: readonly PickedEntry[]): PickedEntry[] {
  const there = new Set(items.map((item) => item.relative));
  const out: PickedEntry[] = [];
  const way = (relative: string): void => {
    const slash = relative.lastIndexOf("/");
    if (slash < 0) return;
    const dir = relative.slice(0, slash);
    if (there.has(dir)) return;
    way(dir);
    there.add(dir);
    const entry = tree.get(toPath(`${top.path}/${dir}`));
    if (entry) out.push({ relative: dir, entry, way: true });
  };
  for (const item of items) {
    way(item.relative);
    out.push(item);
  }
  return out;
}

/**
 * COPY --parents: everything that the pattern matches below the pivot (`/./`, else the root; a pivot with wildcards is every
 * directory it matches), with the directories on the way.
 */
function withParents(tree: Tree, spec: SourceSpec): readonly Pick[] {
  const text = spec.pattern.replace(/^\/+/, "");
  const pivot = text.indexOf("/./");
  const base = pivot < 0 ? "/" : text.slice(0, pivot);
  const pattern = toPath(pivot < 0 ? text : text.slice(pivot + 3)).slice(1);
  const wanted = createMatcher([pattern === "" ? "**" : pattern]);
  const picks: Pick[] = [];
  for (const path of hasGlob(base) ? expand(tree, base) : [toPath(base)]) {
    const top = tree.lookup(path);
    if (top?.kind !== "dir") continue;
    const items = filtered(tree, top, (state) => state.excluded, wanted, []).filter(notIn(spec.excludes));
    if (items.length > 0) picks.push({ name: "", top, items: withWays(tree, top, [{ relative: "", entry: top }, ...items]) });
  }
  return picks;
}

/** Paths that a wildcard pattern matches, in canonical order. Links are followed only in the part before the first wildcard. */
function expand(tree: Tree, pattern: string): Path[] {
  const parts = pattern.split("/").filter((part) => part !== "" && part !== ".");
  for (const part of parts) checkGlob(part);
  const first = parts.findIndex(hasGlob);
  const before = toPath(parts.slice(0, first).join("/"));
  const start = tree.resolve(before);
  // A wildcard may match nothing, but the folder it stands in must be there.
  if (start === undefined || (start !== ROOT && tree.get(start)?.kind !== "dir")) {
    throw new Failure("NOT_FOUND", `lstat ${printable(before)}: no such file or directory`);
  }
  let found: Path[] = [start];
  for (const part of parts.slice(first)) {
    if (part === "..") found = found.map(parentOf);
    else {
      const matches = compileGlob(part);
      found = found.flatMap((dir) => [...tree.list(dir)].filter((entry) => matches(nameOf(entry.path))).map((entry) => entry.path));
    }
  }
  return found;
}

function notIn(excludes: readonly string[]): (item: PickedEntry) => boolean {
  if (excludes.length === 0) return () => true;
  const matcher = createMatcher(excludes);
  return (item) => !matcher.matches(item.relative);
}
