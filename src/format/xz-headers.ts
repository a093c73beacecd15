import { crc32 } from "node:zlib";
import { Failure } from "../kit/error.ts";
import type { XzInput } from "./xz-input.ts";

const MAGIC = Buffer.from("\xfd7zXZ\0", "latin1");
const LZMA2 = 0x21;
/** Dictionaries beyond this are refused: xz itself writes at most 64 MiB with its presets. Bytes. */
const DICTIONARY = 256 << 20;

export type CheckKind = "none" | "crc32" | "crc64" | "sha256";

const CHECKS: ReadonlyMap<number, CheckKind> = new Map([
  [0, "none"],
  [1, "crc32"],
  [4, "crc64"],
  [10, "sha256"],
]);

/** What a block says of itself. Bytes; the sizes are there only where it tells them. */
export interface BlockHeader {
  /** Of the header itself. */
  readonly size: number;
  readonly dictionary: number;
  readonly packed: number | undefined;
  readonly unpacked: number | undefined;
}

/** A stream that is cut or wrong. */
export function xzFailure(why: string): Failure {
  return new Failure("COMPRESSION", `xz stream: ${why}`);
}

export const DAMAGED = "damaged";
const UNKNOWN = "it uses a filter or a checksum that the decoder does not know; unpack it with the xz program first";

/** The header of a stream (2.1.1): how its blocks are checked. `first` says whether bytes that are none can be something else. */
export function readStreamHeader(bytes: Buffer, first: boolean): CheckKind {
  if (!bytes.subarray(0, 6).equals(MAGIC)) throw xzFailure(first ? DAMAGED : "other bytes follow after its end");
  if (crc32(bytes.subarray(6, 8)) !== bytes.readUInt32LE(8) || bytes[6] !== 0 || (bytes[7] as number) > 15) throw xzFailure(DAMAGED);
  const check = CHECKS.get(bytes[7] as number);
  if (check === undefined) throw xzFailure(UNKNOWN);
  return check;
}

/** The header of a block (3.1), whose first byte is given: its length in words, less one. */
export async function readBlockHeader(input: XzInput, first: number): Promise<BlockHeader> {
  const size = (first + 1) * 4;
  const rest = Buffer.from(await input.take(size - 1));
  const whole = Buffer.concat([Buffer.from([first]), rest]);
  if (crc32(whole.subarray(0, size - 4)) !== whole.readUInt32LE(size - 4)) throw xzFailure(DAMAGED);
  const flags = whole[1] as number;
  let at = 2;
  const number = (): number => {
    let value = 0;
    for (let n = 0; n < 9; n++) {
      const byte = at < size - 4 ? (whole[at++] as number) : 0;
      if (byte === 0 && n > 0) break;
      value += (byte & 127) * 2 ** (7 * n);
      if (byte < 128 && Number.isSafeInteger(value)) return value;
    }
    throw xzFailure(DAMAGED);
  };
  if ((flags & 0x3c) !== 0) throw xzFailure(UNKNOWN);
  const packed = flags & 0x40 ? number() : undefined;
  const unpacked = flags & 0x80 ? number() : undefined;
  const filter = number();
  if ((flags & 3) !== 0 || filter !== LZMA2) throw xzFailure(UNKNOWN);
  if (number() !== 1) throw xzFailure(DAMAGED);
  const dictionary = dictionarySize(whole[at++] as number);
  if (at > size - 4 || whole.subarray(at, size - 4).some((byte) => byte !== 0)) throw xzFailure(DAMAGED);
  return { size, dictionary, packed, unpacked };
}

/** 5.3.1: two bits of mantissa, the rest exponent. */
function dictionarySize(bits: number): number {
  if (bits > 40) throw xzFailure(DAMAGED);
  const size = (2 | (bits & 1)) * 2 ** (Math.floor(bits / 2) + 11);
  if (size > DICTIONARY) throw xzFailure("its dictionary is larger than the decoder allows");
  return size;
}

/** The footer of a stream (2.1.2), which must speak of an index of so many bytes and repeat the header's flags. */
export function readFooter(bytes: Buffer, check: CheckKind, indexSize: number): void {
  const right =
    bytes.toString("latin1", 10) === "YZ" &&
    crc32(bytes.subarray(4, 10)) === bytes.readUInt32LE(0) &&
    (bytes.readUInt32LE(4) + 1) * 4 === indexSize &&
    bytes[8] === 0 &&
    CHECKS.get(bytes[9] as number) === check;
  if (!right) throw xzFailure(DAMAGED);
}
