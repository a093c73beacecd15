import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Feed } from "./feed.ts";

/** How far a stream may unpack: all of it, and how many times larger than its input. Bytes. */
export interface Bounds {
  readonly bytes: number;
  readonly ratio: number;
}

/** A ratio says nothing about a few bytes: it counts from here on. */
const RATIO_FROM = 256 << 20;

/**
 * Passes on what a stream unpacks to, and stops where it grows beyond bounds. Throws LIMIT, naming the bound.
 * `feed` tells how many bytes went in.
 */
export async function* bounded(unpacked: AsyncIterable<Buffer>, feed: Feed, bounds?: Partial<Bounds>): AsyncGenerator<Buffer> {
  const most = bounds?.bytes ?? LIMITS.unpackedBytes;
  const ratio = bounds?.ratio ?? LIMITS.unpackedRatio;
  let total = 0;
  for await (const piece of unpacked) {
    total += piece.length;
    if (total > most) throw new Failure("LIMIT", `compressed stream: it unpacks to more than ${most} bytes`);
    if (total > RATIO_FROM && total > feed.total * ratio)
      throw new Failure("LIMIT", `compressed stream: ${feed.total} bytes unpack to more than ${ratio} times as many`);
    yield piece;
  }
}
