import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { Image } from "../image/layer.ts";
import { Failure } from "../kit/error.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import type { ContainerConfig } from "../oci/config.ts";
import { digestOf, hexOf } from "../oci/digest.ts";
import { formatPlatform } from "../oci/platform.ts";
import { openRoot, ownLowers } from "../rootfs/open.ts";
import { removeTree } from "../rootfs/remove.ts";
import { mountPoints } from "../sandbox/spec.ts";
import { openShelf } from "../shelf/shelf.ts";
import { sourceLayers } from "../shelf/source-layers.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import { keepAccounts } from "./accounts.ts";
import { writeDocument } from "./documents.ts";
import { belowStore, type Container } from "./face.ts";
import { checkName, claimAnyName, claimName, releaseName } from "./names.ts";
import { containersFolder, placesIn, placesOf } from "./places.ts";
import { readState } from "./process.ts";
import type { ContainerRecord, MountRequest, RunOptions } from "./record.ts";
import { commandOf, sandboxMounts } from "./spec.ts";
import { makeVolumes, settleMounts } from "./volumes.ts";
import { makeWorkdir } from "./workdir.ts";

/** What a container is made from. */
export interface MakeRequest {
  readonly image: Image;
  /** As it was asked for. */
  readonly imageName: string;
  /** Without it one is made up. */
  readonly name?: string;
  /** The image's configuration with the command line's changes. */
  readonly config: ContainerConfig;
  readonly mounts: readonly MountRequest[];
  /** Options; the host name is the beginning of the id where it is empty. */
  readonly options: RunOptions;
}

/**
 * Makes a container and does not start it: its layers are unpacked, its volumes filled, its name taken. It appears with its last step,
 * a rename; what a kill leaves before that is swept at the next start. To be called where this process may mount (enterUserNamespace).
 * Throws USAGE, CONFLICT (name), NOT_FOUND (sources of mounts), PLAN (targets), SANDBOX, STORAGE, NO_SPACE, DIGEST, INTERRUPTED.
 */
export async function makeContainer(store: ContentStore, request: MakeRequest, task: Task): Promise<Container> {
  const { image } = request;
  if (request.name !== undefined) checkName(request.name);
  if (commandOf(request).length === 0)
    throw new Failure("USAGE", "no command specified", { hint: "The image has none of its own: give one after its name." });
  const id = randomBytes(32).toString("hex");
  const options = { ...request.options, hostname: request.options.hostname || id.slice(0, 12) };
  const mounts = settleMounts(request.mounts, Object.keys(image.config.config.Volumes ?? {}));
  const half = placesIn(join(containersFolder(store.dir), `half-${uniqueToken()}`));
  let name: string | undefined;
  try {
    // A prune beside leaves it alone until its layers are unpacked.
    await store.hold(image.descriptor);
    mkdirSync(half.dir, { recursive: true, mode: 0o700 });
    name = request.name ?? (await claimAnyName(store.dir, id));
    if (request.name !== undefined) await claimName(store.dir, request.name, id);
    // Said before anything is unpacked, so that nobody takes it away in between.
    writeDocument(half.claim, lowerNames(image));
    const shelf = openShelf(store, task);
    using walk = shelf.walk();
    const lowers = await ownLowers(store.dir, await sourceLayers(image.layers, shelf), walk.files, task);
    const points = mountPoints({ mounts: sandboxMounts(store.dir, half, { id, mounts, options }), terminal: options.terminal });
    const { upper } = openRoot(lowers, half.root, points);
    makeWorkdir(upper, lowers.tree, request.config.WorkingDir ?? "/");
    const copies = (target: string) => !request.mounts.some((one) => one.target === target && one.type === "volume" && !one.copy);
    await makeVolumes(store.dir, half, mounts, { tree: lowers.tree, files: walk.files, copies }, task);
    await keepAccounts(half, lowers.tree, shelf);
    const { config: imageConfig, configDescriptor, descriptor } = image;
    const platform = formatPlatform({
      os: imageConfig.os,
      architecture: imageConfig.architecture,
      ...(imageConfig.variant === undefined ? {} : { variant: imageConfig.variant }),
    });
    const record: ContainerRecord = {
      version: 1,
      id,
      name,
      created: new Date().toISOString(),
      image: { name: request.imageName, id: configDescriptor.digest, manifest: descriptor, platform },
      config: request.config,
      options,
      mounts,
      lowers: belowStore(store.dir, lowers.directories),
    };
    writeDocument(half.config, record);
    const places = placesOf(store.dir, id);
    renameSync(half.dir, places.dir);
    return { record, places, state: readState(places) };
  } catch (error) {
    removeTree(half.dir);
    // Somebody else's name stays his.
    if (name !== undefined) await releaseName(store.dir, name, id);
    throw errnoOf(error) === undefined ? error : storageFailure(error, "could not make a container in", half.dir);
  }
}

/** Every name that unpacked layers of the image may have: their diffIDs and chain IDs. */
function lowerNames(image: Image): readonly string[] {
  const names: string[] = [];
  let chain: ReturnType<typeof digestOf> | undefined;
  for (const { diffId } of image.layers) {
    chain = chain === undefined ? diffId : digestOf(`${chain} ${diffId}`);
    names.push(hexOf(diffId), hexOf(chain));
  }
  return names;
}
