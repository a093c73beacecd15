import type { Layer } from "../image/layer.ts";
import type { ImageConfig } from "../oci/config.ts";
import type { OfferingStore } from "../store/offers.ts";
import type { Task } from "../task/task.ts";
import type { Workshop } from "./workshop.ts";

/** Build caches beyond the store (`--cache-from`, `--cache-to`); whoever starts the build hands them down. */
export interface BuildCaches {
  /** Reads what there is to be read. A cache that cannot be read is a note and no failure. Throws INTERRUPTED. */
  begin(store: OfferingStore, task: Task): Promise<CachedBuild>;
  /** Whether a build that failed so may succeed without what caches offer; they offer nothing from then on. */
  letDown(error: unknown): boolean;
}

/** One build with its caches. */
export interface CachedBuild {
  /** What steps recall and remember goes through it. */
  readonly memory: Pick<Workshop, "recall" | "remember" | "promises">;
  /** The configuration of a result, with the cache in it where that is asked for (`type=inline`). */
  inlined(config: ImageConfig, layers: readonly Layer[]): ImageConfig;
  /** Writes the caches, once all outputs stand. `results` are the layers of the images. Throws what writing throws. */
  finish(results: readonly (readonly Layer[])[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Runs a build; and once more without what caches offer where one of them had promised what it does not have, or has other bytes than it
 * said. Nothing was handed over then. Throws what the build throws.
 */
export async function withCaches<T>(caches: BuildCaches | undefined, task: Task, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!caches?.letDown(error)) throw error;
    task.emit({ type: "note", text: `a build cache does not hold what it says (${(error as Error).message}); building without it` });
    return run();
  }
}
