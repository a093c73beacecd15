import type { Image } from "../../image/layer.ts";
import { Failure } from "../../kit/error.ts";
import type { Shelf } from "../../shelf/shelf.ts";
import type { Draft, Entry } from "../../tree/entry.ts";
import { mergeTree } from "../../tree/merge.ts";
import { isWithin, nameOf, type Path } from "../../tree/path.ts";
import type { Tree } from "../../tree/tree.ts";

/** The merged view of all layers; every index is read. */
export async function wholeTree(image: Image, shelf: Shelf): Promise<Tree> {
  const drafts: Draft[] = [];
  for (const layer of image.layers) drafts.push(await shelf.index(layer));
  return mergeTree(drafts);
}

/**
 * What stands under a path, links followed. Layers are read from the top, and only as many as it takes: below a layer that has the file, or
 * says that it is gone, none matters, unless a layer above may reach the same place by another path. Undefined where there is nothing.
 */
export async function findEntry(image: Image, shelf: Shelf, path: Path): Promise<Entry | undefined> {
  const above: Draft[] = [];
  for (let at = image.layers.length - 1; at >= 0; at--) {
    const draft = await shelf.index(image.layers[at] as Image["layers"][number]);
    const early = above.some((one) => mayTouch(one, path)) ? undefined : verdict(draft, path);
    if (early === "gone") return undefined;
    const found = early && quietly(() => mergeTree([draft, ...above]).get(path));
    if (found) return found;
    above.unshift(draft);
  }
  return mergeTree(above).lookup(path);
}

/** What a layer alone says of a path: that it has a file there, or that whatever was below is gone. */
function verdict(draft: Draft, path: Path): "here" | "gone" | undefined {
  let gone = false;
  for (const entry of draft) {
    if (entry.path === path)
      return entry.kind === "file" || entry.kind === "hardlink" ? "here" : entry.kind === "whiteout" ? "gone" : undefined;
    if (isWithin(path, entry.path) && (entry.kind === "whiteout" || (entry.kind === "dir" && entry.opaque))) gone = true;
  }
  return gone ? "gone" : undefined;
}

/** Whether a layer above has something to say of the path: by its own name, or by another through a link that lies below. */
function mayTouch(draft: Draft, path: Path): boolean {
  const name = nameOf(path);
  return draft.some((entry) => nameOf(entry.path) === name || entry.kind === "symlink" || (entry.kind === "dir" && entry.opaque === true));
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    // Half a stack of layers may not fit together; the whole one decides.
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
