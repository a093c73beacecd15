import type { Archive } from "../debian/face.ts";
import type { Assembled } from "../image/assemble.ts";
import { encodeIndex } from "../image/encode.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { Platform } from "../oci/platform.ts";
import type { Reference } from "../oci/reference.ts";
import { openShelf } from "../shelf/shelf.ts";
import type { ContentStore } from "../store/face.ts";
import { nameImage } from "../store/name-image.ts";
import type { Task } from "../task/task.ts";
import { type Lock, lockedFor, withPlatform } from "./lock.ts";
import { makeImage } from "./make.ts";
import { type Pinned, pin } from "./pinned.ts";
import type { Recipe } from "./recipe.ts";

/** A whole `nought base build` as plain data. */
export interface BaseRequest {
  readonly recipe: Recipe;
  readonly suite: string;
  /** At least one; several come to an index over their images. */
  readonly platforms: readonly Platform[];
  readonly names: readonly Reference[];
  /** The lock to build from, and where it was, for messages. */
  readonly lock?: { readonly value: Lock; readonly where: string };
}

export interface BaseResult {
  /** What the names point to: the manifest, or the index of several. */
  readonly root: Descriptor;
  readonly images: readonly Assembled[];
  /** What was built, as a lock; the one that was given where it had everything. */
  readonly lock: Lock;
}

/**
 * Builds the image of a recipe, for each platform from what the lock pins, or else from what the archive has now. Names are set when
 * everything is there; without a name the image is kept as one of the store's unnamed ones. Throws what its parts throw.
 */
export async function buildBase(request: BaseRequest, archive: Archive, store: ContentStore, task: Task): Promise<BaseResult> {
  const { recipe, suite, names } = request;
  const shelf = openShelf(store, task);
  let lock = request.lock?.value;
  const images: Assembled[] = [];
  for (const platform of request.platforms) {
    const locked = request.lock && lockedFor(request.lock.value, recipe, platform, request.lock.where);
    const pinned: Pinned = locked ?? (await pin(recipe, platform, archive, task));
    if (!locked) lock = withPlatform(lock, recipe, suite, platform, pinned);
    images.push(await makeImage(recipe, pinned, platform, { store, shelf, archive, task }));
  }
  const root = await rootOf(images, request.platforms, store);
  for (const name of names) await nameImage(store, name, root, task);
  if (names.length === 0) await store.keep(root);
  await store.flush();
  return { root, images, lock: lock as Lock };
}

async function rootOf(images: readonly Assembled[], platforms: readonly Platform[], store: ContentStore): Promise<Descriptor> {
  const manifests = images.map(({ image }, at) => ({ ...image.descriptor, platform: platforms[at] as Platform }));
  const [only] = images;
  if (only && images.length === 1) return only.image.descriptor;
  const bytes = encodeIndex({ schemaVersion: 2, mediaType: MEDIA.index, manifests });
  const descriptor = { mediaType: MEDIA.index, digest: digestOf(bytes), size: bytes.length };
  await store.putMany([bytes]);
  return descriptor;
}
