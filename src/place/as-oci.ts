import { encodeIndex, encodeManifest } from "../image/documents.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { isIndexType, isManifestType, layerCompression, layerMediaType, MEDIA } from "../oci/media-type.ts";
import { memoryBytes } from "../oci/memory-bytes.ts";
import type { BytesReader } from "../oci/place.ts";
import type { Task } from "../task/task.ts";
import { isForeign, readDocuments } from "./documents.ts";

/**
 * The same image with the OCI's media types instead of docker's, for OCI layouts: skopeo, podman and others read nothing else there.
 * Configurations and layers stay byte for byte, and with them the image ID; manifests and indexes of docker's types are written anew.
 * What has none comes back as it is. With `partial`, what an index lists and is not there stays as it is listed. Throws what reading
 * documents throws.
 */
export async function asOci(
  from: BytesReader,
  root: Descriptor,
  task: Task,
  partial = false,
): Promise<{ readonly from: BytesReader; readonly root: Descriptor }> {
  const changed = new Map<Digest, Descriptor>();
  const made = new Map<Digest, Uint8Array>();
  const keep = (before: Descriptor, mediaType: string, bytes: Uint8Array) => {
    const digest = digestOf(bytes);
    made.set(digest, bytes);
    changed.set(before.digest, { ...before, mediaType, digest, size: bytes.length });
  };
  // Children come before their parents.
  for (const document of await readDocuments(from, root, partial, task)) {
    const { descriptor } = document;
    if (document.kind === "manifest") {
      if (descriptor.mediaType !== MEDIA.dockerManifest) continue;
      const { manifest } = document;
      const config = manifest.config.mediaType === MEDIA.dockerConfig ? { ...manifest.config, mediaType: MEDIA.config } : manifest.config;
      keep(
        descriptor,
        MEDIA.manifest,
        encodeManifest({ ...manifest, mediaType: MEDIA.manifest, config, layers: manifest.layers.map(layer) }),
      );
    } else {
      const manifests = document.index.manifests.map((one) => {
        const now = changed.get(one.digest);
        return now ? { ...one, mediaType: now.mediaType, digest: now.digest, size: now.size } : one;
      });
      const same = manifests.every((one, at) => one === document.index.manifests[at]);
      if (same && descriptor.mediaType === MEDIA.index) continue;
      keep(descriptor, MEDIA.index, encodeIndex({ ...document.index, mediaType: MEDIA.index, manifests }));
    }
  }
  const { annotations: _, ...now } = changed.get(root.digest) ?? root;
  if (changed.size === 0) return { from, root };
  return {
    root: now,
    from: {
      has: async (digest, mediaType) => made.has(digest) || from.has(digest, mediaType),
      async open(what) {
        const bytes = isManifestType(what.mediaType) || isIndexType(what.mediaType) ? made.get(what.digest) : undefined;
        return bytes ? memoryBytes(bytes) : from.open(what);
      },
    },
  };
}

/** docker's types of layers as the OCI's; those that are elsewhere by design keep theirs, which says so. */
function layer(one: Descriptor): Descriptor {
  const compression = layerCompression(one.mediaType);
  return compression === undefined || isForeign(one) ? one : { ...one, mediaType: layerMediaType(compression) };
}
