import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../kit/error.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { makeFolder } from "../kit/make-folder.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { ownHow } from "../rootfs/open.ts";
import { removeTree } from "../rootfs/remove.ts";
import { unpackLayer } from "../rootfs/unpack.ts";
import type { Task } from "../task/task.ts";
import type { Draft, Entry } from "../tree/entry.ts";
import { ROOT, toPath } from "../tree/path.ts";
import type { LayerFiles } from "../tree/read.ts";
import type { Tree } from "../tree/tree.ts";
import { type Places, volumePath, volumesFolder } from "./places.ts";
import type { ContainerMount, MountRequest } from "./record.ts";

/** Where nothing can be mounted: what the sandbox mounts itself. */
const OWN = ["/proc", "/sys", "/dev"];

/**
 * Settles what is mounted: the requests, then the image's volumes that no request covers. Directories that `-v` names and that are
 * missing are made, as docker does. Throws USAGE for two mounts on one target and for targets that nothing can be mounted on, NOT_FOUND
 * for a source that is not there.
 */
export function settleMounts(requests: readonly MountRequest[], imageVolumes: readonly string[]): readonly ContainerMount[] {
  const mounts = new Map<string, ContainerMount>();
  for (const request of requests) {
    const target = checkTarget(request.target, "invalid mount target");
    if (mounts.has(target)) throw new Failure("USAGE", `Duplicate mount point: ${printable(target)}`);
    mounts.set(target, settle({ ...request, target }));
  }
  for (const volume of imageVolumes) {
    const target = checkTarget(volume, "invalid volume of the image");
    if (!mounts.has(target)) mounts.set(target, { type: "volume", target, readonly: false, anonymous: true, name: anonymousName() });
  }
  return [...mounts.values()];
}

function anonymousName(): string {
  return randomBytes(32).toString("hex");
}

function checkTarget(text: string, what: string): string {
  const refuse = (why: string) => new Failure("PLAN", `${what}: ${printable(text)}: ${why}`, { hint: "Choose another directory." });
  if (!text.startsWith("/")) throw refuse("mount path must be absolute");
  const target = toPath(text);
  if (target === ROOT) throw refuse("destination can't be '/'");
  if (OWN.includes(target) || target.startsWith("/proc/") || target.startsWith("/sys/"))
    throw refuse("it lies in a file system of the kernel");
  return target;
}

function settle(request: MountRequest): ContainerMount {
  if (request.type === "tmpfs") return request;
  const { target, readonly } = request;
  if (request.type === "bind") return { type: "bind", target, readonly, source: request.source, kind: bindKind(request) };
  const { name } = request;
  return { type: "volume", target, readonly, name: name ?? anonymousName(), anonymous: name === undefined };
}

function bindKind({ source, create }: Extract<MountRequest, { type: "bind" }>): "directory" | "file" {
  const facts = () => statSync(source, { throwIfNoEntry: false });
  try {
    if (create && facts() === undefined) makeFolder(source);
    const found = facts();
    if (found) return found.isDirectory() ? "directory" : "file";
  } catch (error) {
    throw storageFailure(error, "could not mount", source);
  }
  throw new Failure("NOT_FOUND", `invalid mount config for type "bind": bind source path does not exist: ${printable(source)}`);
}

/**
 * Makes the directories of a container's volumes. One that is new gets what the image has at its target, with its owners and modes; a
 * named one that is there already stays as it is. Throws STORAGE, NO_SPACE, DIGEST.
 */
export async function makeVolumes(
  store: string,
  places: Places,
  mounts: readonly ContainerMount[],
  image: { readonly tree: Tree; readonly files: LayerFiles; readonly copies: (target: string) => boolean },
  task: Task,
): Promise<void> {
  for (const mount of mounts) {
    if (mount.type !== "volume") continue;
    const path = volumePath(store, places, mount);
    if (!isFree(path)) continue;
    const half = join(mount.anonymous ? places.volumes : volumesFolder(store), `half-${uniqueToken()}`);
    try {
      mkdirSync(half, { recursive: true, mode: 0o700 });
      const draft = image.copies(mount.target) ? contentOf(image.tree, mount.target) : undefined;
      const made = join(half, "_data");
      if (draft) await unpackLayer(draft, image.files, made, ownHow(), task);
      else mkdirSync(made, { mode: 0o755 });
      mkdirSync(join(path, ".."), { recursive: true, mode: 0o711 });
      renameSync(made, path);
    } catch (error) {
      // Somebody else made it meanwhile.
      if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw storageFailure(error, "could not make the volume", path);
    } finally {
      removeTree(half);
    }
  }
}

/** A volume that is missing or empty: docker fills both. */
function isFree(path: string): boolean {
  try {
    return readdirSync(path).length === 0;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return true;
    throw storageFailure(error, "could not read", path);
  }
}

/** What the image has in a directory, as if that were the root; undefined where it has none. */
function contentOf(tree: Tree, target: string): Draft | undefined {
  const from = tree.resolve(toPath(target));
  const top = from === undefined ? undefined : tree.get(from);
  if (from === undefined || top?.kind !== "dir") return undefined;
  const prefix = from === ROOT ? "" : from;
  const draft: Entry[] = [];
  for (const entry of tree.walk(from)) {
    const path = toPath(entry.path.slice(prefix.length));
    if (entry.kind === "dir") draft.push({ ...entry, path, opaque: false });
    else if (entry.kind !== "whiteout" && entry.kind !== "hardlink") draft.push({ ...entry, path });
  }
  return draft;
}
