import { decompress } from "../format/decompress.ts";
import { Failure } from "../kit/error.ts";
import { type Digest, hasher } from "../oci/digest.ts";
import { type Compression, layerMediaType } from "../oci/media-type.ts";
import type { BytesReader, BytesWriter } from "../oci/place.ts";
import type { Task } from "../task/task.ts";
import type { Layer } from "./layer.ts";

/** How a layer's bytes are to be packed. Levels: gzip 0 to 9 (6 where missing), zstd 1 to 22 (3). */
export interface Representation {
  readonly compression: Compression;
  readonly level?: number;
}

/**
 * The same layer in another compression: unpacked, compared with its diffID, packed and stored in one pass. What it is stays the same,
 * only its blob differs. Throws DIGEST where the bytes are not the layer's, COMPRESSION, LIMIT, and what the places throw.
 */
export async function represent(layer: Layer, how: Representation, from: BytesReader, into: BytesWriter, task: Task): Promise<Layer> {
  await using blob = await from.open(layer.blob);
  const { bytes } = await decompress(blob.read());
  const stored = await into.put(await packed(verified(bytes, layer.diffId, task), how));
  return { diffId: layer.diffId, blob: { mediaType: layerMediaType(how.compression), ...stored } };
}

/** The compressors are loaded when they are asked for. */
async function packed(bytes: AsyncIterable<Uint8Array>, { compression, level }: Representation): Promise<AsyncIterable<Uint8Array>> {
  switch (compression) {
    case "gzip":
      return (await import("../format/gzip.ts")).gzipStream(bytes, level);
    case "zstd":
      return (await import("../format/zstd.ts")).zstdStream(bytes, level);
    default:
      return bytes;
  }
}

async function* verified(bytes: AsyncIterable<Buffer>, diffId: Digest, task: Task): AsyncGenerator<Buffer> {
  const hash = hasher();
  for await (const piece of bytes) {
    if (task.signal.aborted) throw new Failure("INTERRUPTED", `layer ${diffId}: interrupted while it was packed anew`);
    hash.update(piece);
    yield piece;
  }
  const found = hash.digest();
  if (found !== diffId) throw new Failure("DIGEST", `layer ${diffId}: its bytes unpack to ${found}`);
}
