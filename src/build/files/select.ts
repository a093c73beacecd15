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

/** What one match of a source gives: itself and, for a directory, all that lies below it, in canonical order. */
export interface Pick {
  /** Name that it gets inside a directory. */
  readonly name: string;
  readonly top: Entry;
  readonly below: readonly Entry[];
  /** Directories that are there only because they lead to something wanted: they are made anew and get the time of the build. */
  readonly ways?: ReadonlySet<Entry>;
}

/** Where the paths of a pick's entries begin to be relative to its top. */
export function relativeFrom(pick: Pick): number {
  return pick.top.path === ROOT ? 1 : pick.top.path.length + 1;
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
    picks.push({ name: nameOf(match), top, ...belowOf(tree, top, excluded) });
  }
  return picks;
}

type Below = Omit<Pick, "name" | "top">;

function belowOf(tree: Tree, top: Entry, excluded: PathMatcher | undefined): Below {
  if (top.kind !== "dir") return { below: [] };
  if (!excluded) return { below: allBelow(tree, top) };
  return withWays(
    tree,
    top,
    filtered(tree, top, (state) => !state.excluded, excluded),
  );
}

function allBelow(tree: Tree, top: Entry): Entry[] {
  const below: Entry[] = [];
  for (const entry of tree.walk(top.path)) if (entry.path !== top.path) below.push(entry);
  return below;
}

/** What a matcher lets through below `top`; the matcher is carried down the walk as docker does. */
function filtered(tree: Tree, top: Entry, wanted: (state: MatchState) => boolean, matcher: PathMatcher): Entry[] {
  const from = top.path === ROOT ? 1 : top.path.length + 1;
  const states = new Map<string, MatchState>();
  return allBelow(tree, top).filter((entry) => {
    const relative = entry.path.slice(from);
    const slash = relative.lastIndexOf("/");
    const state = matcher.step(relative, slash < 0 ? undefined : states.get(relative.slice(0, slash)));
    if (entry.kind === "dir") states.set(relative, state);
    return wanted(state);
  });
}

/** Puts back the directories that lead to something that was let in below an excluded one. */
function withWays(tree: Tree, top: Entry, entries: readonly Entry[]): Below {
  const there = new Set<string>([top.path, ...entries.map((entry) => entry.path)]);
  const ways = new Set<Entry>();
  const below: Entry[] = [];
  const way = (dir: Path): void => {
    if (there.has(dir)) return;
    way(parentOf(dir));
    there.add(dir);
    const entry = tree.get(dir);
    if (!entry) return;
    ways.add(entry);
    below.push(entry);
  };
  for (const entry of entries) {
    way(parentOf(entry.path));
    below.push(entry);
  }
  return { below, ways };
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
    const kept = filtered(tree, top, (state) => state.excluded, wanted).filter(notIn(spec.excludes, top));
    if (kept.length > 0) picks.push({ name: "", top, ...withWays(tree, top, kept) });
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

function notIn(excludes: readonly string[], top: Entry): (entry: Entry) => boolean {
  if (excludes.length === 0) return () => true;
  const matcher = createMatcher(excludes);
  const from = top.path === ROOT ? 1 : top.path.length + 1;
  return (entry) => !matcher.matches(entry.path.slice(from));
}
