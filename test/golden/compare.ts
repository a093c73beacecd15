/** What two pictures of one image disagree in, and which disagreements are meant. */
import { isDeepStrictEqual } from "node:util";
import type { History, Picture, Row } from "./image.ts";

/** One disagreement: where, what docker has, what nought has (undefined: nothing). */
export interface Difference {
  readonly field: string;
  readonly docker: unknown;
  readonly nought: unknown;
}

/** Fields of a row that must agree. A time that docker does not give was made by the build: nothing to compare. */
function rows(path: string, docker: Row | undefined, nought: Row | undefined): Difference[] {
  if (!docker || !nought) return [{ field: `tree ${path}`, docker, nought }];
  const keys = ["type", "mode", "uid", "gid", "size", "sha256", "target", "device", "xattrs", "same"] as const;
  const out: Difference[] = keys
    // The machine's own program, of whatever version.
    .filter((key) => !(path.endsWith("bin/busybox") && (key === "size" || key === "sha256")))
    .filter((key) => !isDeepStrictEqual(docker[key], nought[key]))
    .map((key) => ({ field: `tree ${path} ${key}`, docker: docker[key], nought: nought[key] }));
  if (docker.mtime !== undefined && docker.mtime !== nought.mtime)
    out.push({ field: `tree ${path} mtime`, docker: docker.mtime, nought: nought.mtime });
  return out;
}

/**
 * Layers are compared loosely: as many of them, with the same files, but a file that the same side had in an earlier layer may be
 * there or not (of docker's stores one writes unchanged files again, the other does not). Each must hold the parents of what it holds.
 */
function layers(docker: Picture["layers"], nought: Picture["layers"]): Difference[] {
  const out: Difference[] = [];
  if (docker.length !== nought.length) out.push({ field: "number of layers", docker: docker.length, nought: nought.length });
  const earlier = new Set<string>();
  const before = new Set<string>();
  for (const [k, mine] of nought.entries()) {
    const have = new Set(mine);
    const theirs = new Set(docker[k] ?? []);
    // An opaque marker says nothing where the trees agree; some builders write it for a directory in place of a file.
    const isFile = (path: string) => !path.endsWith("/") && !path.endsWith("/.wh..wh..opq");
    for (const path of mine) {
      if (isFile(path) && !theirs.has(path) && !before.has(path))
        out.push({ field: `layer ${k} ${path}`, docker: undefined, nought: path });
      for (let at = path.lastIndexOf("/", path.length - 2); at > 0; at = path.lastIndexOf("/", at - 1))
        if (!have.has(path.slice(0, at + 1)))
          out.push({ field: `layer ${k} ${path} parent`, docker: path.slice(0, at + 1), nought: undefined });
    }
    // An opaque marker says nothing where the tree agrees; docker's classic store writes it for a directory in place of a file.
    for (const path of theirs)
      if (isFile(path) && !have.has(path) && !earlier.has(path)) out.push({ field: `layer ${k} ${path}`, docker: path, nought: undefined });
    for (const path of mine) earlier.add(path);
    for (const path of theirs) before.add(path);
  }
  return out;
}

function config(docker: Picture, nought: Picture): Difference[] {
  const out: Difference[] = [];
  const inner = (picture: Picture) => (picture.config.config ?? {}) as Record<string, unknown>;
  for (const [prefix, a, b] of [
    ["", docker.config, nought.config],
    ["config.", inner(docker), inner(nought)],
  ] as const) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      if (key === "rootfs" || (prefix === "" && key === "config")) continue;
      if (!isDeepStrictEqual(a[key], b[key])) out.push({ field: `${prefix}${key}`, docker: a[key], nought: b[key] });
    }
    // Without layers docker tells its config through `inspect` only, in an order of its own.
    const order = [a, b].map((one) => Object.keys(one).join(" "));
    if (docker.layers.length > 0 && out.length === 0 && order[0] !== order[1])
      out.push({ field: `order of ${prefix || "fields"}`, docker: order[0], nought: order[1] });
  }
  return out;
}

function history(docker: readonly History[], nought: readonly History[]): Difference[] {
  const out: Difference[] = [];
  for (let k = 0; k < Math.max(docker.length, nought.length); k++)
    if (!isDeepStrictEqual(docker[k], nought[k])) out.push({ field: `history ${k}`, docker: docker[k], nought: nought[k] });
  return out;
}

/** Everything that differs, in the order tree, layers, config, history. */
export function compare(docker: Picture, nought: Picture): Difference[] {
  const paths = [...new Set([...Object.keys(docker.tree), ...Object.keys(nought.tree)])];
  return [
    ...paths.flatMap((path) => rows(path, docker.tree[path], nought.tree[path])),
    ...layers(docker.layers, nought.layers),
    ...config(docker, nought),
    ...history(docker.history, nought.history),
  ];
}

/** One line for each difference. */
export function describeDifferences(all: readonly Difference[]): string {
  return all.map(({ field, docker, nought }) => `${field}: docker ${JSON.stringify(docker)}, nought ${JSON.stringify(nought)}`).join("\n");
}
