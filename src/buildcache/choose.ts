import type { Layer } from "../image/layer.ts";
import type { Digest } from "../oci/digest.ts";
import type { TravelRecord } from "./face.ts";

/** `min`: the layers of the result alone; `max`: those of all stages. */
export type CacheMode = "min" | "max";

/** The records that go into a cache of a mode. What leads to no layer is small, and always goes along. */
export function chosenFor(mode: CacheMode, records: readonly TravelRecord[], results: readonly Layer[]): readonly TravelRecord[] {
  if (mode === "max") return records;
  const wanted = new Set<Digest>(results.map((layer) => layer.diffId));
  return records.filter(({ layer }) => layer === undefined || wanted.has(layer.diffId));
}
