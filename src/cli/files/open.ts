import type { Image } from "../../image/layer.ts";
import { openImage } from "../../image/open.ts";
import type { BytesReader } from "../../oci/place.ts";
import { hostPlatform, parsePlatform } from "../../oci/platform.ts";
import { openShelf, type Shelf } from "../../shelf/shelf.ts";
import type { ContentStore } from "../../store/face.ts";
import type { Task } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { openSource } from "../transfer/source.ts";
import { readPlaceWord } from "../transfer/word.ts";

/** An image whose files can be looked at, wherever it is. */
export interface OpenFiles extends AsyncDisposable {
  readonly image: Image;
  readonly from: BytesReader;
  readonly shelf: Shelf;
}

/**
 * Opens an image of the store, or of any place that `nought copy` knows. Layers are read where they are, nothing is unpacked; their indexes
 * are
 * kept in the store, so that the next look at an image of a registry needs no layer. Throws NOT_FOUND and what places throw.
 */
export async function openFiles(call: Invocation, text: string, platform: string | undefined, task: Task): Promise<OpenFiles> {
  const source = await openSource(call, readPlaceWord(text), task);
  try {
    const image = await openImage(source.from, source.root, platform === undefined ? hostPlatform() : parsePlatform(platform));
    const store = await call.store();
    const shelf = openShelf(source.from === store ? store : beside(store, source.from), task);
    return { image, from: source.from, shelf, [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]() };
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

/** The store, with blobs that it lacks read elsewhere. */
function beside(store: ContentStore, from: BytesReader): ContentStore {
  return { ...store, open: async (what) => (store.sizeOf(what.digest) === what.size ? store.open(what) : from.open(what)) };
}
