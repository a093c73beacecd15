import type { Transform } from "node:stream";
import type { Zlib } from "node:zlib";
import type { Feed } from "./feed.ts";

/** Bytes that a zlib engine hands out at once. Its own default of 16 KiB makes unpacking 2.6 times as slow (measured). */
export const ENGINE_CHUNK = 256 * 1024;

/**
 * Runs a feed through one of Node's zlib engines until the engine has had enough, and puts back what it did not take: the engines
 * themselves drop it without a word. Errors of the engine and of the feed are thrown as they are.
 */
export async function* through(engine: Transform & Zlib, feed: Feed): AsyncGenerator<Buffer> {
  let given = 0;
  const closed = new Promise<void>((resolve) => engine.once("close", resolve));
  const feeding = (async () => {
    while (!engine.destroyed) {
      const piece = await feed.next();
      if (piece === undefined) {
        engine.end();
        return;
      }
      if (engine.destroyed) return;
      given += piece.length;
      await Promise.race([new Promise<void>((resolve) => engine.write(piece, () => resolve())), closed]);
      if (engine.bytesWritten < given) {
        if (engine.destroyed) return;
        // It stopped in the middle of the piece: what follows is not its own.
        feed.unread(piece.subarray(piece.length - (given - engine.bytesWritten)));
        engine.end();
        return;
      }
    }
  })();
  // A failing feed ends the loop below with its own error.
  feeding.catch((error: Error) => engine.destroy(error));
  try {
    for await (const piece of engine as AsyncIterable<Buffer>) yield piece;
    await feeding;
  } finally {
    engine.destroy();
    // The feeder may still wait for a source that never answers; it ends by itself when it does.
    await closed;
  }
}
