import { availableParallelism } from "node:os";
import { encodeManifest } from "../image/documents.ts";
import type { Image, Layer } from "../image/layer.ts";
import { represent as pack } from "../image/represent.ts";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { type Compression, layerCompression, MEDIA } from "../oci/media-type.ts";
import type { Task } from "../task/task.ts";
import type { Shelf } from "./shelf.ts";

/** How layers shall be compressed. */
export interface Representation {
  readonly compression: Compression;
  /** gzip 0 to 9 (6), zstd 1 to 19 (3). */
  readonly level?: number;
  /** Also layers that are compressed already, in another way. Without it only plain ones change, as with BuildKit's `force-compression`. */
  readonly force?: boolean;
}

/** A store that also remembers what it has compressed. */
export interface RepresentingShelf extends Shelf {
  recall(key: Digest): { readonly layer?: Layer } | undefined;
  remember(record: { readonly key: Digest; readonly layer: Layer }): void;
}

/** Layers that are compressed at once, at most. */
const LANES = 4;
const LEVELS = { gzip: [0, 9, 6], zstd: [1, 19, 3], uncompressed: [0, 0, 0] } as const;

/**
 * The same image with its layers represented as asked: image ID and diffIDs stay, the manifest names other blobs. What was compressed
 * before with the same settings is found again, so that the digests come out the same. Throws USAGE for a level that does not
 * exist, DIGEST when a layer does not unpack to its diffID.
 */
export async function representImage(store: RepresentingShelf, image: Image, how: Representation, task: Task): Promise<Descriptor> {
  const layers: Layer[] = [...image.layers];
  // Compressors work on threads of their own: several layers at once, as many as there are processors.
  const waiting = [...image.layers.keys()];
  const lane = async () => {
    for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
      try {
        layers[at] = await represent(store, image.layers[at] as Layer, how, task);
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(LANES, availableParallelism()) }, lane));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
  if (layers.every((layer, n) => layer.blob.digest === image.layers[n]?.blob.digest)) return image.descriptor;
  const { mediaType: _, ...config } = image.configDescriptor;
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: { mediaType: MEDIA.config, ...config },
    layers: layers.map(({ blob }) => blob),
    ...(image.annotations ? { annotations: image.annotations } : {}),
  });
  await store.flush();
  return { mediaType: MEDIA.manifest, ...(await store.put(manifest)) };
}

/** One layer in another representation; the same one where nothing is to be done. */
export async function represent(store: RepresentingShelf, layer: Layer, how: Representation, task: Task): Promise<Layer> {
  const { compression, force = false } = how;
  const [least, most, usual] = LEVELS[compression];
  const level = how.level ?? usual;
  if (compression !== "uncompressed" && !(Number.isInteger(level) && level >= least && level <= most)) {
    throw new Failure("USAGE", `compression level ${level} is none of ${compression}'s: ${least} to ${most}`);
  }
  const now = layerCompression(layer.blob.mediaType);
  if (now === compression || (now !== "uncompressed" && !force)) return layer;
  const key = digestOf(`represent/1\n${layer.diffId}\n${compression}\n${compression === "uncompressed" ? "" : level}`);
  const before = store.recall(key)?.layer;
  if (before?.diffId === layer.diffId && store.sizeOf(before.blob.digest) === before.blob.size) return before;
  task.emit({ type: "bytes", id: key, label: `${compression} ${layer.diffId}`, done: 0, total: layer.blob.size });
  const made = await pack(layer, { compression, ...(compression === "uncompressed" ? {} : { level }) }, store, store, task);
  task.emit({ type: "bytes", id: key, label: `${compression} ${layer.diffId}`, done: layer.blob.size, total: layer.blob.size });
  store.remember({ key, layer: made });
  return made;
}
