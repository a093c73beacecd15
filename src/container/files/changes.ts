import type { Dirent } from "node:fs";
import { readdirSync } from "node:fs";
import type { Image } from "../../image/layer.ts";
import { openImage } from "../../image/open.ts";
import { decodeName } from "../../kit/bytes.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import { parsePlatform } from "../../oci/platform.ts";
import { readChanges } from "../../rootfs/changes.ts";
import { ownHow } from "../../rootfs/open.ts";
import { openShelf, type Shelf } from "../../shelf/shelf.ts";
import type { ContentStore } from "../../store/face.ts";
import type { Task } from "../../task/task.ts";
import { fsName } from "../../tree/content.ts";
import type { Draft } from "../../tree/entry.ts";
import { mergeTree } from "../../tree/merge.ts";
import type { Path } from "../../tree/path.ts";
import type { Tree } from "../../tree/tree.ts";
import type { Container } from "../face.ts";

/** What a container was made from, and what it changed. */
export interface Changed {
  readonly image: Image;
  /** What the image's layers show together. */
  readonly below: Tree;
  /** On top of that. Contents are files of the container, which may change while it runs. */
  readonly draft: Draft;
  readonly shelf: Shelf;
}

/**
 * Reads what a container changed, without what is mounted into it. A running one is read as it is at the moment. Throws NOT_FOUND, DIGEST
 * where its image is no longer whole, and what readChanges throws.
 */
export async function readContainer(store: ContentStore, container: Container, task: Task): Promise<Changed> {
  const { record, places } = container;
  const image = await openImage(store, record.image.manifest, parsePlatform(record.image.platform));
  const shelf = openShelf(store, task);
  const below = mergeTree(await Promise.all(image.layers.map((layer) => shelf.index(layer))));
  const stubs = new Set<Path>();
  try {
    collect(places.stubs, "", stubs);
  } catch (error) {
    throw storageFailure(error, "could not read", places.stubs);
  }
  for (const path of stubs) if (below.get(path)) stubs.delete(path);
  const draft = await readChanges(places.upper, below, { ...ownHow(), stubs }, task);
  return { image, below, draft, shelf };
}

/** Mount points that were made for the container. */
function collect(folder: string, path: string, into: Set<Path>): void {
  let entries: Dirent<Buffer>[];
  try {
    entries = readdirSync(fsName(folder + path), { encoding: "buffer", withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  for (const entry of entries) {
    const inner = `${path}/${decodeName(entry.name)}`;
    into.add(inner as Path);
    if (entry.isDirectory()) collect(folder, inner, into);
  }
}

/** One line of docker diff: added, changed, deleted. */
export interface Difference {
  readonly kind: "A" | "C" | "D";
  readonly path: Path;
}

/** What a container changed, path by path, in canonical order. Of what a whole directory replaced, every name that is gone is told. */
export function differences({ below, draft }: Pick<Changed, "below" | "draft">): readonly Difference[] {
  const found: Difference[] = [];
  const now = new Set<Path>(draft.map((entry) => entry.path));
  for (const entry of draft) {
    if (entry.kind === "whiteout") {
      found.push({ kind: "D", path: entry.path });
      continue;
    }
    found.push({ kind: below.get(entry.path) ? "C" : "A", path: entry.path });
    if (entry.kind !== "dir" || !entry.opaque) continue;
    for (const old of below.list(entry.path)) if (!now.has(old.path)) found.push({ kind: "D", path: old.path });
  }
  return found;
}
