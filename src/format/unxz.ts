import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Feed } from "./feed.ts";
import { Lzma } from "./lzma.ts";
import { type BlockHeader, type CheckKind, DAMAGED, readBlockHeader, readFooter, readStreamHeader, xzFailure } from "./xz-headers.ts";
import { XzInput } from "./xz-input.ts";

/**
 * Unpacks xz (The .xz File Format 1.1.0: any number of streams, with padding) while it comes. The container is read here; the inner loop is
 * WebAssembly (lzma.ts). It knows LZMA2 with every check that xz writes. Sums, sizes and the index must be right; a cut or damaged
 * stream is refused. Throws COMPRESSION.
 */
export async function* unxz(feed: Feed): AsyncGenerator<Buffer> {
  const input = new XzInput(feed);
  for (let first = true; first || (await input.padding()); first = false) {
    const check = readStreamHeader(await input.take(12), first);
    const sizes: number[] = [];
    for (;;) {
      input.begin();
      const [length = 0] = await input.takeSummed(1);
      if (length === 0) break;
      sizes.push(...(yield* readBlock(input, await readBlockHeader(input, length), check)));
    }
    await readIndex(input, sizes);
    readFooter(await input.take(12), check, input.taken - 12);
  }
}

/** One block (3): its unpadded and its unpacked size. */
async function* readBlock(input: XzInput, block: BlockHeader, check: CheckKind): AsyncGenerator<Buffer, readonly [number, number]> {
  const lzma = new Lzma(block.dictionary);
  const sum = summer(check);
  let unpacked = 0;
  try {
    for await (const piece of readChunks(input, lzma)) {
      sum?.add(piece, lzma);
      unpacked += piece.length;
      yield piece;
    }
  } finally {
    lzma.end();
  }
  const packed = input.taken - block.size;
  if ((block.packed ?? packed) !== packed || (block.unpacked ?? unpacked) !== unpacked) throw xzFailure(DAMAGED);
  const unpadded = input.taken;
  if ((await input.take(-unpadded & 3)).some((byte) => byte !== 0)) throw xzFailure(DAMAGED);
  const found = sum?.sum() ?? Buffer.alloc(0);
  if (!found.equals(await input.take(found.length))) throw xzFailure(DAMAGED);
  return [unpadded + found.length, unpacked];
}

/** The chunks of LZMA2 up to their end (xz's own description: the control byte, sizes, properties, bytes). */
async function* readChunks(input: XzInput, lzma: Lzma): AsyncGenerator<Buffer> {
  let wantsDictionary = true;
  let wantsProperties = true;
  for (;;) {
    const control = (await input.take(1))[0] as number;
    if (control === 0) return;
    const compressed = control >= 0x80;
    if (control >= 0xe0 || control === 1) {
      wantsDictionary = false;
      wantsProperties = true;
      lzma.forget();
    } else if (wantsDictionary || (!compressed && control > 2)) throw xzFailure(DAMAGED);
    const sizes = await input.take(compressed ? (control >= 0xc0 ? 5 : 4) : 2);
    const count = (compressed ? (control & 31) << 16 : 0) + sizes.readUInt16BE(0) + 1;
    const packed = compressed ? sizes.readUInt16BE(2) + 1 : count;
    if (control >= 0xc0) {
      if (!lzma.properties(sizes[4] as number)) throw xzFailure(DAMAGED);
      wantsProperties = false;
    } else if (compressed && wantsProperties) throw xzFailure(DAMAGED);
    else if (control >= 0xa0) lzma.reset();
    const piece = lzma.chunk(await input.take(packed), count, compressed);
    if (piece === undefined) throw xzFailure(DAMAGED);
    yield piece;
  }
}

/** The index (4), after its first byte, must list the blocks as they were. */
async function readIndex(input: XzInput, sizes: readonly number[]): Promise<void> {
  if ((await input.takeNumber()) !== sizes.length / 2) throw xzFailure(DAMAGED);
  for (const size of sizes) if ((await input.takeNumber()) !== size) throw xzFailure(DAMAGED);
  if ((await input.takeSummed(-input.taken & 3)).some((byte) => byte !== 0)) throw xzFailure(DAMAGED);
  const { sum } = input;
  if ((await input.take(4)).readUInt32LE(0) !== sum) throw xzFailure(DAMAGED);
}

interface Summer {
  /** The piece is what the decoder's last chunk came to. */
  add(piece: Buffer, lzma: Lzma): void;
  /** As it stands in the file. */
  sum(): Buffer;
}

function summer(check: CheckKind): Summer | undefined {
  if (check === "none") return undefined;
  if (check === "sha256") {
    const hash = createHash("sha256");
    return { add: (piece) => void hash.update(piece), sum: () => hash.digest() };
  }
  if (check === "crc32") {
    let crc = 0;
    const sum = Buffer.alloc(4);
    return { add: (piece) => void (crc = crc32(piece, crc)), sum: () => (sum.writeUInt32LE(crc), sum) };
  }
  let crc = 0n;
  const sum = Buffer.alloc(8);
  return {
    add: (piece, lzma) => void (crc = lzma.crc64(crc, piece.length)),
    sum: () => (sum.writeBigUInt64LE(BigInt.asUintN(64, crc)), sum),
  };
}
