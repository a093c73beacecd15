import { decompress } from "../format/decompress.ts";
import { DETECT_BYTES, detect, type StreamKind } from "../format/detect.ts";
import { encodeIndex } from "../image/index.ts";
import { indexLayer } from "../image/index-layer.ts";
import { Failure } from "../kit/error.ts";
import { type Digest, hasher } from "../oci/digest.ts";
import { type Compression, layerMediaType } from "../oci/media-type.ts";
import type { Task } from "../task/task.ts";
import type { Shelf } from "./shelf.ts";

/** What a layer turned out to be, once all of it was read. */
export interface TakenLayer {
  /** Of the bytes as they came. */
  readonly given: Digest;
  /** Of the blob that was stored. */
  readonly digest: Digest;
  readonly size: number;
  readonly diffId: Digest;
  /** The media type its bytes have a right to. */
  readonly mediaType: string;
}

/** What bytes are found guilty of that may only have been spoiled on their way. */
const SHAPES: ReadonlySet<string> = new Set(["TAR", "COMPRESSION", "LIMIT", "DIGEST"]);

const STORED: Readonly<Partial<Record<StreamKind, Compression>>> = {
  gzip: "gzip",
  zstd: "zstd",
  tar: "uncompressed",
  other: "uncompressed",
};

/**
 * Reads a layer once: its bytes go into the store while their digest, the digest of what they unpack to and its index are
 * taken. Compression is told by the bytes alone. With `expect`, other bytes are refused; without, xz and bzip2, for which
 * manifests have no word, are stored unpacked. Throws DIGEST, COMPRESSION, TAR, LIMIT, and nothing stays.
 */
export async function takeLayer(
  store: Shelf,
  chunks: AsyncIterable<Uint8Array>,
  expect: { readonly digest: Digest; readonly size: number } | undefined,
  mediaType: string | undefined,
  diffId: Digest | undefined,
  task: Task,
): Promise<TakenLayer> {
  const into = expect !== undefined && (await store.has(expect.digest)) ? undefined : store.writer();
  const given = hasher();
  let size = 0;
  let written = 0;
  const write = async (chunk: Uint8Array) => {
    written += chunk.length;
    await into?.write(chunk);
  };
  let close: () => unknown = () => {};
  try {
    const { kind, rest, close: done } = await peek(chunks);
    close = done;
    const compression = STORED[kind] ?? (expect === undefined ? undefined : "uncompressed");
    const counted = async function* () {
      for await (const chunk of rest) {
        if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while reading a layer");
        size += chunk.length;
        if (expect !== undefined && size > expect.size)
          throw new Failure("DIGEST", `blob ${expect.digest} has more than the ${expect.size} bytes announced`);
        given.update(chunk);
        if (compression !== undefined) await write(chunk);
        yield chunk;
      }
    };
    const source = compression === undefined ? passing((await decompress(counted())).bytes, write) : counted();
    // Whatever the bytes look like, those of another digest are refused for that.
    const judge = async (problem: unknown): Promise<never> => {
      if (expect === undefined || !(problem instanceof Failure) || !SHAPES.has(problem.code) || size > expect.size) throw problem;
      for await (const _ of counted()) if (size > expect.size) break;
      const came = given.digest();
      if (came === expect.digest && size === expect.size) throw problem;
      throw new Failure("DIGEST", `blob ${expect.digest} came with other bytes: ${problem.message}`, { cause: problem });
    };
    const declared = { ...(diffId === undefined ? {} : { diffId }), ...(mediaType === undefined ? {} : { mediaType }) };
    const indexed = await indexLayer(source, declared, task).catch(judge);
    const digest = given.digest();
    if (expect !== undefined && (size !== expect.size || digest !== expect.digest)) {
      throw new Failure("DIGEST", `blob ${expect.digest} of ${expect.size} bytes came with ${size} bytes and the digest ${digest}`);
    }
    const stored = compression === undefined ? indexed.diffId : digest;
    await into?.commit(stored, written);
    await store.writeIndex(indexed.diffId, encodeIndex(indexed.draft, indexed.diffId));
    return {
      given: digest,
      digest: stored,
      size: written,
      diffId: indexed.diffId,
      mediaType: layerMediaType(compression ?? "uncompressed"),
    };
  } catch (error) {
    into?.abort();
    throw error;
  } finally {
    await close();
  }
}

async function* passing(chunks: AsyncIterable<Buffer>, write: (chunk: Uint8Array) => Promise<void>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    await write(chunk);
    yield chunk;
  }
}

/** The kind of a stream, and the stream again from its beginning. */
async function peek(chunks: AsyncIterable<Uint8Array>): Promise<{ kind: StreamKind; rest: AsyncIterable<Uint8Array>; close(): unknown }> {
  const iterator = chunks[Symbol.asyncIterator]();
  const early: Uint8Array[] = [];
  let size = 0;
  while (size < DETECT_BYTES) {
    const { value, done } = await iterator.next();
    if (done) break;
    early.push(value);
    size += value.length;
  }
  const kind = detect(Buffer.concat(early));
  // Who stops early may come back for what is left.
  const rest: AsyncIterator<Uint8Array> = {
    next: async () => (early.length > 0 ? { value: early.shift() as Uint8Array, done: false } : iterator.next()),
  };
  return { kind, rest: { [Symbol.asyncIterator]: () => rest }, close: () => iterator.return?.() };
}
