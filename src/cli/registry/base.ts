import type { RemoteImage } from "../../build/remote.ts";
import { openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { isManifestType } from "../../oci/media-type.ts";
import { memoryBytes } from "../../oci/memory-bytes.ts";
import type { BytesReader } from "../../oci/place.ts";
import type { Platform } from "../../oci/platform.ts";
import type { Reference } from "../../oci/reference.ts";
import { readWhole } from "../../place/documents.ts";
import type { Repository } from "../../registry/face.ts";
import type { ContentStore } from "../../store/face.ts";
import { nameImage, nameOwner } from "../../store/name-image.ts";
import type { Task } from "../../task/task.ts";
import { admitImage } from "../sign/admit.ts";
import { originsOf } from "./origins.ts";

/**
 * An image of a repository for a build: the documents for a platform are read, from the store where they are there. Nothing of it is in the
 * store afterwards but its configuration: a manifest there says that its layers are there too. Undefined where the repository does
 * not have it. `env` tells which policy must allow it. Throws AUTH, NETWORK, DIGEST, MANIFEST, LIMIT, POLICY,
 * NOT_FOUND for a platform that is not offered.
 */
export async function findBase(
  from: Repository,
  name: Reference,
  platform: Platform,
  store: ContentStore,
  env: Readonly<Record<string, string | undefined>>,
  task: Task,
): Promise<RemoteImage | undefined> {
  const root = await from.resolve(name, task);
  if (root === undefined) return undefined;
  await admitImage({ place: from, name, root, platform }, env, task);
  const documents: { readonly what: Descriptor; readonly bytes: Uint8Array }[] = [];
  const reader: BytesReader = {
    has: (digest, mediaType) => from.has(digest, mediaType),
    async open(what) {
      const bytes = stored(store, what) ?? (await readWhole(from, what));
      documents.push({ what, bytes });
      return memoryBytes(bytes);
    },
  };
  const image = await openImage(reader, root, platform);
  const config = documents.at(-1);
  if (config && !isManifestType(config.what.mediaType)) await store.put(config.bytes);
  originsOf(store).note([image.configDescriptor.digest, ...image.layers.map(({ blob }) => blob.digest)], name);
  return {
    image,
    root,
    layers: from,
    async keep(within) {
      // What others refer to comes first.
      for (const { bytes } of documents.toReversed()) await store.put(bytes);
      if ((await nameOwner(store, name, within))?.digest !== root.digest) await nameImage(store, name, root, within);
    },
  };
}

/** A document that an earlier build or pull left. A damaged one is read anew. */
function stored(store: ContentStore, what: Descriptor): Uint8Array | undefined {
  try {
    return store.sizeOf(what.digest) === what.size ? store.readDocument(what) : undefined;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
