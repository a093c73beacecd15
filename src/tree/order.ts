import { encodeName } from "../kit/bytes.ts";

const SLASH = 47;

/**
 * Canonical order of two paths: a directory before what it holds, siblings by the bytes of their names. That is the order of a
 * sorted depth-first walk, and not the order of the strings: `/a/b` comes before `/a-b`, although `-` is a smaller byte than `/`.
 * The answer is negative, zero or positive.
 */
export function compareByPath(a: string, b: string): number {
  const end = a.length < b.length ? a.length : b.length;
  for (let at = 0; at < end; at++) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left === right) continue;
    if (left === SLASH) return -1;
    if (right === SLASH) return 1;
    // UTF-16 order is byte order unless a surrogate takes part.
    return left < 0xd800 && right < 0xd800 ? left - right : compareParts(a, b, at);
  }
  return a.length - b.length;
}

/** Sorts by path in place, which costs one look at each neighbour where the order is right already. Returns its argument. */
export function sortByPath<T extends { readonly path: string }>(entries: T[]): T[] {
  return isSortedByPath(entries) ? entries : entries.sort((a, b) => compareByPath(a.path, b.path));
}

/** Whether every path comes strictly after the one before it. */
export function isSortedByPath(entries: readonly { readonly path: string }[]): boolean {
  for (let at = 1; at < entries.length; at++) {
    if (compareByPath((entries[at - 1] as { path: string }).path, (entries[at] as { path: string }).path) >= 0) return false;
  }
  return true;
}

/** Compares the two parts that hold the first difference, at `at`, by their bytes. */
function compareParts(a: string, b: string, at: number): number {
  const from = a.lastIndexOf("/", at) + 1;
  const order = Buffer.compare(encodeName(partAt(a, from)), encodeName(partAt(b, from)));
  return order !== 0 ? order : a < b ? -1 : 1;
}

function partAt(path: string, from: number): string {
  const to = path.indexOf("/", from);
  return to < 0 ? path.slice(from) : path.slice(from, to);
}
