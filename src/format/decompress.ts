import { type Bounds, bounded } from "./bounded.ts";
import { DETECT_BYTES, detect, type StreamKind } from "./detect.ts";
import { Feed } from "./feed.ts";

/** A stream without its compression. `head` holds its first bytes before that, for messages (foreignKind in detect.ts). */
export interface Decompressed {
  /** What the stream was; a `tar` and what we do not know (`other`) pass through as they are. */
  readonly kind: StreamKind;
  readonly head: Buffer;
  /** Pieces of at most some 256 KiB for compressed streams. To be read once. */
  readonly bytes: AsyncIterable<Buffer>;
}

/**
 * Takes the compression off a stream, whichever it is: gzip, zstd, xz and bzip2 are told by their first bytes, never by a name or a
 * media type. Every byte of the input is accounted for: what is cut, damaged, or followed by bytes of something else throws
 * COMPRESSION while `bytes` is read; what unpacks to more than `bounds` (LIMITS.unpackedBytes and unpackedRatio) throws LIMIT.
 */
export async function decompress(source: AsyncIterable<Uint8Array>, bounds?: Partial<Bounds>): Promise<Decompressed> {
  const feed = new Feed(source);
  const head = await feed.peek(DETECT_BYTES);
  const kind = detect(head);
  const unpack = await decoder(kind);
  return { kind, head, bytes: unpack ? closing(bounded(unpack(feed), feed, bounds), feed) : feed };
}

/** The decoders are loaded when a stream of their kind comes. */
async function decoder(kind: StreamKind): Promise<((feed: Feed) => AsyncIterable<Buffer>) | undefined> {
  switch (kind) {
    case "gzip":
      return (await import("./gunzip.ts")).gunzip;
    case "zstd":
      return (await import("./unzstd.ts")).unzstd;
    case "xz":
      return (await import("./unxz.ts")).unxz;
    case "bzip2":
      return (await import("./bunzip2.ts")).bunzip2;
    default:
      return undefined;
  }
}

async function* closing(bytes: AsyncIterable<Buffer>, feed: Feed): AsyncGenerator<Buffer> {
  try {
    yield* bytes;
  } finally {
    await feed.close();
  }
}
