import type { Layer } from "../image/layer.ts";
import type { Digest } from "../oci/digest.ts";
import type { Draft } from "../tree/entry.ts";
import type { Shelf } from "./shelf.ts";

/** Layers with their indexes, as unpacking takes them (SourceLayer of src/rootfs). Throws what reading an index throws. */
export function sourceLayers(layers: readonly Layer[], shelf: Shelf): Promise<{ readonly diffId: Digest; readonly draft: Draft }[]> {
  return Promise.all(layers.map(async (layer) => ({ diffId: layer.diffId, draft: await shelf.index(layer) })));
}
