import type { Layer } from "../image/layer.ts";
import type { Digest } from "../oci/digest.ts";
import type { TravelRecord } from "./face.ts";

/** `min`: the layers of the result alone; `max`: those of all stages. */
export type CacheMode = "min" | "max";

/**
 * The records as they go into a cache of a mode. Where layers do not go along, what they are called does: an unchanged build needs no more
 * of the stages before its last.
 */
export function chosenFor(mode: CacheMode, records: readonly TravelRecord[], results: readonly Layer[]): readonly TravelRecord[] {
  if (mode === "max") return records;
  const wanted = new Set<Digest>(results.map((layer) => layer.diffId));
  return records.map((record) => {
    const { layer, ...rest } = record;
    return layer === undefined || wanted.has(layer.diffId) ? record : { ...rest, promised: layer.diffId };
  });
}
