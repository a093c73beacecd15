import { closeSync } from "node:fs";
import { decompress } from "../format/decompress.ts";
import { decodeIndex, encodeIndex } from "../image/index.ts";
import { indexLayer } from "../image/index-layer.ts";
import type { Layer } from "../image/layer.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { type Digest, digestOf, hasher } from "../oci/digest.ts";
import { layerCompression } from "../oci/media-type.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import { damagedLayer, readLayer } from "../tree/content.ts";
import type { Draft, FileEntry } from "../tree/entry.ts";
import type { LayerFiles, OpenLayer } from "../tree/read.ts";

/** Looks into layers of the store without unpacking them: their indexes, and their bytes at offsets. */
export interface Shelf {
  /** What a layer holds. Read from the store, or made from the blob once and kept. */
  index(layer: Layer): Promise<Draft>;
  /** Opens the uncompressed tar of a layer; the caller closes it. A compressed layer is unpacked into the store first, once. */
  readonly open: OpenLayer;
  /** The same for one walk over many files, one after the other: the layers used last stay open until it is disposed of. */
  walk(): LayerWalk;
  /** The whole content of a small file in a layer. Throws DIGEST where it is not what the index says. */
  read(file: FileEntry): Promise<Uint8Array>;
  /** Keeps the index of a layer that was just sealed. */
  add(layer: Layer, draft: Draft): Promise<void>;
}

/** Layers that one walk reads. */
export interface LayerWalk extends Disposable {
  readonly files: LayerFiles;
}

/** How many layers one walk keeps open. */
const OPEN = 16;

/** A shelf over a store. */
export function openShelf(store: ContentStore, task: Task): Shelf {
  const layers = new Map<Digest, Layer>();
  const drafts = new Map<Digest, Promise<Draft>>();
  const plain = new Map<Digest, Promise<void>>();
  const shelf: Shelf = {
    index(layer) {
      layers.set(layer.diffId, layer);
      let draft = drafts.get(layer.diffId);
      if (!draft) {
        draft = indexOf(store, layer, task);
        drafts.set(layer.diffId, draft);
        draft.catch(() => drafts.delete(layer.diffId));
      }
      return draft;
    },
    async open(diffId) {
      const unpacked = plain.get(diffId) ?? unpack(store, diffId, layers.get(diffId));
      plain.set(diffId, unpacked);
      // A layer that was not there may come: a step that is done anew often makes the very one that was pruned.
      unpacked.catch(() => plain.delete(diffId));
      await unpacked;
      return store.openFile(diffId);
    },
    walk() {
      const files = new Map<Digest, number>();
      return {
        async files(diffId) {
          const fd = files.get(diffId) ?? (await shelf.open(diffId));
          files.delete(diffId);
          files.set(diffId, fd);
          const [oldest] = files;
          if (oldest && files.size > OPEN) {
            files.delete(oldest[0]);
            closeSync(oldest[1]);
          }
          return fd;
        },
        [Symbol.dispose]() {
          for (const fd of files.values()) closeSync(fd);
          files.clear();
        },
      };
    },
    async read(file) {
      const { content } = file;
      if (content.in === "memory") return content.bytes;
      if (content.in === "host") throw new Error("internal: the shelf reads layers, not the host");
      const bytes = Buffer.allocUnsafe(file.size);
      const fd = await shelf.open(content.diffId);
      try {
        readLayer(fd, bytes, 0, file.size, content.offset, content.diffId);
      } finally {
        closeSync(fd);
      }
      if (file.digest !== undefined && digestOf(bytes) !== file.digest) {
        throw damagedLayer(content.diffId, `${printable(file.path)} has other bytes than when the layer was made`);
      }
      return bytes;
    },
    async add(layer, draft) {
      layers.set(layer.diffId, layer);
      drafts.set(layer.diffId, Promise.resolve(draft));
      await store.writeIndex(layer.diffId, encodeIndex(draft, layer.diffId));
    },
  };
  return shelf;
}

async function indexOf(store: ContentStore, layer: Layer, task: Task): Promise<Draft> {
  const bytes = await store.readIndex(layer.diffId);
  const known = bytes && decodeIndex(bytes);
  if (known?.diffId === layer.diffId) return known.draft;
  await using blob = await store.open(layer.blob);
  const { draft } = await indexLayer(blob.read(), { diffId: layer.diffId, mediaType: layer.blob.mediaType }, task);
  await store.writeIndex(layer.diffId, encodeIndex(draft, layer.diffId));
  return draft;
}

/** Makes sure that the layer's plain tar is a blob of the store. Throws NOT_FOUND, DIGEST, COMPRESSION. */
async function unpack(store: ContentStore, diffId: Digest, layer: Layer | undefined): Promise<void> {
  // has() and not sizeOf(): from here on the blob is in use, and a prune beside spares it.
  if (await store.has(diffId)) return;
  const blob = layer?.blob ?? store.blobOf(diffId);
  if (!blob || layerCompression(blob.mediaType) === undefined) throw new Failure("NOT_FOUND", `layer ${diffId} is not in the store`);
  await using source = await store.open(blob);
  // A plain layer that came just now is what was wanted.
  if (blob.digest === diffId) return;
  const { bytes } = await decompress(source.read());
  const writer = store.writer();
  try {
    const hash = hasher();
    for await (const chunk of bytes) {
      hash.update(chunk);
      await writer.write(chunk);
    }
    const found = hash.digest();
    if (found !== diffId) throw new Failure("DIGEST", `layer ${blob.digest} unpacks to ${found}, not to its diffID ${diffId}`);
    await writer.commit(diffId);
  } catch (error) {
    writer.abort();
    throw error;
  }
}
