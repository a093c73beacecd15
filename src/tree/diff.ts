import type { Entry } from "./entry.ts";
import { compareByPath } from "./order.ts";
import type { Path } from "./path.ts";
import type { Tree } from "./tree.ts";

/** Facts of an entry that can differ. `content` is that of a file: its digest where known, else where it lies. */
export type Fact = "kind" | "mode" | "owner" | "mtime" | "size" | "content" | "target" | "device" | "xattrs";

/** One path that differs between two trees. */
export type Difference =
  | { readonly path: Path; readonly change: "added"; readonly after: Entry }
  | { readonly path: Path; readonly change: "removed"; readonly before: Entry }
  | { readonly path: Path; readonly change: "changed"; readonly before: Entry; readonly after: Entry; readonly facts: readonly Fact[] };

/**
 * What is different from one tree to another, in canonical order. Below a directory that was added or removed, every entry is
 * named too. With `ignore`, differences in these facts do not count (`mtime`, mostly).
 */
export function* diffTrees(before: Tree, after: Tree, ignore: readonly Fact[] = []): Generator<Difference> {
  const left = before.walk()[Symbol.iterator]();
  const right = after.walk()[Symbol.iterator]();
  let a = left.next();
  let b = right.next();
  while (!a.done || !b.done) {
    const order = a.done ? 1 : b.done ? -1 : compareByPath(a.value.path, b.value.path);
    if (order < 0) {
      const entry = a.value as Entry;
      yield { path: entry.path, change: "removed", before: entry };
      a = left.next();
    } else if (order > 0) {
      const entry = b.value as Entry;
      yield { path: entry.path, change: "added", after: entry };
      b = right.next();
    } else {
      const [old, now] = [a.value as Entry, b.value as Entry];
      const facts = old === now ? [] : compareEntries(old, now).filter((fact) => !ignore.includes(fact));
      if (facts.length > 0) yield { path: now.path, change: "changed", before: old, after: now, facts };
      a = left.next();
      b = right.next();
    }
  }
}

/** The facts in which two entries of one path differ; none where they are equal. */
export function compareEntries(a: Entry, b: Entry): Fact[] {
  const facts: Fact[] = [];
  if (a.kind !== b.kind) facts.push("kind");
  if (a.mode !== b.mode) facts.push("mode");
  if (a.uid !== b.uid || a.gid !== b.gid) facts.push("owner");
  if (a.mtime !== b.mtime) facts.push("mtime");
  if (a.kind === "file" && b.kind === "file") {
    if (a.size !== b.size) facts.push("size");
    if (!sameContent(a, b)) facts.push("content");
  }
  const target = (entry: Entry) => (entry.kind === "symlink" || entry.kind === "hardlink" ? entry.target : undefined);
  const device = (entry: Entry) => (entry.kind === "char" || entry.kind === "block" ? `${entry.major}:${entry.minor}` : undefined);
  if (a.kind === b.kind && target(a) !== target(b)) facts.push("target");
  if (a.kind === b.kind && device(a) !== device(b)) facts.push("device");
  if (!sameXattrs(a.xattrs, b.xattrs)) facts.push("xattrs");
  return facts;
}

function sameContent(a: Extract<Entry, { kind: "file" }>, b: Extract<Entry, { kind: "file" }>): boolean {
  if (a.digest !== undefined && b.digest !== undefined) return a.digest === b.digest;
  const [one, two] = [a.content, b.content];
  if (one.in === "layer" && two.in === "layer") return one.diffId === two.diffId && one.offset === two.offset;
  if (one.in === "host" && two.in === "host") return one.path === two.path && one.stamp.mtimeMs === two.stamp.mtimeMs;
  return one.in === "memory" && two.in === "memory" && Buffer.compare(one.bytes, two.bytes) === 0;
}

function sameXattrs(a: Entry["xattrs"], b: Entry["xattrs"]): boolean {
  if ((a?.size ?? 0) !== (b?.size ?? 0)) return false;
  for (const [name, value] of a ?? []) {
    const other = b?.get(name);
    if (!other || Buffer.compare(value, other) !== 0) return false;
  }
  return true;
}
