import type { Layer } from "../image/layer.ts";
import type { Digest } from "../oci/digest.ts";
import type { Compression } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import type { PackedPlace } from "../place/represent.ts";
import type { Task } from "../task/task.ts";

/**
 * One thing that a build knows, in the form that travels to other machines. With a layer: the step of this key came to it; without: the
 * digest that a selection came to, or, with nothing at all, that this definition was seen before.
 */
export interface TravelRecord {
  readonly key: Digest;
  readonly layer?: Layer;
  /** Newest time in the layer, in seconds. */
  readonly newest?: number;
  /** The key of the same layer by its entries alone (build/step.ts). */
  readonly exact?: Digest;
  readonly value?: Digest;
  /** In the place of `layer`: the diffID of a layer that the cache does not hold. Whoever needs no byte of it need not make it. */
  readonly promised?: Digest;
}

/** A cache as it was read: what it knows, and where the blobs of its layers can be had. */
export interface ReadCache {
  readonly records: readonly TravelRecord[];
  readonly blobs: BytesReader;
}

/** How a cache is written. */
export interface WriteOptions {
  /** One manifest with the layers in it (what BuildKit does since 0.21), else an index over them. */
  readonly imageManifest: boolean;
  /** False writes docker's media types. */
  readonly ociMediaTypes: boolean;
}

/** How layers are packed before they go into a cache. */
export interface CachePacking {
  readonly compression: Compression;
  readonly level?: number;
  readonly force: boolean;
}

/** A place where a build cache is kept: a tag of a registry, a folder, a bucket. */
export interface CachePlace extends AsyncDisposable {
  /** What it is called in messages. */
  readonly shown: string;
  /** All that it holds; undefined where there is no cache yet. Throws NETWORK, AUTH, MANIFEST, DIGEST, LIMIT. */
  read(task: Task): Promise<ReadCache | undefined>;
  /** Where layers go while they are packed, so that the store need not keep them; without it they are packed there. */
  packing?(task: Task): Promise<PackedPlace | undefined>;
  /**
   * Puts records and the blobs of their layers in the place of what was there. Blobs that it has are not sent again; the cache is
   * named when all of it is there. Throws what reading from `from` and writing throw.
   */
  write(records: readonly TravelRecord[], from: BytesReader, task: Task): Promise<void>;
}
