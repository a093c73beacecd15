import { lstatSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { livenessOf, makerOf, uniqueToken } from "../kit/liveness.ts";
import { lookAt, namesIn } from "../kit/look.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestOf, hexOf } from "../oci/digest.ts";
import type { Task } from "../task/task.ts";
import type { Draft } from "../tree/entry.ts";
import { mergeTree, stack } from "../tree/merge.ts";
import { ROOT } from "../tree/path.ts";
import type { LayerFiles } from "../tree/read.ts";
import type { Tree } from "../tree/tree.ts";
import { removeTree } from "./remove.ts";
import { fitsOn, isSelfContained, settle } from "./settle.ts";
import { type UnpackHow, unpackLayer } from "./unpack.ts";

/** A layer by its identity and its index. */
export interface SourceLayer {
  readonly diffId: Digest;
  readonly draft: Draft;
}

/** Layers as an overlay takes them. */
export interface Lowers {
  /** Directories, lowest first, without those that an opaque root above them hides. Empty for an image without layers. */
  readonly directories: readonly string[];
  /** What they show together. */
  readonly tree: Tree;
}

/**
 * Makes sure that every layer of a stack is unpacked, and tells where. `store` is the store's directory: layers lie in `rootfs/FORM/HEX`
 * below it, where FORM says whose ids and attributes they have, and HEX is the diffID of a layer that means the same anywhere (settle.ts),
 * else the chain ID of the layers up to it (OCI image-spec, config.md, "Layer ChainID"). A directory gets its name when it is complete;
 * processes that unpack the same layer at once do so beside each other, and the first wins. `known` remembers, by
 * chain ID, what this process prepared before. Throws what unpackLayer throws.
 */
export async function prepareLowers(
  store: string,
  layers: readonly SourceLayer[],
  files: LayerFiles,
  how: UnpackHow,
  task: Task,
  known: Map<Digest, Lowers> = new Map(),
): Promise<Lowers> {
  const folder = formFolder(store, how);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storageFailure(error, "could not create", folder);
  }
  let directories: readonly string[] = [];
  let tree = mergeTree([]);
  let chain: Digest | undefined;
  for (const { diffId, draft } of layers) {
    chain = chain === undefined ? diffId : digestOf(`${chain} ${diffId}`);
    const before = known.get(chain);
    if (before) {
      ({ directories, tree } = before);
      continue;
    }
    const below = tree;
    tree = stack(below, draft);
    const alone = isSelfContained(draft) && fitsOn(draft, below);
    const directory = join(folder, hexOf(alone ? diffId : chain));
    if (lookAt(directory) === undefined) {
      task.emit({ type: "status", id: diffId, text: `unpacking layer ${diffId}` });
      await unpackInto(directory, alone ? draft : settle(below, tree), files, how, task);
    }
    // An overlay does not look at the mark of a layer's root. A settled layer hides one by one what is in the root below.
    const [root] = draft;
    if (alone && root?.path === ROOT && root.kind === "dir" && root.opaque) directories = [];
    // The same layer twice: the upper one says all that the lower one does, and an overlay takes each directory once.
    directories = [...directories.filter((one) => one !== directory), directory];
    known.set(chain, { directories, tree });
  }
  return { directories, tree };
}

async function unpackInto(directory: string, draft: Draft, files: LayerFiles, how: UnpackHow, task: Task): Promise<void> {
  const half = join(directory, "..", `half-${uniqueToken()}`);
  try {
    await unpackLayer(draft, files, half, how, task);
    renameSync(half, directory);
  } catch (error) {
    removeTree(half);
    // Somebody else was faster; a directory that is not empty is never replaced.
    if ((errnoOf(error) === "ENOTEMPTY" || errnoOf(error) === "EEXIST") && lookAt(directory) !== undefined) return;
    throw storageFailure(error, "could not unpack a layer into", directory);
  }
}

/** Unpacked layers of one store, by form: a root's directories are of no use to others, and the other way round. */
function formFolder(store: string, how: UnpackHow): string {
  return join(store, "rootfs", how.calls.overlay === "trusted" && how.ids === "keep" ? "root" : how.ids === "keep" ? "ranges" : "noted");
}

/**
 * Removes what processes that are gone left half-made, and unpacked layers that `keep` says nothing for (all of them stay without it).
 * `name` is 64 hex digits: of a diffID or of a chain ID. The caller sees to it that no overlay uses them. Gives how many were removed.
 */
export function sweepLowers(store: string, keep: (name: string) => boolean = () => true): number {
  let removed = 0;
  for (const form of namesIn(join(store, "rootfs"))) {
    const folder = join(store, "rootfs", form);
    if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
    for (const name of namesIn(folder)) {
      const maker = name.startsWith("half-") ? makerOf(name.slice(5)) : undefined;
      const stays = name.startsWith("half-") ? maker !== undefined && livenessOf(maker) !== "dead" : keep(name);
      if (stays) continue;
      // Renamed first: what is being removed must not look complete to anybody, however long it takes and wherever it ends.
      const half = name.startsWith("half-") ? join(folder, name) : join(folder, `half-${uniqueToken()}`);
      try {
        if (!name.startsWith("half-")) renameSync(join(folder, name), half);
      } catch (error) {
        if (errnoOf(error) === "ENOENT") continue;
        throw storageFailure(error, "could not remove", join(folder, name));
      }
      removeTree(half);
      removed++;
    }
  }
  return removed;
}
