import { mkdirSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { quietly } from "../kit/atomic.ts";
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
import { markUnsynced, mayBeCut, syncLater, unmark } from "./durable.ts";
import { holdLowers, lowersFolder, whileNoneRemoved } from "./hold.ts";
import { removeTree } from "./remove.ts";
import { fitsOn, isSelfContained, settle } from "./settle.ts";
import { type UnpackHow, unpackLayer } from "./unpack.ts";

/** A layer by its identity and its index. */
export interface SourceLayer {
  readonly diffId: Digest;
  readonly draft: Draft;
}

/** Beside each directory lies a file with the diffID of its layer, by which one knows when it is of no use any more, and its size. */
export const OF = ".of";

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
 * else the chain ID of the layers up to it (OCI image-spec, config.md, "Layer ChainID"). A directory gets its name when it is complete, and
 * stays while this process lives (hold.ts); processes that unpack the same layer at once do so beside each other, and the first wins.
 * `known`
 * remembers, by chain ID, what this process prepared before. Throws what unpackLayer throws.
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
  const { base, plans } = planLowers(layers, known);
  if (plans.length === 0) return base;
  const found = await whileNoneRemoved(store, () => {
    holdLowers(
      store,
      plans.flatMap(({ names }) => names),
    );
    return plans.map(({ names }) => names.map((name) => join(folder, name)).find(isWhole));
  });
  if (found.includes(undefined)) for (const half of abandonedHalves(folder)) removeTree(half);
  let { directories } = base;
  const made: string[] = [];
  for (const [at, { layer, below, tree, chain, alone, names }] of plans.entries()) {
    const { diffId, draft } = layer;
    const directory = found[at] ?? join(folder, names[0]);
    if (lookAt(directory) === undefined) {
      task.emit({ type: "status", id: diffId, text: `unpacking layer ${diffId}` });
      await unpackInto(directory, { diffId, draft: alone ? draft : settle(below, tree) }, files, how, task);
      made.push(directory);
    }
    // An overlay does not look at the mark of a layer's root. A settled layer hides one by one what is in the root below.
    const [root] = draft;
    if (alone && root?.path === ROOT && root.kind === "dir" && root.opaque) directories = [];
    // The same layer twice: the upper one says all that the lower one does, and an overlay takes each directory once.
    directories = [...directories.filter((one) => one !== directory), directory];
    known.set(chain, { directories, tree });
  }
  syncLater(folder, made);
  return known.get((plans.at(-1) as Plan).chain) as Lowers;
}

/** A layer that has to be found or unpacked. */
interface Plan {
  readonly layer: SourceLayer;
  readonly below: Tree;
  readonly tree: Tree;
  readonly chain: Digest;
  /** Whether it means the same as it does alone. */
  readonly alone: boolean;
  /** What it may be called, best first. */
  readonly names: readonly [string, ...string[]];
}

function planLowers(layers: readonly SourceLayer[], known: ReadonlyMap<Digest, Lowers>): { base: Lowers; plans: readonly Plan[] } {
  let base: Lowers = { directories: [], tree: mergeTree([]) };
  let plans: Plan[] = [];
  let { tree } = base;
  let chain: Digest | undefined;
  for (const layer of layers) {
    chain = chainOf(chain, layer.diffId);
    const before = known.get(chain);
    if (before) {
      base = before;
      ({ tree } = base);
      plans = [];
      continue;
    }
    const below = tree;
    tree = stack(below, layer.draft);
    const alone = isSelfContained(layer.draft) && fitsOn(layer.draft, below);
    const names = [hexOf(layer.diffId), hexOf(chain)] as const;
    plans.push({ layer, below, tree, chain, alone, names: alone ? names : [names[1]] });
  }
  return { base, plans };
}

/** The chain ID of a layer on top of others. */
export function chainOf(below: Digest | undefined, diffId: Digest): Digest {
  return below === undefined ? diffId : digestOf(`${below} ${diffId}`);
}

/** Whether an unpacked layer is there. One that may have been cut by a crash is put aside for removal. */
function isWhole(directory: string): boolean {
  if (lookAt(directory) === undefined) return false;
  if (!mayBeCut(directory)) return true;
  putAside(directory);
  return false;
}

/** Takes a directory's name away; gives the name that it is removed under, whenever that is. */
export function putAside(directory: string): string {
  const half = join(directory, "..", `half-${uniqueToken()}`);
  try {
    renameSync(directory, half);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw storageFailure(error, "could not remove", directory);
  }
  quietly(() => unlinkSync(directory + OF));
  unmark(directory);
  return half;
}

/** Gives a finished directory its name. False where somebody else was faster. */
export function giveName(half: string, directory: string, { diffId, draft }: SourceLayer): boolean {
  const bytes = draft.reduce((sum, entry) => sum + (entry.kind === "file" ? entry.size : 0), 0);
  try {
    markUnsynced(directory);
    writeFileSync(`${directory}${OF}`, `${hexOf(diffId)} ${bytes}`, { mode: 0o600 });
    renameSync(half, directory);
    return true;
  } catch (error) {
    // A directory that is not empty is never replaced.
    if ((errnoOf(error) === "ENOTEMPTY" || errnoOf(error) === "EEXIST") && lookAt(directory) !== undefined) return false;
    throw storageFailure(error, "could not make", directory);
  }
}

/** What processes that are gone left half-made or half-removed in a folder. */
export function abandonedHalves(folder: string): string[] {
  const halves = namesIn(folder).filter((name) => name.startsWith("half-"));
  return halves.flatMap((name) => {
    const maker = makerOf(name.slice(5));
    return maker === undefined || livenessOf(maker) === "dead" ? [join(folder, name)] : [];
  });
}

async function unpackInto(directory: string, layer: SourceLayer, files: LayerFiles, how: UnpackHow, task: Task): Promise<void> {
  const half = join(directory, "..", `half-${uniqueToken()}`);
  try {
    await unpackLayer(layer.draft, files, half, how, task);
    if (!giveName(half, directory, layer)) removeTree(half);
  } catch (error) {
    removeTree(half);
    throw storageFailure(error, "could not unpack a layer into", directory);
  }
}

/** Unpacked layers of one store, by form: a root's directories are of no use to others, and the other way round. */
export function formFolder(store: string, how: UnpackHow): string {
  const form = how.calls.overlay === "trusted" && how.ids === "keep" ? "root" : how.ids === "keep" ? "ranges" : "noted";
  return join(lowersFolder(store), form);
}
