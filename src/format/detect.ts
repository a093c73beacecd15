import { BLOCK, checkSum } from "./tar-header.ts";

/** What a stream is, told by its first bytes alone. `other` is anything we do not read. */
export type StreamKind = "gzip" | "zstd" | "xz" | "bzip2" | "tar" | "other";

/** Bytes that detect wants to see, fewer only where the stream is shorter. */
export const DETECT_BYTES = BLOCK;

/**
 * Tells the kind of a stream by its first bytes (magic numbers of RFC 1952, RFC 8878 with its skippable frames, the .xz format and
 * bzip2; a header block with a right checksum for tar). What the name or the media type says does not count.
 */
export function detect(head: Uint8Array): StreamKind {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  if (bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b) return "gzip";
  if (bytes.length >= 4) {
    const magic = bytes.readUInt32LE(0);
    if (magic === 0xfd2fb528 || (magic & 0xfffffff0) === 0x184d2a50) return "zstd";
  }
  if (bytes.length >= 6 && bytes.toString("latin1", 0, 6) === "\xfd7zXZ\0") return "xz";
  if (bytes.length >= 4 && /^BZh[1-9]/.test(bytes.toString("latin1", 0, 4))) return "bzip2";
  if (bytes.length >= BLOCK && bytes[0] !== 0 && checkSum(bytes, 0)) return "tar";
  return "other";
}

const FOREIGN: readonly (readonly [string, string])[] = [
  ["\x04\x22\x4d\x18", "lz4"],
  ["LZIP", "lzip"],
  ["\x1f\x9d", "compress (.Z)"],
  ["\x1f\xa0", "compress (.Z)"],
  ["\x5d\x00\x00", "lzma"],
  ["\x89LZO", "lzop"],
  ["7z\xbc\xaf\x27\x1c", "7-Zip"],
  ["PK\x03\x04", "zip"],
  ["Rar!", "rar"],
  ["\x7fELF", "a program (ELF)"],
  ["!<arch>", "an ar archive (.deb)"],
  ["{", "a JSON document"],
];

/** The name of a kind that nought does not read, for a message; undefined where the bytes say nothing. */
export function foreignKind(head: Uint8Array): string | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(16, head.length)).toString("latin1");
  return FOREIGN.find(([magic]) => text.startsWith(magic))?.[1];
}
