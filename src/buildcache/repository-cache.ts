import type { Place } from "../oci/place.ts";
import { formatReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import type { PackedPlace } from "../place/represent.ts";
import type { Task } from "../task/task.ts";
import type { CachePlace, WriteOptions } from "./face.ts";
import { cacheDocuments, readCacheDocuments } from "./manifest-cache.ts";

/** A repository of a registry. */
export interface OpenedRepository {
  readonly place: Place & AsyncDisposable;
  /** The same for layers that are packed on the way. */
  readonly packed?: PackedPlace;
}

/** Opens the repository of a name; whoever starts the build hands this down. */
export type OpenRepository = (name: Reference, access: "pull" | "push", task: Task) => Promise<OpenedRepository>;

/**
 * A cache under a name in a registry (`type=registry`). Reading takes a cache as BuildKit and nought write it, or an image that has one
 * inside (`type=inline`).
 */
export function repositoryCache(bare: Reference, how: WriteOptions, open: OpenRepository): CachePlace {
  const name = withDefaultTag(bare);
  const opened = new Map<"pull" | "push", Promise<OpenedRepository>>();
  const opening = (access: "pull" | "push", task: Task) => {
    const repository = opened.get(access) ?? open(name, access, task);
    opened.set(access, repository);
    return repository;
  };
  return {
    shown: formatReference(name),
    async read(task) {
      const from = (await opening("pull", task)).place;
      const root = await from.resolve(name, task);
      return root && { records: await readCacheDocuments(from, root, task), blobs: from };
    },
    packing: async (task) => (await opening("push", task)).packed,
    async write(records, from, task) {
      const { copyImage } = await import("../place/copy.ts");
      const to = (await opening("push", task)).place;
      const documents = cacheDocuments(records, how, from);
      await copyImage(documents.from, to, documents.root, task);
      await to.publish(name, documents.root, task);
    },
    async [Symbol.asyncDispose]() {
      for (const one of await Promise.allSettled(opened.values()))
        if (one.status === "fulfilled") await one.value.place[Symbol.asyncDispose]();
      opened.clear();
    },
  };
}
