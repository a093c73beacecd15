import { constants, zstdCompress } from "node:zlib";
import { blocks, inFlight } from "./blocks.ts";

/** One frame for each of these: large enough to lose little, small enough to have several in memory. */
const FRAME = 2 << 20;
const IN_FLIGHT = 2;

/**
 * Packs a stream with zstd (RFC 8878), on all cores: one frame with checksum for every 2 MiB, packed on Node's thread pool; one empty
 * frame for an empty stream. `level` is 1 to 22. The same bytes give the same output with the same zstd, in whatever pieces they come.
 */
export async function* zstdStream(source: AsyncIterable<Uint8Array>, level = 3): AsyncGenerator<Buffer> {
  let any = false;
  for await (const frame of inFlight(blocks(source, FRAME, IN_FLIGHT), IN_FLIGHT, (block) => pack(block, level))) {
    any = true;
    yield frame;
  }
  if (!any) yield await pack(Buffer.alloc(0), level);
}

function pack(block: Buffer, level: number): Promise<Buffer> {
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  const options = { params, chunkSize: 1 << 20, pledgedSrcSize: block.length };
  return new Promise((resolve, reject) => zstdCompress(block, options, (error, packed) => (error ? reject(error) : resolve(packed))));
}
