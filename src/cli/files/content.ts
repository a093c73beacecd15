import { decompress } from "../../format/decompress.ts";
import type { Image } from "../../image/layer.ts";
import { assert, Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { hasher } from "../../oci/digest.ts";
import { layerCompression } from "../../oci/media-type.ts";
import type { BytesReader } from "../../oci/place.ts";
import type { FileEntry } from "../../tree/entry.ts";

/**
 * The bytes of a file, from where its layer is: of a plain layer just that part, of a packed one what comes before it too, and nothing
 * after. Throws DIGEST at the end where they are not what the layer's index says, NETWORK, COMPRESSION.
 */
export async function* contentOf(from: BytesReader, image: Image, entry: FileEntry): AsyncGenerator<Uint8Array> {
  const { content, size } = entry;
  if (content.in === "memory") return yield content.bytes;
  assert(content.in === "layer", "files of images are in layers");
  const layer = image.layers.find((one) => one.diffId === content.diffId);
  assert(layer, "the layer belongs to the image");
  if (size === 0) return;
  await using blob = await from.open(layer.blob);
  const plain = layerCompression(layer.blob.mediaType) === "uncompressed";
  const bytes = plain
    ? blob.read(content.offset, content.offset + size)
    : part((await decompress(blob.read())).bytes, content.offset, content.offset + size);
  const hash = hasher();
  let got = 0;
  for await (const piece of bytes) {
    hash.update(piece);
    got += piece.length;
    yield piece;
  }
  if (got !== size || (entry.digest !== undefined && hash.digest() !== entry.digest))
    throw new Failure("DIGEST", `${printable(entry.path)} in layer ${content.diffId} has other bytes than the layer's index says`);
}

async function* part(bytes: AsyncIterable<Uint8Array>, from: number, to: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const piece of bytes) {
    const [first, last] = [Math.max(0, from - at), Math.min(piece.length, to - at)];
    if (last > first) yield piece.subarray(first, last);
    at += piece.length;
    if (at >= to) return;
  }
}
