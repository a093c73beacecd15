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
 * else, which ends after the link name). POSIX pax, "ustar Interchange Format". The checksum is not looked at, see checkSum.
 */
export function parseHeader(block: Buffer): TarHeader {
  const magic = block.readUInt32BE(257) === 0x75737461 && block[261] === 0x72;
  const posix = magic && block[262] === 0;
  const prefix = posix && block[345] !== 0 ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: readNumber(block, 100, 8),
    uid: readNumber(block, 108, 8),
    gid: readNumber(block, 116, 8),
    size: readNumber(block, 124, 12),
    mtime: readNumber(block, 136, 12),
    flag: block[156] as number,
    link: block[157] === 0 ? "" : text(block, 157, 100),
    uname: magic && block[265] !== 0 ? text(block, 265, 32) : "",
    gname: magic && block[297] !== 0 ? text(block, 297, 32) : "",
    major: magic ? readNumber(block, 329, 8, true) : undefined,
    minor: magic ? readNumber(block, 337, 8, true) : undefined,
    known: magic || isZero(block, 257),
  };
}

/**
 * Whether the checksum field holds the sum of the header's bytes, its own eight taken as spaces. Like every tar, takes a sum of
 * signed bytes too, which some old writers made. `false` also for a field that is no number.
 */
export function checkSum(block: Buffer): boolean {
  const claimed = readNumber(block, 148, 8);
  if (claimed === undefined || Number.isNaN(claimed)) return false;
  let field = 0;
  for (let at = 148; at < 156; at++) field += block[at] as number;
  const sum = sumBytes(block) - field + 8 * 0x20;
  return sum === claimed || signedSum(block) === claimed;
}

/** Whether all 512 bytes are zero: one half of the end of an archive. */
export function isZeroBlock(block: Buffer): boolean {
  return isZero(block, 0);
}

function isZero(block: Buffer, from: number): boolean {
  for (let at = from; at < BLOCK; at++) if (block[at] !== 0) return false;
  return true;
}

const LITTLE = endianness() === "LE";

/** Four bytes at a time where the block lies right for it, which makes it four times as fast. */
function sumBytes(block: Buffer): number {
  let sum = 0;
  if (!LITTLE || block.byteOffset % 4 !== 0) {
    for (let at = 0; at < BLOCK; at++) sum += block[at] as number;
    return sum;
  }
  const words = new Uint32Array(block.buffer, block.byteOffset, BLOCK / 4);
  let even = 0;
  let odd = 0;
  for (let at = 0; at < BLOCK / 4; at++) {
    const word = words[at] as number;
    even += word & 0x00ff00ff;
    odd += (word >>> 8) & 0x00ff00ff;
  }
  return (even & 0xffff) + (even >>> 16) + (odd & 0xffff) + (odd >>> 16);
}

function signedSum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK; at++) if (at < 148 || at >= 156) sum += ((block[at] as number) << 24) >> 24;
  return sum;
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
