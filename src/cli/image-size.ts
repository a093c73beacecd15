import { accessSync, constants } from "node:fs";
import { decodeIndex } from "../image/index.ts";
import type { Digest } from "../oci/digest.ts";
import type { ContentStore } from "../store/face.ts";
import type { StoredImage } from "./catalog.ts";

const SCRATCH = "layer-sizes";

/**
 * How much docker would say a layer holds: the bytes of its files, each hard-linked file once, without what tar adds. Worked out from
 * the layer's index once and remembered in the store; a layer without an index counts as its blob.
 */
export class LayerSizes {
  readonly #store: ContentStore;
  #known: Map<string, number> | undefined;
  #changed = false;

  constructor(store: ContentStore) {
    this.#store = store;
  }

  /** Bytes. `blob` is the size of the layer's blob, for want of anything better. */
  async sizeOf(diffId: Digest, blob: number): Promise<number> {
    const known = (this.#known ??= this.#read());
    const found = known.get(diffId);
    if (found !== undefined) return found;
    const bytes = await this.#store.readIndex(diffId);
    const index = bytes && decodeIndex(bytes);
    if (!index) return blob;
    let size = 0;
    for (const entry of index.draft) if (entry.kind === "file") size += entry.size;
    known.set(diffId, size);
    this.#changed = true;
    return size;
  }

  /** Bytes of all layers of an image. */
  async imageSize(image: StoredImage): Promise<number> {
    const sizes = await this.layersOf(image);
    return sizes.reduce((sum, one) => sum + one, 0);
  }

  /** Bytes of each layer, lowest first. */
  async layersOf(image: StoredImage): Promise<readonly number[]> {
    const sizes: number[] = [];
    for (const [i, diffId] of image.config.rootfs.diff_ids.entries()) sizes.push(await this.sizeOf(diffId, image.layers[i]?.size ?? 0));
    return sizes;
  }

  /** Remembers what was worked out, if the store may be written to; if not, it is worked out again next time. */
  save(): void {
    if (!this.#changed || !this.#known) return;
    try {
      accessSync(this.#store.dir, constants.W_OK);
      this.#store.writeScratch(SCRATCH, Buffer.from(JSON.stringify([...this.#known])));
    } catch {
      // A store on a read-only disk.
    }
  }

  #read(): Map<string, number> {
    try {
      const bytes = this.#store.readScratch(SCRATCH);
      const rows: unknown = bytes ? JSON.parse(Buffer.from(bytes).toString("utf8")) : [];
      if (!Array.isArray(rows)) return new Map();
      return new Map(
        rows.filter((row): row is [string, number] => Array.isArray(row) && typeof row[0] === "string" && Number.isSafeInteger(row[1])),
      );
    } catch {
      return new Map();
    }
  }
}
