import { type ListedMount, listCacheMounts } from "../../cache/list.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { type Digest, hexOf } from "../../oci/digest.ts";
import type { CacheRecord, ContentStore } from "../../store/face.ts";
import { readCatalog } from "../catalog.ts";
import { invalidFilter, readFilter, readUntil } from "../image-filter.ts";

/** One line of the build cache: a cache mount, or what a step came to. */
export type CacheItem = {
  readonly id: string;
  readonly bytes: number;
  readonly lastUsed: number;
  readonly inUse: boolean;
  /** An image holds the same bytes, so that removing it frees nothing. */
  readonly shared: boolean;
} & ({ readonly type: "exec.cachemount"; readonly mount: ListedMount } | { readonly type: "regular"; readonly record: CacheRecord });

/** The whole build cache: cache mounts first, each kind with what was used last first. */
export async function cacheItems(store: ContentStore): Promise<CacheItem[]> {
  const catalog = await readCatalog(store);
  const held = new Set<Digest>(catalog.images.flatMap((image) => image.layers.map((layer) => layer.digest)));
  const mounts = listCacheMounts(store.dir).map(
    (mount): CacheItem => ({
      type: "exec.cachemount",
      id: mount.short,
      bytes: mount.size,
      lastUsed: mount.lastUsed,
      inUse: mount.inUse,
      shared: false,
      mount,
    }),
  );
  const records = store.records().map((record): CacheItem => {
    const blob = record.layer?.blob.digest;
    return {
      type: "regular",
      id: hexOf(record.key).slice(0, 12),
      bytes: blob === undefined ? 0 : (store.sizeOf(blob) ?? 0),
      lastUsed: record.at,
      inUse: false,
      shared: blob !== undefined && held.has(blob),
      record,
    };
  });
  return [...mounts, ...records.sort((a, b) => b.lastUsed - a.lastUsed)];
}

/** What a cache mount is called, as BuildKit says it; nothing is known of other items. */
export function describe(item: CacheItem): string {
  if (item.type === "regular") return "result of a build step";
  return `cache mount ${item.mount.id}${item.mount.description === undefined ? "" : ` (${item.mount.description})`}`;
}

/** Which items the filters let through; all must agree. Throws USAGE for a filter that is not known. */
export function cacheFilter(filters: readonly string[], now = Date.now()): (item: CacheItem) => boolean {
  const tests = filters.map((text): ((item: CacheItem) => boolean) => {
    const { name, value } = readFilter(text);
    const truth = /^(?:true|1)$/i.test(value) ? true : /^(?:false|0)$/i.test(value) ? false : undefined;
    switch (name) {
      case "until": {
        const border = readUntil(value, now);
        return (item) => item.lastUsed < border;
      }
      case "id":
        return (item) => isCalled(item, value);
      case "type":
        if (!["exec.cachemount", "regular"].includes(value))
          throw new Failure("USAGE", `unknown type of cache "${printable(value)}"`, { exit: 1 });
        return (item) => item.type === value;
      case "inuse":
      case "shared": {
        if (truth === undefined) throw invalidFilter(`${name}=[${value}]`);
        return (item) => (name === "inuse" ? item.inUse : item.shared) === truth;
      }
      case "private":
        return (item) => !item.shared;
      default:
        throw invalidFilter(name);
    }
  });
  return (item) => tests.every((test) => test(item));
}

/** Whether a word names an item: the id of a cache mount, or the beginning of what lists call it. */
export function isCalled(item: CacheItem, word: string): boolean {
  if (item.type === "exec.cachemount" && item.mount.id === word) return true;
  return /^[0-9a-f-]{1,80}$/.test(word) && (item.id.startsWith(word) || wholeId(item).startsWith(word));
}

/** The ID that is not cut. */
export function wholeId(item: CacheItem): string {
  return item.type === "exec.cachemount" ? item.mount.name : hexOf(item.record.key);
}
