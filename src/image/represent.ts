import { decompress } from "../format/decompress.ts";
import { Failure } from "../kit/error.ts";
import { type Digest, hasher } from "../oci/digest.ts";
import { type Compression, layerMediaType } from "../oci/media-type.ts";
import type { BytesReader, BytesWriter, Rereadable } from "../oci/place.ts";
import type { Task } from "../task/task.ts";
import type { Layer } from "./layer.ts";

/** How a layer's bytes are to be packed. Levels: gzip 0 to 9 (4 where missing), zstd 1 to 22 (3). */
export interface Representation {
  readonly compression: Compression;
  readonly level?: number;
}

/**
 * The same layer in another compression: unpacked, compared with its diffID, packed and stored in one pass. What it is stays the same,
 * only its blob differs. `told` hears how many bytes of the layer's blob were read. Throws DIGEST where the bytes are not the layer's,
 * COMPRESSION, LIMIT, and what the places throw.
 */
export async function represent(
  layer: Layer,
  how: Representation,
  from: BytesReader,
  into: BytesWriter,
  task: Task,
  told: (done: number) => void = () => {},
): Promise<Layer> {
  const piecesFrom = (offset: number) => after(offset, packed(unpacked(layer, from, task, told), how));
  // A writer that loses its connection begins anew: the layer is packed once more.
  const bytes: Rereadable = { verified: false, [Symbol.asyncIterator]: () => piecesFrom(0), from: piecesFrom };
  const stored = await into.put(bytes);
  return { diffId: layer.diffId, blob: { mediaType: layerMediaType(how.compression), ...stored } };
}

/** The compressors are loaded when they are asked for. */
async function* packed(bytes: AsyncIterable<Uint8Array>, { compression, level }: Representation): AsyncGenerator<Uint8Array> {
  if (compression === "gzip") yield* (await import("../format/gzip.ts")).gzipStream(bytes, level);
  else if (compression === "zstd") yield* (await import("../format/zstd.ts")).zstdStream(bytes, level);
  else yield* bytes;
}

/** The plain tar of a layer. Its end comes only where all of it was the layer's. */
async function* unpacked(layer: Layer, from: BytesReader, task: Task, told: (done: number) => void): AsyncGenerator<Uint8Array> {
  const { diffId } = layer;
  await using blob = await from.open(layer.blob);
  const hash = hasher();
  let read = 0;
  async function* counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      if (task.signal.aborted) throw new Failure("INTERRUPTED", `layer ${diffId}: interrupted while it was packed anew`);
      read += piece.length;
      yield piece;
      told(read);
    }
  }
  // A blob whose digest is the diffID is plain, whatever it looks like.
  const plain = layer.blob.digest === diffId;
  const source = counted(plain ? (blob.unverified?.(0) ?? blob.read()) : blob.read());
  for await (const piece of plain ? source : (await decompress(source)).bytes) {
    hash.update(piece);
    yield piece;
  }
  const found: Digest = hash.digest();
  if (found === diffId) return;
  // The place finds out by itself what it holds damaged, and says so.
  if (plain) for await (const _ of blob.read());
  throw new Failure("DIGEST", `layer ${diffId}: its bytes unpack to ${found}`);
}

async function* after(offset: number, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = offset;
  for await (const piece of bytes) {
    if (piece.length > left) yield left === 0 ? piece : piece.subarray(left);
    left = Math.max(0, left - piece.length);
  }
}
