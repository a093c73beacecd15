import type { Digest } from "../oci/digest.ts";
import type { CacheRecord } from "../store/face.ts";
import type { OfferingStore } from "../store/offers.ts";
import type { ReadCache, TravelRecord } from "./face.ts";
import { fromTravel, toTravel } from "./travel.ts";

/** What a build with caches elsewhere recalls and remembers. */
export interface Memory {
  /** A record of the store, or else one of the caches that were read. */
  recall(key: Digest): CacheRecord | undefined;
  remember(record: Omit<CacheRecord, "at">): void;
  /** All that this build has used or made so far, in the form that travels. */
  used(): readonly TravelRecord[];
  /** Keeps in the store what came from caches and was used, as far as its layers are there now. */
  keep(): void;
}

/**
 * Puts caches behind the records of a store, the first cache first, and offers their layers to it. Nothing is fetched and nothing written
 * before somebody asks for a byte of a layer.
 */
export function createMemory(store: OfferingStore, caches: readonly ReadCache[]): Memory {
  const elsewhere = new Map<Digest, TravelRecord>();
  for (const { records, blobs } of caches) {
    for (const record of records) {
      if (elsewhere.has(record.key)) continue;
      elsewhere.set(record.key, record);
      if (record.layer) store.offer(record.layer.blob, blobs);
    }
  }
  const used = new Map<Digest, TravelRecord>();
  const borrowed = new Set<Digest>();

  const use = (record: TravelRecord): void => {
    used.set(record.key, record);
    // A hit by the quick key says what the exact one is; the next machine may need that.
    const { exact, layer } = record;
    if (exact !== undefined && layer && !used.has(exact)) used.set(exact, { ...record, key: exact });
  };

  return {
    recall(key) {
      const own = store.recall(key);
      const other = elsewhere.get(key);
      // A record of the store whose layer is gone is worth less than one whose layer can be had.
      const record = own !== undefined && (other === undefined || isHere(own, store)) ? own : other && fromTravel(other);
      if (record === undefined) return undefined;
      if (record !== own) borrowed.add(key);
      const travelling = record === own ? toTravel(record) : other;
      if (travelling && isHere(record, store)) use(travelling);
      return record;
    },
    remember(record) {
      store.remember(record);
      borrowed.delete(record.key);
      const travelling = toTravel(record);
      if (travelling) use(travelling);
    },
    used: () => [...used.values()],
    keep() {
      for (const key of borrowed) {
        const record = elsewhere.get(key);
        if (record && (record.layer === undefined || store.sizeOf(record.layer.blob.digest) === record.layer.blob.size))
          store.remember(fromTravel(record));
      }
    },
  };
}

function isHere({ layer }: CacheRecord, store: OfferingStore): boolean {
  return layer === undefined || store.available(layer.blob);
}
