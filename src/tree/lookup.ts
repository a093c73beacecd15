import type { Entry } from "./entry.ts";
import { type Path, ROOT } from "./path.ts";

/** Symbolic links followed for one path before it counts as a loop, as in Go's securejoin and containerd's RootPath. */
export const MAX_LINKS = 255;

/** What can be walked: merged trees (node.ts) and host folders read as they are asked for (host.ts). */
export interface Walkable<N> {
  readonly entry: Entry;
  readonly kids: { get(name: string): N | undefined } | undefined;
}

/** The node at a path taken literally: no link is followed. */
export function nodeAt<N extends Walkable<N>>(root: N, path: Path): N | undefined {
  let node: N | undefined = root;
  for (let at = 1; node !== undefined && at < path.length; ) {
    const slash = path.indexOf("/", at);
    const end = slash < 0 ? path.length : slash;
    node = node.kids?.get(path.slice(at, end));
    at = end + 1;
  }
  return node;
}

/** Where a path leads. `node` is missing where nothing is there. */
export interface Found<N> {
  readonly path: Path;
  readonly node: N | undefined;
}

/**
 * Follows every symbolic link on the way as if `root` were the root of a chroot: absolute targets start there, and `..` does not
 * lead out of it. With `keepLast` a link at the very end stays as it is. Parts that do not exist are kept, `..` after them taken
 * as text. Undefined where more than MAX_LINKS links were met.
 */
export function follow<N extends Walkable<N>>(root: N, path: Path, keepLast = false): Found<N> | undefined {
  const rest = path.split("/").reverse();
  let nodes: (N | undefined)[] = [];
  let names: string[] = [];
  let links = 0;
  while (rest.length > 0) {
    const part = rest.pop() as string;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      names.pop();
      nodes.pop();
      continue;
    }
    const here: N | undefined = names.length === 0 ? root : nodes[nodes.length - 1];
    const node: N | undefined = here?.kids?.get(part);
    if (node?.entry.kind === "symlink" && !(keepLast && rest.length === 0)) {
      if (++links > MAX_LINKS) return undefined;
      const target = node.entry.target;
      if (target.startsWith("/")) {
        nodes = [];
        names = [];
      }
      for (const next of target.split("/").reverse()) rest.push(next);
      continue;
    }
    names.push(part);
    nodes.push(node);
  }
  return names.length === 0 ? { path: ROOT, node: root } : { path: `/${names.join("/")}` as Path, node: nodes[nodes.length - 1] };
}
