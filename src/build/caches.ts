import type { Layer } from "../image/layer.ts";
import type { ImageConfig } from "../oci/config.ts";
import type { OfferingStore } from "../store/offers.ts";
import type { Task } from "../task/task.ts";
import type { Workshop } from "./workshop.ts";

/** Build caches beyond the store (`--cache-from`, `--cache-to`); whoever starts the build hands them down. */
export interface BuildCaches {
  /** Reads what there is to be read. A cache that cannot be read is a note and no failure. Throws INTERRUPTED. */
  begin(store: OfferingStore, task: Task): Promise<CachedBuild>;
}

/** One build with its caches. */
export interface CachedBuild extends Pick<Workshop, "recall" | "remember"> {
  /** The configuration of a result, with the cache in it where that is asked for (`type=inline`). */
  inlined(config: ImageConfig, layers: readonly Layer[]): ImageConfig;
  /** Writes the caches, once all outputs stand. `results` are the layers of the images. Throws what writing throws. */
  finish(results: readonly (readonly Layer[])[]): Promise<void>;
  close(): Promise<void>;
}
