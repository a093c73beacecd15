import { Failure } from "../kit/error.ts";
import { BitWindow, OutOfBits } from "./bit-window.ts";
import { readBlock, type SortedBlock } from "./bunzip2-block.ts";
import type { Feed } from "./feed.ts";

/** A block of 900,000 symbols of at most 20 bits, its tables included: with that much at hand a block never has to wait for more. */
const WINDOW = 2_400_000;
const OUT = 256 * 1024;
const BLOCK_MAGIC = [0x314159, 0x265359] as const;
const END_MAGIC = [0x177245, 0x385090] as const;

/**
 * Unpacks bzip2: any number of streams one after the other, checksums verified. A cut or damaged stream, and bytes after the
 * end, are refused. Throws COMPRESSION.
 */
export async function* bunzip2(feed: Feed): AsyncGenerator<Buffer> {
  const bits = new BitWindow();
  try {
    for (await fill(bits, feed); bits.available > 0; await fill(bits, feed)) yield* oneStream(bits, feed);
  } catch (cause) {
    if (cause instanceof OutOfBits) throw new Failure("COMPRESSION", "bzip2 stream: it ends too early");
    throw cause;
  }
}

async function* oneStream(bits: BitWindow, feed: Feed): AsyncGenerator<Buffer> {
  const magic = bits.read(24);
  const level = bits.read(8) - 0x30;
  if (magic !== 0x425a68 || level < 1 || level > 9) throw damaged("other bytes follow after its end");
  const links = new Uint32Array(level * 100_000);
  let streamSum = 0;
  for (;;) {
    await fill(bits, feed);
    const mark = [bits.read(24), bits.read(24)];
    const sum = ((bits.read(16) << 16) | bits.read(16)) >>> 0;
    if (mark[0] === END_MAGIC[0] && mark[1] === END_MAGIC[1]) {
      if (sum !== streamSum) throw damaged("its checksum is wrong");
      bits.align();
      return;
    }
    if (mark[0] !== BLOCK_MAGIC[0] || mark[1] !== BLOCK_MAGIC[1]) throw damaged("a block does not begin with its mark");
    const block = readBlock(bits, links);
    if (typeof block === "string") throw damaged(block);
    const found = yield* unsorted(block);
    if (found !== sum) throw damaged("the checksum of a block is wrong");
    streamSum = (((streamSum << 1) | (streamSum >>> 31)) ^ sum) >>> 0;
  }
}

/** Walks the sorted text, undoes the outer run lengths (four equal bytes and a count) and returns the checksum. */
function* unsorted({ links, start, length }: SortedBlock): Generator<Buffer, number> {
  let out = Buffer.allocUnsafe(OUT);
  let used = 0;
  let sum = 0xffffffff;
  let place = start;
  let equal = 0;
  let before = -1;
  for (let at = 0; at < length; at++) {
    const link = links[place] as number;
    const byte = link & 0xff;
    place = link >>> 8;
    const counting = equal === 4;
    const times = counting ? byte : 1;
    const value = counting ? before : byte;
    if (used + times > OUT) {
      yield out.subarray(0, used);
      out = Buffer.allocUnsafe(OUT);
      used = 0;
    }
    for (let time = 0; time < times; time++) {
      out[used++] = value;
      sum = (sum << 8) ^ (TABLE[(sum >>> 24) ^ value] as number);
    }
    equal = counting ? 0 : byte === before ? equal + 1 : 1;
    before = counting ? -1 : byte;
  }
  if (used > 0) yield out.subarray(0, used);
  return ~sum >>> 0;
}

/** CRC-32 with the highest bit first, as bzip2 has it (zlib's is the mirror image). */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 24;
  for (let bit = 0; bit < 8; bit++) sum = sum & 0x8000_0000 ? (sum << 1) ^ 0x04c1_1db7 : sum << 1;
  return sum >>> 0;
});

async function fill(bits: BitWindow, feed: Feed): Promise<void> {
  if (bits.available >= WINDOW) return;
  const pieces: Buffer[] = [];
  for (let have = bits.available; have < 2 * WINDOW; ) {
    const piece = await feed.next();
    if (!piece) break;
    pieces.push(Buffer.from(piece));
    have += piece.length;
  }
  if (pieces.length > 0) bits.add(pieces);
}

function damaged(what: string): Failure {
  return new Failure("COMPRESSION", `bzip2 stream: ${what}`);
}
