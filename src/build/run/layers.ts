import type { Layer } from "../../image/layer.ts";
import type { SourceLayer } from "../../rootfs/lowers.ts";
import type { Shelf } from "../../shelf/shelf.ts";

/** Layers with their indexes, as unpacking takes them. */
export function sourceLayers(layers: readonly Layer[], shelf: Shelf): Promise<SourceLayer[]> {
  return Promise.all(layers.map(async (layer) => ({ diffId: layer.diffId, draft: await shelf.index(layer) })));
}
