import { debianPackages } from "../attest/debian-packages.ts";
import type { Dependency } from "../attest/provenance.ts";
import type { Image } from "../image/layer.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Shelf } from "../shelf/shelf.ts";
import type { FileEntry } from "../tree/entry.ts";
import { mergeTree } from "../tree/merge.ts";
import { toPath } from "../tree/path.ts";
import type { Tree } from "../tree/tree.ts";
import { MADE_BY } from "./images.ts";

const STATUS = toPath("/var/lib/dpkg/status");
const PARTS = toPath("/var/lib/dpkg/status.d");

/**
 * The Debian packages of an image that nought made of them: its layers are here, and dpkg's books say which they are. Nothing for any other
 * image, whose layers may be elsewhere and would have to be fetched for this. Throws DIGEST, STORAGE.
 */
export async function packagesOf(image: Image, shelf: Shelf): Promise<readonly Dependency[]> {
  const made = image.annotations?.[MADE_BY];
  if (made === undefined) return [];
  const [, suite] = made.split(" ");
  const drafts = [];
  for (const layer of image.layers) drafts.push(await shelf.index(layer));
  const found: Dependency[] = [];
  for (const file of booksOf(mergeTree(drafts))) found.push(...debianPackages(Buffer.from(await shelf.read(file)).toString("utf8"), suite));
  return found;
}

function booksOf(tree: Tree): readonly FileEntry[] {
  const whole = tree.lookup(STATUS);
  const files = [...(whole ? [whole] : []), ...tree.list(PARTS)];
  return files.flatMap((one) => (one.kind === "file" && !one.path.endsWith(".md5sums") && one.size <= LIMITS.statementBytes ? [one] : []));
}
