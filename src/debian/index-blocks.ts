import { crc32 } from "node:zlib";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";

/** Bytes that are checked together. */
const BLOCK = 64 << 10;
/** Blocks that are kept: what is asked for together mostly lies together. */
const KEPT = 64;

/** Reads a part of a text whose blocks are checked. Throws PACKAGE where one is damaged. */
export type Block = (from: number, to: number) => Buffer;

/** CRC-32 of each block of a text that grows. It tells damage by the disk; who writes to the cache is its owner. */
export class BlockSums {
  readonly #sums: number[] = [];

  /** Sums the blocks of `text` that are whole and were not summed before; at its end, what is left, too. */
  add(text: Buffer, end: boolean): void {
    for (let at = this.#sums.length * BLOCK; end ? at < text.length : at + BLOCK <= text.length; at += BLOCK)
      this.#sums.push(crc32(text.subarray(at, at + BLOCK)));
  }

  /** Little-endian 32-bit numbers. */
  bytes(): Buffer {
    const bytes = Buffer.allocUnsafe(4 * this.#sums.length);
    for (const [n, sum] of this.#sums.entries()) bytes.writeUInt32LE(sum, 4 * n);
    return bytes;
  }
}

/** Reads parts of a text of `size` bytes by way of `read`, checked against its sums. `what` names the suite for messages. */
export function openBlocks(read: (position: number, length: number) => Buffer, sums: Buffer, size: number, what: string): Block {
  const kept = new Map<number, Buffer>();
  const block = (number: number): Buffer => {
    const known = kept.get(number);
    if (known !== undefined) return known;
    const bytes = read(number * BLOCK, Math.min(BLOCK, size - number * BLOCK));
    if (bytes.length < Math.min(BLOCK, size - number * BLOCK) || crc32(bytes) !== sums.readUInt32LE(4 * number)) {
      throw new Failure("PACKAGE", `the cached package index of ${printable(what)} is damaged`, {
        hint: "Remove the folder debian of the store.",
      });
    }
    if (kept.size >= KEPT) kept.clear();
    kept.set(number, bytes);
    return bytes;
  };
  return (from, to) => {
    const first = Math.floor(from / BLOCK);
    const last = Math.floor((to - 1) / BLOCK);
    const parts = Array.from({ length: last - first + 1 }, (_, n) => block(first + n));
    const whole = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    return whole.subarray(from - first * BLOCK, to - first * BLOCK);
  };
}
