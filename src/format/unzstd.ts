import { createZstdDecompress } from "node:zlib";
import { Failure } from "../kit/error.ts";
import { ENGINE_CHUNK, through } from "./engine.ts";
import { Feed } from "./feed.ts";
import { compressionFailure } from "./gunzip.ts";
import { ZstdFrames } from "./zstd-frames.ts";

/**
 * Unpacks zstd (RFC 8878): any number of frames one after the other, skippable ones passed over. Anything else after a frame is
 * refused, as is a cut stream. A frame may ask for a window of 128 MiB at most. Throws COMPRESSION.
 */
export async function* unzstd(feed: Feed): AsyncGenerator<Buffer> {
  const frames = new ZstdFrames();
  for (;;) {
    const head = await feed.peek(4);
    if (head.length === 0) return;
    if (head.length < 4) throw new Failure("COMPRESSION", "zstd stream: it ends too early");
    const frame = new Feed(oneFrame(feed, frames));
    if ((head.readUInt32LE(0) & 0xfffffff0) === 0x184d2a50) {
      for await (const _ of frame);
      continue;
    }
    try {
      yield* through(createZstdDecompress({ chunkSize: ENGINE_CHUNK }), frame);
    } catch (cause) {
      throw compressionFailure("zstd", cause);
    }
    if ((await frame.next()) !== undefined) throw new Failure("COMPRESSION", "zstd stream: damaged (a frame ends before its last block)");
  }
}

/** The bytes of the frame that begins at the front of the feed. */
async function* oneFrame(feed: Feed, frames: ZstdFrames): AsyncGenerator<Buffer> {
  for (let piece = await feed.next(); piece; piece = await feed.next()) {
    const end = frames.walk(piece, 0);
    if (typeof end === "string") throw new Failure("COMPRESSION", `zstd stream: ${end}`);
    feed.unread(piece.subarray(end));
    yield piece.subarray(0, end);
    if (frames.done) return;
  }
  throw new Failure("COMPRESSION", "zstd stream: it ends too early");
}
