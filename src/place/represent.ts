import { availableParallelism } from "node:os";
import { USUAL_GZIP } from "../format/gzip.ts";
import { encodeManifest } from "../image/documents.ts";
import type { Image, Layer } from "../image/layer.ts";
import { represent as pack } from "../image/represent.ts";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf, isDigest } from "../oci/digest.ts";
import { type Compression, layerCompression, layerMediaType, MEDIA } from "../oci/media-type.ts";
import type { BytesWriter } from "../oci/place.ts";
import type { Task } from "../task/task.ts";
import { bySize } from "./lanes.ts";
import type { Shelf } from "./shelf.ts";

/** How layers shall be compressed. */
export interface Representation {
  readonly compression: Compression;
  /** gzip 0 to 9 (4), zstd 1 to 19 (3). */
  readonly level?: number;
  /** Also layers that are compressed already, in another way. Without it only plain ones change, as with BuildKit's `force-compression`. */
  readonly force?: boolean;
}

/** A store that also remembers what it has compressed. */
export interface RepresentingShelf extends Shelf {
  recall(key: Digest): { readonly layer?: Layer; readonly value?: unknown } | undefined;
  remember(record: { readonly key: Digest; readonly layer?: Layer; readonly value?: unknown }): void;
}

/** Where packed layers go at once, in the place of the store, so that no disk holds them twice; a registry is one. */
export interface PackedPlace extends BytesWriter {
  /** Whether a blob is there now, or could be brought there from a place beside it. */
  takes(blob: Digest): Promise<boolean>;
}

/** Bytes between two reports. */
const REPORT = 4 << 20;
/** Large layers that are compressed at once, at most: two keep the four threads of Node's pool busy, and more only take memory. */
const LANES = 2;
const LEVELS = { gzip: [0, 9, USUAL_GZIP], zstd: [1, 19, 3], uncompressed: [0, 0, 0] } as const;

/**
 * The same image with its layers represented as asked: image ID and diffIDs stay, the manifest names other blobs. What was compressed
 * before with the same settings is found again, so that the digests come out the same. With `into` the layers are there afterwards, and only
 * the manifest is in the store. Throws USAGE for a level that does not exist, DIGEST when a layer does not unpack to its diffID.
 */
export async function representImage(
  store: RepresentingShelf,
  image: Image,
  how: Representation,
  task: Task,
  into?: PackedPlace,
): Promise<Descriptor> {
  const layers: Layer[] = [...image.layers];
  // Compressors work on threads of their own: several layers at once, as many as there are processors.
  await bySize(
    [...image.layers.entries()],
    ([, { blob }]) => blob.size,
    async ([at, layer]) => {
      layers[at] = await represent(store, layer, how, task, into);
    },
    Math.min(LANES, availableParallelism()),
  );
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

/** One layer in another representation, in the store or in `into`; the same one where nothing is to be done. */
export async function represent(
  store: RepresentingShelf,
  layer: Layer,
  how: Representation,
  task: Task,
  into?: PackedPlace,
): Promise<Layer> {
  const { compression, force = false } = how;
  const [least, most, usual] = LEVELS[compression];
  const level = how.level ?? usual;
  if (compression !== "uncompressed" && !(Number.isInteger(level) && level >= least && level <= most)) {
    throw new Failure("USAGE", `compression level ${level} is none of ${compression}'s: ${least} to ${most}`);
  }
  const now = layerCompression(layer.blob.mediaType);
  if (now === compression || (now !== "uncompressed" && !force)) return layer;
  const key = digestOf(`represent/1\n${layer.diffId}\n${compression}\n${compression === "uncompressed" ? "" : level}`);
  const record = store.recall(key);
  const before = record?.layer;
  if (before?.diffId === layer.diffId && store.sizeOf(before.blob.digest) === before.blob.size) return before;
  const sent = into && sentBefore(record?.value, layerMediaType(compression));
  if (into && sent && (await into.takes(sent.digest))) return { diffId: layer.diffId, blob: sent };
  const tell = (done: number) =>
    task.emit({ type: "bytes", id: key, label: `${compression} ${layer.diffId}`, done, total: layer.blob.size });
  tell(0);
  let told = 0;
  const made = await pack(
    layer,
    { compression, ...(compression === "uncompressed" ? {} : { level }) },
    store,
    into ?? store,
    task,
    (done) => {
      if (done - told < REPORT) return;
      told = done;
      tell(done);
    },
  );
  tell(layer.blob.size);
  store.remember({ key, ...(into ? { value: made.blob } : { layer: made }) });
  return made;
}

/** What a layer became when it was packed for a registry, as the record tells; undefined for anything else. */
function sentBefore(value: unknown, mediaType: string): Descriptor | undefined {
  const { digest, size } = (value ?? {}) as { readonly digest?: unknown; readonly size?: unknown };
  return isDigest(digest) && typeof size === "number" && Number.isSafeInteger(size) && size >= 0 ? { mediaType, digest, size } : undefined;
}
