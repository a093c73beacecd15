import type { Layer } from "../image/layer.ts";
import { Failure } from "../kit/error.ts";
import type { ImageConfig } from "../oci/config.ts";
import type { Digest } from "../oci/digest.ts";
import { type PackedPlace, represent } from "../place/represent.ts";
import type { OfferingStore } from "../store/offers.ts";
import type { Task } from "../task/task.ts";
import { layersOf } from "./cache-config.ts";
import { type CacheMode, chosenFor } from "./choose.ts";
import type { CachePacking, CachePlace, ReadCache, TravelRecord } from "./face.ts";
import { withInlineCache } from "./inline.ts";
import { inLanes } from "./lanes.ts";
import { createMemory, type Memory } from "./memory.ts";

/** A cache to be written, and how. */
export interface CacheTarget {
  readonly place: CachePlace;
  readonly mode: CacheMode;
  readonly packing: CachePacking;
  /** A failure to write it is a note. */
  readonly ignoreError: boolean;
}

/** The caches of one build. */
export interface Caches {
  readonly from: readonly CachePlace[];
  readonly to: readonly CacheTarget[];
  /** Also into the configuration of the image. */
  readonly inline: boolean;
}

/** One build with its caches. */
export interface CacheSession {
  readonly memory: Memory;
  inlined(config: ImageConfig, layers: readonly Layer[]): ImageConfig;
  finish(results: readonly (readonly Layer[])[]): Promise<void>;
  close(): Promise<void>;
  /** Whether it was a cache that made a build fail in this way, before anything was handed over. */
  letDown(error: unknown): boolean;
}

/** What a layer that is not what a cache said makes those who read it throw. */
const SPOILED: readonly string[] = ["DIGEST", "TAR", "COMPRESSION"];

/**
 * Reads the caches side by side; what cannot be read, or is not there yet, is a note, as with BuildKit: the build is then colder, and right
 * all the same. Throws INTERRUPTED.
 */
export async function beginSession(caches: Caches, store: OfferingStore, task: Task): Promise<CacheSession> {
  const read = await Promise.all(caches.from.map((place) => readCache(place, task)));
  const memory = createMemory(
    store,
    read.flatMap((one) => one ?? []),
  );
  let solved = false;
  return {
    memory,
    inlined(config, layers) {
      solved = true;
      return caches.inline ? withInlineCache(config, layers, chosenFor("min", memory.used(), layers)) : config;
    },
    async finish(results) {
      for (const target of caches.to) await writeCache(target, memory.used(), results.flat(), store, task);
      memory.keep();
    },
    async close() {
      for (const place of [...caches.from, ...caches.to.map((one) => one.place)]) await place[Symbol.asyncDispose]();
    },
    letDown(error) {
      if (solved || !memory.borrowed || !(error instanceof Failure) || error.code === "INTERRUPTED") return false;
      return memory.letDown || SPOILED.includes(error.code);
    },
  };
}

async function readCache(place: CachePlace, task: Task): Promise<(ReadCache & { readonly told: Task }) | undefined> {
  const step = { type: "step", id: `internal/cache-from ${place.shown}`, label: `importing cache manifest from ${place.shown}` } as const;
  task.emit({ ...step, state: "started" });
  try {
    const told: Task = { signal: task.signal, emit: (news) => task.emit(news.type === "bytes" ? { ...news, id: step.id } : news) };
    const found = await place.read(told);
    if (found === undefined) task.emit({ type: "note", text: `there is no build cache at ${place.shown} yet` });
    task.emit({ ...step, state: "done" });
    return found && { ...found, told };
  } catch (error) {
    if (!(error instanceof Failure) || error.code === "INTERRUPTED") throw error;
    task.emit({ type: "note", text: `the build cache at ${place.shown} cannot be read: ${error.message}` });
    task.emit({ ...step, state: "done" });
    return undefined;
  }
}

async function writeCache(
  { place, mode, packing, ignoreError }: CacheTarget,
  used: readonly TravelRecord[],
  results: readonly Layer[],
  store: OfferingStore,
  task: Task,
): Promise<void> {
  const step = { type: "step", id: `internal/cache-to ${place.shown}`, label: `exporting cache to ${place.shown}` } as const;
  const within: Task = { signal: task.signal, emit: (news) => task.emit(news.type === "bytes" ? { ...news, id: step.id } : news) };
  task.emit({ ...step, state: "started" });
  try {
    const into = await place.packing?.(within);
    await place.write(await packed(chosenFor(mode, used, results), packing, store, within, into), store.through, within);
    task.emit({ ...step, state: "done" });
  } catch (error) {
    if (!ignoreError || !(error instanceof Failure) || error.code === "INTERRUPTED") {
      task.emit({ ...step, state: "failed", ...(error instanceof Failure ? { failure: error } : {}) });
      throw error;
    }
    task.emit({ type: "note", text: `the build cache could not be written to ${place.shown}: ${error.message}` });
    task.emit({ ...step, state: "done" });
  }
}

/** The records with their layers packed, several at once; a layer that several records lead to is packed once. */
async function packed(
  records: readonly TravelRecord[],
  how: CachePacking,
  store: OfferingStore,
  task: Task,
  into: PackedPlace | undefined,
): Promise<TravelRecord[]> {
  const done = new Map<Digest, Layer>();
  await inLanes(layersOf(records), async (layer) => {
    done.set(layer.diffId, await represent(store, layer, how, task, into));
  });
  return records.map((record) => {
    const layer = record.layer && done.get(record.layer.diffId);
    return layer ? { ...record, layer } : record;
  });
}
