import { endianness } from "node:os";
import { decodeName } from "../kit/bytes.ts";
import { readNumber } from "./tar-number.ts";

export const BLOCK = 512;

/** The fields of one header block as they stand there. Numbers are undefined where blank and NaN where malformed. */
export interface TarHeader {
  /** Prefix and name joined. */
  readonly name: string;
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly size: number | undefined;
  readonly mtime: number | undefined;
  readonly flag: number;
  readonly link: string;
  readonly uname: string;
  readonly gname: string;
  readonly major: number | undefined;
  readonly minor: number | undefined;
  /** Whether it is of a form that we know: a magic, or nothing at all where the magic would be. */
  readonly known: boolean;
}

/**
 * Reads a header block: POSIX ustar (magic `ustar\0`), GNU's (`ustar  `, which has times where ustar has the prefix) and V7 (anything
 * else, which ends after the link name). POSIX pax, "ustar Interchange Format". `at` is where it begins. The checksum is not looked at, see
 * checkSum.
 */
export function parseHeader(bytes: Buffer, at: number): TarHeader {
  const named = bytes.readUInt32BE(at + 257) === 0x75737461 && bytes[at + 261] === 0x72;
  const posix = named && bytes[at + 262] === 0;
  const magic = posix || (named && bytes[at + 262] === 0x20 && bytes[at + 263] === 0x20 && bytes[at + 264] === 0);
  const prefix = posix && bytes[at + 345] !== 0 ? text(bytes, at + 345, 155) : "";
  const name = text(bytes, at, 100);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: readNumber(bytes, at + 100, 8),
    uid: readNumber(bytes, at + 108, 8),
    gid: readNumber(bytes, at + 116, 8),
    size: readNumber(bytes, at + 124, 12),
    mtime: readNumber(bytes, at + 136, 12),
    flag: bytes[at + 156] as number,
    link: bytes[at + 157] === 0 ? "" : text(bytes, at + 157, 100),
    uname: magic && bytes[at + 265] !== 0 ? text(bytes, at + 265, 32) : "",
    gname: magic && bytes[at + 297] !== 0 ? text(bytes, at + 297, 32) : "",
    major: magic ? readNumber(bytes, at + 329, 8, true) : undefined,
    minor: magic ? readNumber(bytes, at + 337, 8, true) : undefined,
    known: magic || isZero(bytes, at + 257, at + BLOCK),
  };
}

/**
 * Whether the checksum field holds the sum of the header's bytes, its own eight taken as spaces. Like every tar, takes a sum of
 * signed bytes too, which some old writers made. `false` also for a field that is no number. `words` may be what wordsOf gave.
 */
export function checkSum(bytes: Buffer, at: number, words = wordsOf(bytes)): boolean {
  const claimed = readNumber(bytes, at + 148, 8);
  if (claimed === undefined || Number.isNaN(claimed)) return false;
  let field = 0;
  for (let place = at + 148; place < at + 156; place++) field += bytes[place] as number;
  const sum = (words && at % 4 === 0 ? sumWords(words, at / 4) : sumBytes(bytes, at)) - field + 8 * 0x20;
  return sum === claimed || signedSum(bytes, at) === claimed;
}

/** Whether all 512 bytes are zero: one half of the end of an archive. */
export function isZeroBlock(bytes: Buffer, at: number): boolean {
  return isZero(bytes, at, at + BLOCK);
}

const LITTLE = endianness() === "LE";

/** The bytes four at a time, where they lie right for it: sums are four times as fast. */
export function wordsOf(bytes: Buffer): Uint32Array | undefined {
  return LITTLE && bytes.byteOffset % 4 === 0 ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : undefined;
}

function sumWords(words: Uint32Array, from: number): number {
  let even = 0;
  let odd = 0;
  for (let at = from; at < from + BLOCK / 4; at++) {
    const word = words[at] as number;
    even += word & 0x00ff00ff;
    odd += (word >>> 8) & 0x00ff00ff;
  }
  return (even & 0xffff) + (even >>> 16) + (odd & 0xffff) + (odd >>> 16);
}

function sumBytes(bytes: Buffer, from: number): number {
  let sum = 0;
  for (let at = from; at < from + BLOCK; at++) sum += bytes[at] as number;
  return sum;
}

function signedSum(bytes: Buffer, from: number): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK; at++) if (at < 148 || at >= 156) sum += ((bytes[from + at] as number) << 24) >> 24;
  return sum;
}

function isZero(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Text up to the first zero byte, or all of the field. */
function text(block: Buffer, at: number, length: number): string {
  const limit = at + length;
  let end = at;
  let ascii = true;
  while (end < limit && block[end] !== 0) {
    if ((block[end] as number) >= 0x80) ascii = false;
    end++;
  }
  return ascii ? block.toString("latin1", at, end) : decodeName(block.subarray(at, end));
}
