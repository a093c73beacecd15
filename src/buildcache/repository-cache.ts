import type { Place } from "../oci/place.ts";
import { formatReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import type { Task } from "../task/task.ts";
import type { CachePlace, WriteOptions } from "./face.ts";
import { cacheDocuments, readCacheDocuments } from "./manifest-cache.ts";

/** Opens the repository of a name; whoever starts the build hands this down. */
export type OpenRepository = (name: Reference, access: "pull" | "push", task: Task) => Promise<Place & AsyncDisposable>;

/**
 * A cache under a name in a registry (`type=registry`). Reading takes a cache as BuildKit and nought write it, or an image that has one
 * inside (`type=inline`).
 */
export function repositoryCache(bare: Reference, how: WriteOptions, open: OpenRepository): CachePlace {
  const name = withDefaultTag(bare);
  const opened: AsyncDisposable[] = [];
  const place = async (access: "pull" | "push", task: Task) => {
    const repository = await open(name, access, task);
    opened.push(repository);
    return repository;
  };
  return {
    shown: formatReference(name),
    async read(task) {
      const from = await place("pull", task);
      const root = await from.resolve(name, task);
      return root && { records: await readCacheDocuments(from, root, task), blobs: from };
    },
    async write(records, from, task) {
      const { copyImage } = await import("../place/copy.ts");
      const to = await place("push", task);
      const documents = cacheDocuments(records, how, from);
      await copyImage(documents.from, to, documents.root, task);
      await to.publish(name, documents.root, task);
    },
    async [Symbol.asyncDispose]() {
      for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
    },
  };
}
