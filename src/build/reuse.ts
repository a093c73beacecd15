import type { Layer } from "../image/layer.ts";
import type { Draft, FileEntry } from "../tree/entry.ts";
import { compareByPath } from "../tree/order.ts";
import type { FindDigest } from "./key.ts";
import type { Workshop } from "./workshop.ts";

/**
 * The same draft with contents taken from the layer that this step came to last time, wherever a file's digest is the same there: one
 * open file and reads in order instead of fifty thousand small files. Sealing compares every content with its digest, so a
 * damaged layer is found and not handed on. Both lists are in canonical order; one walk over them is enough.
 */
export async function reuse(draft: Draft, before: Layer, find: FindDigest, shop: Workshop): Promise<Draft> {
  if (draft.length < 100 || shop.store.sizeOf(before.diffId) === undefined) return draft;
  const old = await shop.shelf.index(before);
  let at = 0;
  return draft.map((entry) => {
    if (entry.kind !== "file" || entry.content.in !== "host") return entry;
    while (at < old.length && compareByPath((old[at] as { path: string }).path, entry.path) < 0) at++;
    const there = old[at];
    if (there?.kind !== "file" || there.path !== entry.path || there.size !== entry.size || there.digest === undefined) return entry;
    if (there.digest !== find(entry)) return entry;
    return { ...entry, content: there.content, digest: there.digest } satisfies FileEntry;
  });
}
