import { encodeIndex, encodeManifest, parseIndex, parseManifest } from "../image/documents.ts";
import { openImage } from "../image/open.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { isIndexType, isManifestType, MEDIA } from "../oci/media-type.ts";
import { memoryBytes } from "../oci/memory-bytes.ts";
import type { BytesReader } from "../oci/place.ts";
import { readWhole } from "../place/documents.ts";
import type { Task } from "../task/task.ts";
import { CACHE_CONFIG, encodeCacheConfig, layersOf, parseCacheConfig } from "./cache-config.ts";
import { dockerLayerType } from "./docker-types.ts";
import type { TravelRecord, WriteOptions } from "./face.ts";
import { readInlineCache } from "./inline.ts";

/** Annotation of a layer with the digest of its tar, as containerd and BuildKit write it. */
const UNCOMPRESSED = "containerd.io/uncompressed";
/** Images of an index that are looked into for an inline cache. */
const IMAGES = 32;

/** A cache as documents and blobs: what a registry or a layout keeps. */
export interface CacheDocuments {
  readonly root: Descriptor;
  /** Reads the documents, and of the layers those that `from` has. */
  readonly from: BytesReader;
}

/** Makes the documents of a cache. In an index or manifest as BuildKit does; docker's media types where they are asked for. */
export function cacheDocuments(
  records: readonly TravelRecord[],
  { imageManifest, ociMediaTypes }: WriteOptions,
  blobs: BytesReader,
): CacheDocuments {
  const config = encodeCacheConfig(records);
  const configDescriptor: Descriptor = { mediaType: CACHE_CONFIG, digest: digestOf(config), size: config.length };
  const layers = layersOf(records).map(({ diffId, blob: { mediaType, digest, size } }): Descriptor => {
    const type = ociMediaTypes ? mediaType : dockerLayerType(mediaType);
    return { mediaType: type, digest, size, annotations: { [UNCOMPRESSED]: diffId } };
  });
  const mediaType = imageManifest ? MEDIA.manifest : ociMediaTypes ? MEDIA.index : MEDIA.dockerIndex;
  const document = imageManifest
    ? encodeManifest({ schemaVersion: 2, mediaType, config: configDescriptor, layers })
    : encodeIndex({ schemaVersion: 2, mediaType, manifests: [...layers, configDescriptor] });
  const root: Descriptor = { mediaType, digest: digestOf(document), size: document.length };
  const made = new Map<Digest, Uint8Array>([
    [configDescriptor.digest, config],
    [root.digest, document],
  ]);
  return {
    root,
    from: {
      has: async (digest, type) => made.has(digest) || blobs.has(digest, type),
      open: async (what) => {
        const bytes = made.get(what.digest);
        return bytes ? memoryBytes(bytes) : blobs.open(what);
      },
    },
  };
}

/**
 * The records in what a name stands for: a cache, or an image or an index of images that have one in their configuration. Throws
 * MANIFEST, DIGEST, LIMIT, and what reading throws.
 */
export async function readCacheDocuments(from: BytesReader, root: Descriptor, task: Task): Promise<readonly TravelRecord[]> {
  const bytes = await readWhole(from, root);
  if (isManifestType(root.mediaType)) {
    const { config } = parseManifest(bytes, root.digest, root.mediaType);
    return config.mediaType === CACHE_CONFIG ? await readConfig(from, config) : await readImage(from, root);
  }
  if (!isIndexType(root.mediaType)) throw new Failure("MANIFEST", `${root.digest} is neither a cache nor an image`);
  const { manifests } = parseIndex(bytes, root.digest, root.mediaType);
  const config = manifests.find((one) => one.mediaType === CACHE_CONFIG);
  if (config) return await readConfig(from, config);
  const images = manifests.filter((one) => isManifestType(one.mediaType) && one.platform?.os !== "unknown");
  const records: TravelRecord[] = [];
  for (const image of images.slice(0, IMAGES)) {
    if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while a cache was read");
    records.push(...(await readImage(from, image)));
  }
  return records;
}

async function readConfig(from: BytesReader, config: Descriptor): Promise<readonly TravelRecord[]> {
  return parseCacheConfig(await readWhole(from, config, LIMITS.configBytes), config.digest);
}

async function readImage(from: BytesReader, root: Descriptor): Promise<readonly TravelRecord[]> {
  const { config, layers } = await openImage(from, root, { os: "", architecture: "" });
  return readInlineCache(config, layers, root.digest);
}
