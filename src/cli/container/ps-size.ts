import { lstatSync, readdirSync } from "node:fs";
import type { Container } from "../../container/face.ts";
import { decodeName } from "../../kit/bytes.ts";
import { fsName } from "../../tree/content.ts";
import type { Catalog } from "../catalog.ts";

/** Bytes that a container has written, and those of its image's layers as they are stored. Files that cannot be reached count nothing. */
export function sizesOf({ record, places }: Container, catalog: Catalog | undefined): { readonly own: number; readonly image: number } {
  const image = catalog?.images.find((one) => one.id === record.image.id);
  return { own: bytesBelow(places.upper), image: image?.layers.reduce((sum, one) => sum + one.size, 0) ?? 0 };
}

function bytesBelow(folder: string): number {
  let sum = 0;
  const seen = new Set<number>();
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    try {
      for (const entry of readdirSync(fsName(next), { encoding: "buffer", withFileTypes: true })) {
        const path = `${next}/${decodeName(entry.name)}`;
        if (entry.isDirectory()) waiting.push(path);
        else if (entry.isFile()) {
          const { ino, size, nlink } = lstatSync(fsName(path));
          if (nlink === 1 || !seen.has(ino)) sum += size;
          seen.add(ino);
        }
      }
    } catch {
      // Another user's directory, or gone meanwhile.
    }
  }
  return sum;
}
