import { parseIndex, parseManifest } from "../../image/documents.ts";
import { chooseManifest, openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import { isIndexType, layerCompression, MEDIA } from "../../oci/media-type.ts";
import type { BytesReader, BytesWriter } from "../../oci/place.ts";
import { formatPlatform, hostPlatform, matchesPlatform, type Platform } from "../../oci/platform.ts";
import { familiarName, formatReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import type { Repository } from "../../registry/face.ts";
import type { Surroundings } from "../../registry/surroundings.ts";
import type { ContentStore } from "../../store/face.ts";
import { nameImage, nameOwner } from "../../store/name-image.ts";
import type { Task } from "../../task/task.ts";
import { admitImage } from "../sign/admit.ts";
import { originsOf } from "./origins.ts";

export interface Pulled {
  readonly name: Reference;
  readonly root: Descriptor;
  /** Whether anything came, or the name moved. */
  readonly changed: boolean;
  /** Layers, where something was done about them, in docker's words. */
  readonly layers: readonly { readonly digest: Digest; readonly what: "Pull complete" | "Already exists" }[];
}

/** What to pull, and how. */
export interface PullRequest {
  /** As somebody wrote it: a name without a registry may stand for several. */
  readonly text: string;
  readonly platform: Platform | undefined;
  /** Told of each name before it is asked for. */
  readonly begin?: (name: Reference) => void;
}

/**
 * Pulls an image into the store under its full name: of an index only what the platform needs comes along. Layers stay packed as they
 * came. Throws NOT_FOUND, AUTH, NETWORK, DIGEST, MANIFEST, and what the store throws; nothing is named unless all of it is there.
 */
export async function pullImage(request: PullRequest, store: ContentStore, around: Surroundings, task: Task): Promise<Pulled> {
  const names = await around.candidates(request.text);
  let problem: Failure | undefined;
  for (const candidate of names) {
    try {
      request.begin?.(withDefaultTag(candidate));
      const found = await pullName(withDefaultTag(candidate), request.platform, store, around, task);
      if (found) return found;
    } catch (error) {
      // With several registries to search, one that cannot be asked does not end the search.
      if (names.length === 1 || !(error instanceof Failure) || !["AUTH", "NETWORK", "NOT_FOUND"].includes(error.code)) throw error;
      task.emit({ type: "note", text: `${error.message}; searching on` });
      problem = error;
    }
  }
  const shown = names.map((one) => formatReference(withDefaultTag(one))).join(", ");
  throw problem ?? notThere(shown);
}

/** Pulls one full name; undefined where the registry does not have it. */
export async function pullName(
  name: Reference,
  platform: Platform | undefined,
  store: ContentStore,
  around: Surroundings,
  task: Task,
): Promise<Pulled | undefined> {
  const { openRepository } = await import("../../registry/repository.ts");
  await using from = await openRepository(name, { ...around, access: "pull" }, task);
  const root = await from.resolve(name, task);
  if (root === undefined) return undefined;
  return takeRoot(from, name, root, platform, store, around.env, task);
}

/** Brings what a name of an open repository stands for into the store, where the policy allows it. Throws POLICY. */
export async function takeRoot(
  from: Repository,
  name: Reference,
  root: Descriptor,
  platform: Platform | undefined,
  store: ContentStore,
  env: Surroundings["env"],
  task: Task,
): Promise<Pulled> {
  const wanted = platform ?? hostPlatform();
  await admitImage({ place: from, name, root, platform: wanted }, env, task);
  const before = await nameOwner(store, name, task);
  if (before?.digest === root.digest && (await isWhole(store, root, wanted))) return { name, root, changed: false, layers: [] };
  const { copyImage } = await import("../../place/copy.ts");
  const came = new Set<Digest>();
  const into: BytesReader & BytesWriter = {
    has: (digest) => store.has(digest),
    open: (what) => store.open(what),
    async put(bytes, expect) {
      const stored = await store.put(bytes, expect);
      came.add(stored.digest);
      return stored;
    },
  };
  await copyImage(from, into, root, task, (index, of) => [chooseManifest(index.manifests, wanted, of)]);
  await checkPlatform(store, root, name, platform, task);
  if (before?.digest !== root.digest) await nameImage(store, name, root, task);
  const [config, ...layers] = await layersOf(store, root, wanted);
  if (config) originsOf(store).note([config, ...layers], name);
  return {
    name,
    root,
    changed: came.size > 0 || before?.digest !== root.digest,
    layers: layers.map((digest) => ({ digest, what: came.has(digest) ? "Pull complete" : "Already exists" })),
  };
}

/** Whether everything of the image for a platform is here, for the right one: then the registry need not be asked more. */
async function isWhole(store: ContentStore, root: Descriptor, platform: Platform): Promise<boolean> {
  try {
    const { config, layers } = await openImage(store, root, platform);
    return matchesPlatform(platform, config) && layers.every(({ blob }) => store.sizeOf(blob.digest) === blob.size);
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
}

/** An image without an index may be for another platform: refused where one was asked for, told otherwise. */
async function checkPlatform(
  store: ContentStore,
  root: Descriptor,
  name: Reference,
  platform: Platform | undefined,
  task: Task,
): Promise<void> {
  const wanted = platform ?? hostPlatform();
  let config: Platform;
  try {
    config = (await openImage(store, root, wanted)).config;
  } catch (error) {
    // An artifact that is no container image is kept as it is.
    if (error instanceof Failure && error.code === "MANIFEST" && platform === undefined && !saysItIsAnImage(store, root, wanted)) return;
    throw error;
  }
  if (config.os === "" || matchesPlatform(wanted, config)) return;
  const { os, architecture, variant } = config;
  const has = formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
  if (platform !== undefined)
    throw new Failure("NOT_FOUND", `${familiarName(name)} is there, but for ${has}, not for the platform ${formatPlatform(platform)}`, {
      hint: `Leave --platform away to have it for ${has}.`,
    });
  task.emit({ type: "note", text: `${familiarName(name)} is for ${has}, this machine is ${formatPlatform(wanted)}` });
}

/** Whether a manifest has the types of a container image, however wrong its configuration is. */
function saysItIsAnImage(store: ContentStore, root: Descriptor, platform: Platform): boolean {
  let what = root;
  while (isIndexType(what.mediaType))
    what = chooseManifest(parseIndex(store.readDocument(what), what.digest, what.mediaType).manifests, platform, root);
  const { config, layers } = parseManifest(store.readDocument(what), what.digest, what.mediaType);
  const isConfig = config.mediaType === MEDIA.config || config.mediaType === MEDIA.dockerConfig;
  return isConfig && layers.every((layer) => layerCompression(layer.mediaType) !== undefined);
}

async function layersOf(store: ContentStore, root: Descriptor, platform: Platform): Promise<Digest[]> {
  try {
    const image = await openImage(store, root, platform);
    return [image.configDescriptor.digest, ...image.layers.map((layer) => layer.blob.digest)];
  } catch (error) {
    if (error instanceof Failure) return [];
    throw error;
  }
}

/** Docker's answer for a name that a registry does not have. */
export function notThere(shown: string): Failure {
  return new Failure("NOT_FOUND", `manifest for ${shown} not found: manifest unknown`, {
    hint: "Check the name and the tag; `nought tags` lists them.",
  });
}
