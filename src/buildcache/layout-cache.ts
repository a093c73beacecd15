import { printable } from "../kit/printable.ts";
import type { Digest } from "../oci/digest.ts";
import type { CachePlace, WriteOptions } from "./face.ts";
import { cacheDocuments, readCacheDocuments } from "./manifest-cache.ts";

/** Which cache of a layout: by digest, else by tag. */
export interface LayoutChoice {
  readonly digest?: Digest;
  readonly tag?: string;
}

/** A cache in a folder, as an OCI layout (`type=local`). A folder that is not there yet has no cache. */
export function layoutCache(path: string, choice: LayoutChoice, how: WriteOptions): CachePlace {
  const made = async () => (await import("../place/layout.ts")).createLayout(path);
  return {
    shown: printable(path),
    async read(task) {
      const { existsSync } = await import("node:fs");
      if (!existsSync(path)) return undefined;
      const { openLayout } = await import("../place/layout.ts");
      const from = await openLayout(path);
      return { records: await readCacheDocuments(from, await from.find(choice), task), blobs: from };
    },
    async packing() {
      const to = await made();
      return { takes: (digest) => to.has(digest), put: (bytes) => to.put(bytes) };
    },
    async write(records, from, task) {
      const [{ publishAs }, { copyImage }] = await Promise.all([import("../place/layout.ts"), import("../place/copy.ts")]);
      const to = await made();
      const documents = cacheDocuments(records, how, from);
      await copyImage(documents.from, to, documents.root, task);
      await publishAs(to, documents.root, choice.tag ?? "latest");
    },
    async [Symbol.asyncDispose]() {},
  };
}
