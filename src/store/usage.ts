import { join } from "node:path";
import { lookAt, namesIn } from "../kit/look.ts";

import { type Digest, hexOf } from "../oci/digest.ts";
import { blobsIn } from "./collect.ts";
import type { StoreUsage } from "./face.ts";
import { emptyMarks, mark } from "./mark.ts";
import type { Parts } from "./parts.ts";

/** Adds up what names, kept images and cache records hold. Reads documents and sizes only. Throws STORAGE. */
export function usageOf(parts: Parts): StoreUsage {
  const { layout, blobs, names, records } = parts;
  const referrersOf = parts.referrers.snapshot();
  const sizes = new Map<Digest, number>();
  for (const digest of blobsIn(layout.blobs)) sizes.set(digest, sizeOf(join(layout.blobs, hexOf(digest))));
  const sum = (digests: Iterable<Digest>, but?: ReadonlySet<Digest>) => {
    let bytes = 0;
    for (const digest of digests) if (!but?.has(digest)) bytes += sizes.get(digest) ?? 0;
    return bytes;
  };

  const named = names.list();
  const roots = new Set(named.map(({ root }) => root.digest));
  const unnamed = names.kept().filter(({ root }) => !roots.has(root.digest));
  const marks = emptyMarks();
  for (const { root } of named) mark(blobs, root, marks, referrersOf);
  const byName = new Set(marks.reached);
  for (const { root } of unnamed) mark(blobs, root, marks, referrersOf);

  const all = records.all();
  const cached = new Set(all.flatMap(({ layer }) => (layer ? [layer.blob.digest] : [])));
  const used = new Set([...marks.reached, ...cached]);
  const unused = [...sizes.keys()].filter((digest) => !used.has(digest));
  const aside = [...sizesIn(layout.trash), ...sizesIn(layout.damaged)];
  const derived = [...sizesIn(layout.index), ...sizesIn(layout.scratch)];
  return {
    images: {
      total: roots.size + unnamed.length,
      unnamed: unnamed.length,
      bytes: sum(marks.reached),
      reclaimable: sum(marks.reached, byName),
    },
    cache: { total: all.length, bytes: sum(cached), reclaimable: sum(cached, marks.reached) },
    unreferenced: { total: unused.length + aside.length, bytes: sum(unused) + total(aside) },
    derived: { total: derived.length, bytes: total(derived) },
  };
}

function sizesIn(folder: string): number[] {
  return namesIn(folder).map((name) => sizeOf(join(folder, name)));
}

function sizeOf(path: string): number {
  return lookAt(path)?.size ?? 0;
}

function total(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}
