import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { RunMount } from "../../dockerfile/command.ts";
import type { Layer } from "../../image/layer.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { ownHow, ownLowers } from "../../rootfs/open.ts";
import { unpackLayer } from "../../rootfs/unpack.ts";
import type { SandboxMount } from "../../sandbox/spec.ts";
import { sourceLayers } from "../../shelf/source-layers.ts";
import type { Draft, Entry } from "../../tree/entry.ts";
import { nameOf, type Path, ROOT, toPath } from "../../tree/path.ts";
import type { Tree } from "../../tree/tree.ts";
import type { OpenInput } from "../input.ts";
import type { Workshop } from "../workshop.ts";

/** A bind or cache mount's source, found. */
export interface MountSource {
  readonly input: OpenInput;
  /** Absolute path in it. */
  readonly path: Path;
}

/** Absolute target of a mount: relative ones count from the working directory. */
export function targetOf(mount: RunMount, cwd: string): Path {
  return toPath(mount.target ?? "", toPath(cwd));
}

/**
 * `--mount=type=bind`: layers of a stage or image, looked into where they are, or files of a context, copied for the step. What the step
 * writes there is gone afterwards, as with BuildKit. `folder` is a fresh directory for it. Throws NOT_FOUND, SANDBOX and what reading
 * throws.
 */
export async function bindMount(
  mount: RunMount,
  target: string,
  { input, path }: MountSource,
  folder: string,
  shop: Workshop,
): Promise<SandboxMount> {
  const tree = await input.tree();
  const found = path === ROOT ? undefined : tree.lookup(path);
  if (path !== ROOT && found === undefined) throw new Failure("NOT_FOUND", `"${printable(path)}": not found, so it cannot be mounted`);
  if (found && found.kind !== "dir" && found.kind !== "file")
    throw new Failure("PLAN", `"${printable(path)}" is neither a file nor a directory, so it cannot be mounted`);
  const kind = found?.kind === "file" ? "file" : "directory";
  const facts = { target, kind, ...(mount.readonly === false ? {} : { readonly: true }) } as const;
  if (input.layers) {
    const lowers = await layersBelow(input.layers, folder, shop);
    const changes = mount.readonly === false ? { upper: made(join(folder, "upper")), work: made(join(folder, "work")) } : {};
    return { type: "layers", ...facts, lowers, path: found?.path ?? "/", ...changes };
  }
  const copy = await copyOut(tree, found?.path ?? ROOT, folder, shop);
  return { type: "bind", ...facts, source: copy };
}

async function layersBelow(layers: readonly Layer[], folder: string, shop: Workshop): Promise<readonly string[]> {
  using walk = shop.shelf.walk();
  const { directories } = await ownLowers(
    shop.store.dir,
    await sourceLayers(layers, shop.shelf),
    walk.files,
    shop.task,
    (await shop.run()).lowers,
  );
  // An overlay of nothing needs something.
  return directories.length > 0 ? directories : [made(join(folder, "empty"))];
}

function made(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o755 });
  return path;
}

/** Writes files of a tree into a directory of their own, as root's. Gives the path of the file or directory on the host. */
export async function copyOut(tree: Tree, path: Path, folder: string, shop: Workshop): Promise<string> {
  const entries: Entry[] = [];
  const top = tree.get(path);
  const rebased = (entry: Entry, at: string): Entry => ({ ...entry, path: at as Path, uid: 0, gid: 0 });
  if (top?.kind === "file") entries.push(rebased(top, `/${nameOf(path)}`));
  else {
    entries.push({ kind: "dir", path: ROOT, mode: top?.mode ?? 0o755, uid: 0, gid: 0, mtime: top?.mtime ?? 0 });
    for (const entry of tree.walk(path))
      if (entry.path !== path) entries.push(rebased(entry, path === ROOT ? entry.path : entry.path.slice(path.length)));
  }
  using walk = shop.shelf.walk();
  const into = join(folder, "copy");
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  await unpackLayer(entries as Draft, walk.files, into, ownHow(), shop.task);
  return top?.kind === "file" ? join(into, nameOf(path)) : into;
}

/** The name under which a secret or an agent is asked for. */
export function idOf(mount: RunMount): string {
  if (mount.type === "ssh") return mount.id ?? "default";
  return mount.id ?? mount.source ?? (mount.target === undefined ? (mount.env ?? "") : nameOf(toPath(mount.target)));
}
