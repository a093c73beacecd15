import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { BytesReader } from "../oci/place.ts";
import type { Task } from "../task/task.ts";
import type { ContentStore } from "./face.ts";

/** Blobs that are elsewhere and can be had: layers of a base in a registry, or of a registry's build cache. */
export interface Offers {
  /** Says where a blob can be had, for whoever comes to read it. The first offer of a blob stands. */
  offer(blob: Descriptor, from: BytesReader): void;
  /** Whether a blob of that size is in the store, or offered. */
  available(blob: Descriptor): boolean;
  /**
   * Brings those of the blobs that are offered and missing into the store, side by side, verified. Blobs that nobody offers are not
   * looked at. Throws what reading them from there and writing them here throw.
   */
  bring(blobs: readonly Descriptor[], task: Task): Promise<void>;
}

/** A store that fetches offered blobs when they are read. `has`, `sizeOf` and all else speak of what is in the store. */
export type OfferingStore = ContentStore & Offers;

/** How many blobs are fetched side by side. */
const LANES = 3;

/**
 * The store with offers on top, for one process: a blob that is read (`open`) and is not there is fetched from where it was offered, once,
 * and is in the store from then on. `task` is told of what is fetched for a reader.
 */
export function withOffers(store: ContentStore, task: Task): OfferingStore {
  const offered = new Map<Digest, { readonly blob: Descriptor; readonly from: BytesReader }>();
  const under = new Map<Digest, Promise<void>>();

  function fetched(digest: Digest, within: Task): Promise<void> | undefined {
    const before = under.get(digest);
    if (before) return before;
    const found = offered.get(digest);
    if (!found) return undefined;
    const coming = fetchBlob(store, found.blob, found.from, within);
    under.set(digest, coming);
    // Another reader may try again.
    coming.catch(() => under.delete(digest));
    return coming;
  }

  return {
    ...store,
    offer(blob, from) {
      if (!offered.has(blob.digest)) offered.set(blob.digest, { blob, from });
    },
    available: (blob) => store.sizeOf(blob.digest) === blob.size || offered.get(blob.digest)?.blob.size === blob.size,
    async open(what) {
      if (offered.has(what.digest) && !(await store.has(what.digest))) await fetched(what.digest, task);
      return store.open(what);
    },
    async bring(blobs, within) {
      const missing: Digest[] = [];
      for (const { digest } of blobs)
        if (offered.has(digest) && !missing.includes(digest) && !(await store.has(digest))) missing.push(digest);
      const lane = async () => {
        for (let digest = missing.shift(); digest !== undefined; digest = missing.shift()) await fetched(digest, within);
      };
      const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
      for (const one of lanes) if (one.status === "rejected") throw one.reason;
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function fetchBlob(store: ContentStore, blob: Descriptor, from: BytesReader, task: Task): Promise<void> {
  await using source = await from.open(blob);
  await store.put(told(source.read(), blob, task), blob);
}

async function* told(chunks: AsyncIterable<Uint8Array>, blob: Descriptor, task: Task): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of chunks) {
    if (task.signal.aborted) throw new Failure("INTERRUPTED", `${blob.digest}: interrupted`);
    yield chunk;
    done += chunk.length;
    task.emit({ type: "bytes", id: blob.digest, label: blob.digest, done, total: blob.size });
  }
}
