import { removeCacheMounts } from "../../cache/list.ts";
import type { ContentStore } from "../../store/face.ts";
import type { CacheItem } from "./items.ts";

/** What was removed of the build cache, and the bytes of cache mounts among it; those of layers a collection frees. */
export interface Pruned {
  readonly items: readonly CacheItem[];
  readonly bytes: number;
}

/** Removes items of the build cache, but never a cache mount that is in use. */
export async function removeItems(store: ContentStore, items: readonly CacheItem[]): Promise<Pruned> {
  const wanted = new Set(items.flatMap((item) => (item.type === "exec.cachemount" ? [item.mount.name] : [])));
  const gone = new Set((await removeCacheMounts(store.dir, ({ name }) => wanted.has(name))).map(({ name }) => name));
  const keys = new Set(items.flatMap((item) => (item.type === "regular" ? [item.record.key] : [])));
  if (keys.size > 0) await store.forgetRecords(({ key }) => !keys.has(key));
  const removed = items.filter((item) => item.type === "regular" || gone.has(item.mount.name));
  return { items: removed, bytes: removed.reduce((sum, item) => sum + (item.type === "exec.cachemount" ? item.bytes : 0), 0) };
}

/**
 * Those used longest ago, as many as must go so that what is left of `all` takes at most `bytes`. Shared ones take nothing of their own.
 */
export function beyondLimit(all: readonly CacheItem[], candidates: readonly CacheItem[], bytes: number): CacheItem[] {
  let total = all.reduce((sum, item) => sum + (item.shared ? 0 : item.bytes), 0);
  const gone: CacheItem[] = [];
  for (const item of candidates.toSorted((a, b) => a.lastUsed - b.lastUsed)) {
    if (total <= bytes) break;
    if (item.inUse || item.shared) continue;
    gone.push(item);
    total -= item.bytes;
  }
  return gone;
}
