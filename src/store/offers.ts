import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { isForeignLayer } from "../oci/media-type.ts";
import type { Bytes, BytesReader } from "../oci/place.ts";
import type { Task } from "../task/task.ts";
import type { ContentStore } from "./face.ts";

/** Blobs that are elsewhere and can be had: layers of a base in a registry, or of a registry's build cache. */
export interface Offers {
  /**
   * Says where a blob can be had, for whoever comes to read it. The first offer of a blob stands. `told` hears of its bytes as they come;
   * without it whom the store was opened for.
   */
  offer(blob: Descriptor, from: BytesReader, told?: Task): void;
  /** Whether a blob of that size is in the store, or offered. */
  available(blob: Descriptor): boolean;
  /**
   * Brings those of the blobs that are offered and missing into the store, side by side, verified. Blobs that nobody offers are not
   * looked at, and layers that may not be passed on need not be there. Throws what reading them from there and writing them here throw.
   */
  bring(blobs: readonly Descriptor[], task: Task): Promise<void>;
  /**
   * The same blobs for one who passes them on: what is in the store is read there, what is offered comes from where it is and is not kept.
   * It is asked for when its first byte is read, so that what need not be sent is never asked for.
   */
  readonly through: BytesReader;
}

/** A store that fetches offered blobs when they are read. `has`, `sizeOf` and all else speak of what is in the store. */
export type OfferingStore = ContentStore & Offers;

/** How many blobs are fetched side by side, whoever wants them. */
const LANES = 3;

interface Offer {
  readonly blob: Descriptor;
  readonly from: BytesReader;
  readonly told: Task;
}

/**
 * The store with offers on top, for one process: a blob that is read (`open`) and is not there is fetched from where it was offered, once,
 * and is in the store from then on. Fetching for a reader stops when `task` does. A cache record counts where its layer is offered.
 */
export function withOffers(store: ContentStore, task: Task): OfferingStore {
  const offered = new Map<Digest, Offer>();
  const under = new Map<Digest, Promise<void>>();
  const waiting: (() => void)[] = [];
  let running = 0;

  async function inLane(work: () => Promise<void>): Promise<void> {
    if (running === LANES) await new Promise<void>((go) => waiting.push(go));
    else running++;
    try {
      await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  }

  /** One fetch for all who want the blob; the next who comes after it may try again. */
  function fetched(offer: Offer, signal: AbortSignal): Promise<void> {
    const { digest } = offer.blob;
    const before = under.get(digest);
    if (before) return before;
    const coming = inLane(() => fetchBlob(store, offer, signal)).finally(() => under.delete(digest));
    under.set(digest, coming);
    return coming;
  }

  async function arrived(digest: Digest, signal: AbortSignal): Promise<void> {
    const offer = offered.get(digest);
    if (offer && (under.has(digest) || !(await store.has(digest)))) await fetched(offer, signal);
  }

  const available = (blob: Descriptor) => store.sizeOf(blob.digest) === blob.size || offered.get(blob.digest)?.blob.size === blob.size;

  return {
    ...store,
    available,
    offer(blob, from, told = task) {
      if (!offered.has(blob.digest)) offered.set(blob.digest, { blob, from, told });
    },
    async open(what) {
      await arrived(what.digest, task.signal);
      try {
        return await store.open(what);
      } catch (error) {
        // Damaged, and set aside by now: what is offered heals it.
        const offer = offered.get(what.digest);
        if (!offer || !(error instanceof Failure) || !["DIGEST", "NOT_FOUND"].includes(error.code)) throw error;
        if (offer.blob.size !== what.size || (await store.has(what.digest))) throw error;
        await fetched(offer, task.signal);
        return store.open(what);
      }
    },
    async bring(blobs, within) {
      const missing = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
      const lane = async () => {
        for (let blob = missing.shift(); blob !== undefined; blob = missing.shift()) {
          try {
            await arrived(blob.digest, within.signal);
          } catch (error) {
            if (!(error instanceof Failure) || error.code !== "NOT_FOUND" || !isForeignLayer(blob.mediaType)) throw error;
          }
        }
      };
      const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
      for (const one of lanes) if (one.status === "rejected") throw one.reason;
    },
    through: {
      has: (digest) => store.has(digest),
      async open(what) {
        const offer = offered.get(what.digest);
        await under.get(what.digest)?.catch(() => {});
        if (offer === undefined || offer.blob.size !== what.size || (await store.has(what.digest))) return store.open(what);
        return later(offer);
      },
    },
    recall: (key) => store.recall(key, (blob) => offered.get(blob.digest)?.blob.size === blob.size),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function fetchBlob(store: ContentStore, offer: Offer, signal: AbortSignal): Promise<void> {
  try {
    await fetchOnce(store, offer, signal);
  } catch (error) {
    // What was spoiled on the way may come whole the second time.
    if (!(error instanceof Failure) || error.code !== "DIGEST" || signal.aborted) throw error;
    offer.told.emit({ type: "note", text: `${error.message}; trying once more` });
    await fetchOnce(store, offer, signal);
  }
}

async function fetchOnce(store: ContentStore, { blob, from, told }: Offer, signal: AbortSignal): Promise<void> {
  const tell = (done: number) => told.emit({ type: "bytes", id: blob.digest, label: blob.digest, done, total: blob.size });
  async function* pieces(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let done = 0;
    for await (const chunk of chunks) {
      if (signal.aborted) throw new Failure("INTERRUPTED", `${blob.digest}: interrupted`);
      yield chunk;
      done += chunk.length;
      // All of it is there only when it is stored.
      if (done < blob.size) tell(done);
    }
  }
  if (signal.aborted) throw new Failure("INTERRUPTED", `${blob.digest}: interrupted`);
  tell(0);
  await using source = await from.open(blob);
  // The store looks at the digest; once is enough.
  await store.put(pieces(source.unverified?.(0) ?? source.read()), blob);
  tell(blob.size);
}

/** Bytes elsewhere that are opened when the first of them is read. */
function later({ blob, from }: Offer): Bytes {
  let source: Promise<Bytes> | undefined;
  const opened = () => {
    source ??= from.open(blob);
    return source;
  };
  return {
    size: blob.size,
    async *read(start, end) {
      yield* (await opened()).read(start, end);
    },
    async *unverified(start) {
      const bytes = await opened();
      yield* bytes.unverified?.(start) ?? bytes.read(start);
    },
    async [Symbol.asyncDispose]() {
      if (source === undefined) return;
      const bytes = await source.catch(() => undefined);
      await bytes?.[Symbol.asyncDispose]();
    },
  };
}
