import type { Layer } from "../image/layer.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { BytesReader } from "../oci/place.ts";
import type { CacheRecord } from "../store/face.ts";
import type { OfferingStore } from "../store/offers.ts";
import type { Task } from "../task/task.ts";
import { asLayer } from "./as-layer.ts";
import type { ReadCache, TravelRecord } from "./face.ts";
import { fromTravel, toTravel } from "./travel.ts";

/** For a look whether a build needs no layer that is only promised. */
export interface Promises {
  recall(key: Digest): CacheRecord | undefined;
  /** Whether a blob stands for a layer that is promised. */
  has(blob: Descriptor): boolean;
}

/** What a build with caches elsewhere recalls and remembers. */
export interface Memory {
  /** A record of the store, or else one of the caches that were read. */
  recall(key: Digest): CacheRecord | undefined;
  remember(record: Omit<CacheRecord, "at">): void;
  /** All that this build has used or made so far, in the form that travels. */
  used(): readonly TravelRecord[];
  /** Keeps in the store what came from caches and was used, as far as its layers are there now. */
  keep(): void;
  /** What caches say of layers that they do not hold; undefined where they say nothing of the kind. */
  readonly promises: Promises | undefined;
  /** Whether anything came from caches, and whether reading a layer there failed. */
  readonly borrowed: boolean;
  readonly letDown: boolean;
}

/**
 * Puts caches behind the records of a store, the first cache first, and offers their layers to it. Nothing is fetched and nothing written
 * before somebody asks for a byte of a layer; `told` hears of it then.
 */
export function createMemory(store: OfferingStore, caches: readonly (ReadCache & { readonly told?: Task })[]): Memory {
  const elsewhere = new Map<Digest, TravelRecord>();
  const offered = new Map<Digest, { readonly layer: Layer; readonly sources: Set<BytesReader> }>();
  let letDown = false;
  const failed = () => {
    letDown = true;
  };
  /** False where the blob is said to be another layer elsewhere. */
  const offer = (layer: Layer, from: BytesReader, told: Task | undefined): boolean => {
    if (isDoubtful(layer, store)) return false;
    const known = offered.get(layer.blob.digest);
    if (known) {
      known.sources.add(from);
      return known.layer.diffId === layer.diffId;
    }
    const sources = new Set([from]);
    offered.set(layer.blob.digest, { layer, sources });
    store.offer(layer.blob, firstOf(layer, sources, failed), told);
    return true;
  };
  const promised = new Map<Digest, TravelRecord>();
  const diffIds = new Set<Digest>();
  for (const { records, blobs, told } of caches)
    for (const record of records)
      if (record.promised !== undefined) {
        if (!promised.has(record.key)) promised.set(record.key, record);
        diffIds.add(record.promised);
      } else if ((record.layer === undefined || offer(record.layer, blobs, told)) && !elsewhere.has(record.key))
        elsewhere.set(record.key, record);
  const used = new Map<Digest, TravelRecord>();
  /** Made in this build of what is elsewhere. */
  const pending = new Map<Digest, Omit<CacheRecord, "at">>();
  const borrowed = new Set<Digest>();

  const use = (record: TravelRecord): void => {
    used.set(record.key, record);
    // A hit by the quick key says what the exact one is; the next machine may need that.
    const { exact, layer = record.promised } = record;
    if (exact !== undefined && layer && !used.has(exact)) used.set(exact, { ...record, key: exact });
  };

  const recall = (key: Digest): CacheRecord | undefined => {
    const made = pending.get(key);
    if (made) return { ...made, at: 0 };
    const own = store.recall(key);
    const other = elsewhere.get(key);
    // A record of the store whose layer is gone is worth less than one whose layer can be had.
    const record = own !== undefined && (other === undefined || isHere(own, store)) ? own : other && fromTravel(other);
    if (record === undefined) return undefined;
    if (record !== own) borrowed.add(key);
    const travelling = record === own ? toTravel(record) : other;
    if (travelling && isHere(record, store)) use(travelling);
    return record;
  };

  const promises: Promises = {
    recall(key) {
      const record = recall(key);
      const promise = promised.get(key);
      if (promise === undefined || (record && isHere(record, store))) return record;
      use(promise);
      return fromTravel(promise);
    },
    has: ({ digest, size }) => size === 0 && diffIds.has(digest),
  };

  return {
    recall,
    promises: promised.size > 0 ? promises : undefined,
    get borrowed() {
      return borrowed.size > 0;
    },
    get letDown() {
      return letDown;
    },
    remember(record) {
      if (isLocal(record, store)) store.remember(record);
      else pending.set(record.key, record);
      borrowed.delete(record.key);
      const travelling = toTravel(record);
      if (travelling) use(travelling);
    },
    used: () => [...used.values()],
    keep() {
      for (const key of borrowed) {
        const record = elsewhere.get(key);
        if (record && isLocal(record, store)) store.remember(fromTravel(record));
      }
      for (const record of pending.values()) if (isLocal(record, store)) store.remember(record);
    },
  };
}

/**
 * Whether the store knows a blob that it has as another layer than a cache says, or not at all: what comes is compared with its layer on
 * the way, what is here is not.
 */
function isDoubtful(layer: Layer, store: OfferingStore): boolean {
  if (layer.blob.digest === layer.diffId || !isLocal({ layer }, store)) return false;
  return store.blobOf(layer.diffId)?.digest !== layer.blob.digest;
}

function isHere({ layer }: CacheRecord, store: OfferingStore): boolean {
  return layer === undefined || store.available(layer.blob);
}

function isLocal({ layer }: Pick<CacheRecord, "layer">, store: OfferingStore): boolean {
  return layer === undefined || store.sizeOf(layer.blob.digest) === layer.blob.size;
}

/**
 * A layer's blob from whichever of several caches has it, compared with the layer while it is read. `failed` is told when none has it, or
 * when reading it fails.
 */
function firstOf(layer: Layer, sources: ReadonlySet<BytesReader>, failed: () => void): BytesReader {
  return {
    async has(digest, mediaType) {
      for (const source of sources) if (await source.has(digest, mediaType)) return true;
      return false;
    },
    async open(what) {
      let problem: unknown;
      for (const source of sources) {
        try {
          const bytes = await source.open(what);
          const { size } = bytes;
          return {
            size,
            read: (from = 0, to = size) => watched(from === 0 && to >= size ? asLayer(bytes.read(), layer) : bytes.read(from, to), failed),
            [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose](),
          };
        } catch (error) {
          problem ??= error;
        }
      }
      failed();
      throw problem;
    },
  };
}

async function* watched(chunks: AsyncIterable<Uint8Array>, failed: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    failed();
    throw error;
  }
}
