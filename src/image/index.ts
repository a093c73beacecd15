import { hash } from "node:crypto";
import { assert } from "../kit/error.ts";
import { type Digest, digestFromHex, hexOf } from "../oci/digest.ts";
import type { Draft, Entry } from "../tree/entry.ts";
import type { Path } from "../tree/path.ts";
import { NumberReader, NumberWriter } from "./varint.ts";

/**
 * The index of a layer: its entries, with contents pointing into its uncompressed tar, in a form that is small and quick to read.
 * A file of nought's own store; what is damaged, cut or of another version is made anew from the layer.
 *
 * Parts in order: magic and version (8 bytes), diffID (32), four lengths (uint32) and a flag byte, then
 *   rows    for each entry: kind and flags, shared length with the path before, length of the rest, facts, and what its kind has
 *   text    what the rows' lengths count, one string: latin1, or UTF-16 where that is not enough (flag), so that no name is lost
 *   hashes  32 bytes for each file whose digest is known
 *   values  bytes of extended attributes
 * and at the end the sha256 of all of that. Lengths of text count UTF-16 units.
 */
const MAGIC = Buffer.from("NOUGHTi\u0001", "latin1");
const HEADER = MAGIC.length + 32 + 4 * 4 + 1;
const KINDS = ["file", "dir", "symlink", "hardlink", "char", "block", "fifo", "whiteout"] as const;
const KIND_MASK = 7;
const SAME_FACTS = 8;
const SAME_TIME = 16;
const HAS_XATTRS = 32;
/** A file with a digest, or an opaque directory. */
const MARKED = 64;

/**
 * Encodes the entries of a sealed layer. Contents must lie in that layer (an assertion: it is seal that says where they are).
 * The same draft gives the same bytes.
 */
export function encodeIndex(draft: Draft, diffId: Digest): Uint8Array {
  const rows = new NumberWriter(draft.length * 24);
  const text: string[] = [];
  const hashes: string[] = [];
  const values: Uint8Array[] = [];
  let path = "";
  let mode = -1;
  let uid = -1;
  let gid = -1;
  let mtime = Number.NaN;
  let expected = 512;
  rows.number(draft.length);
  for (const entry of draft) {
    const marked = entry.kind === "file" ? entry.digest !== undefined : entry.kind === "dir" && entry.opaque === true;
    const sameFacts = entry.mode === mode && entry.uid === uid && entry.gid === gid;
    const sameTime = entry.mtime === mtime;
    rows.byte(
      KINDS.indexOf(entry.kind) |
        (sameFacts ? SAME_FACTS : 0) |
        (sameTime ? SAME_TIME : 0) |
        (entry.xattrs ? HAS_XATTRS : 0) |
        (marked ? MARKED : 0),
    );
    const shared = sharedLength(path, entry.path);
    rows.number(shared);
    rows.number(entry.path.length - shared);
    text.push(entry.path.slice(shared));
    path = entry.path;
    if (!sameFacts) {
      rows.number((mode = entry.mode));
      rows.number((uid = entry.uid));
      rows.number((gid = entry.gid));
    }
    if (!sameTime) rows.float((mtime = entry.mtime));
    if (entry.xattrs) {
      rows.number(entry.xattrs.size);
      for (const [name, value] of entry.xattrs) {
        rows.number(name.length);
        rows.number(value.length);
        text.push(name);
        values.push(value);
      }
    }
    if (entry.kind === "file") {
      assert(entry.content.in === "layer" && entry.content.diffId === diffId, "a file is not in the layer that is indexed");
      // Contents mostly follow one another: a block of header between them, and padding.
      const offset = entry.content.offset;
      rows.number(entry.size);
      rows.number(offset >= expected ? (offset - expected) * 2 : (expected - offset) * 2 - 1);
      expected = offset + Math.ceil(entry.size / 512) * 512 + 512;
      if (entry.digest) hashes.push(hexOf(entry.digest));
    } else if (entry.kind === "symlink" || entry.kind === "hardlink") {
      rows.number(entry.target.length);
      text.push(entry.target);
    } else if (entry.kind === "char" || entry.kind === "block") {
      rows.number(entry.major);
      rows.number(entry.minor);
    }
  }
  return frame(diffId, rows.done(), text.join(""), Buffer.from(hashes.join(""), "hex"), Buffer.concat(values));
}

/** Reads an index. Undefined for bytes that are damaged, cut or of another version. */
export function decodeIndex(bytes: Uint8Array): { readonly diffId: Digest; readonly draft: Draft } | undefined {
  const parts = unframe(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  if (!parts) return undefined;
  try {
    const draft = readRows(parts);
    return draft && { diffId: parts.diffId, draft };
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}

interface Parts {
  readonly diffId: Digest;
  readonly rows: Buffer;
  readonly text: string;
  readonly hashes: string;
  readonly values: Buffer;
}

function readRows({ diffId, rows: rowBytes, text, hashes, values }: Parts): Draft | undefined {
  const rows = new NumberReader(rowBytes);
  let textAt = 0;
  const take = (length: number) => text.slice(textAt, (textAt += length));
  let hashAt = 0;
  let valueAt = 0;
  let path = "";
  let mode = 0;
  let uid = 0;
  let gid = 0;
  let mtime = 0;
  let expected = 512;
  const count = rows.number();
  const draft: Entry[] = [];
  for (let at = 0; at < count; at++) {
    const flags = rows.byte();
    const shared = rows.number();
    const rest = take(rows.number());
    path = shared === 0 ? rest : path.slice(0, shared) + rest;
    if (!(flags & SAME_FACTS)) {
      mode = rows.number();
      uid = rows.number();
      gid = rows.number();
    }
    if (!(flags & SAME_TIME)) mtime = rows.float();
    let xattrs: Map<string, Uint8Array> | undefined;
    if (flags & HAS_XATTRS) {
      xattrs = new Map();
      for (let left = rows.number(); left > 0; left--) {
        const name = take(rows.number());
        xattrs.set(name, values.subarray(valueAt, (valueAt += rows.number())));
      }
    }
    const kind = KINDS[flags & KIND_MASK] as (typeof KINDS)[number];
    let entry: Entry;
    if (kind === "file") {
      const size = rows.number();
      const move = rows.number();
      const offset = move % 2 === 0 ? expected + move / 2 : expected - (move + 1) / 2;
      expected = offset + Math.ceil(size / 512) * 512 + 512;
      const content = { in: "layer", diffId, offset } as const;
      if (flags & MARKED) {
        const digest = `sha256:${hashes.slice(hashAt, (hashAt += 64))}` as Digest;
        entry = { kind, path: path as Path, mode, uid, gid, mtime, size, content, digest };
      } else entry = { kind, path: path as Path, mode, uid, gid, mtime, size, content };
    } else if (kind === "symlink") entry = { kind, path: path as Path, mode, uid, gid, mtime, target: take(rows.number()) };
    else if (kind === "hardlink") entry = { kind, path: path as Path, mode, uid, gid, mtime, target: take(rows.number()) as Path };
    else if (kind === "char" || kind === "block")
      entry = { kind, path: path as Path, mode, uid, gid, mtime, major: rows.number(), minor: rows.number() };
    else if (kind === "dir" && flags & MARKED) entry = { kind, path: path as Path, mode, uid, gid, mtime, opaque: true };
    else entry = { kind, path: path as Path, mode, uid, gid, mtime };
    draft.push(xattrs ? { ...entry, xattrs } : entry);
  }
  return rows.atEnd && textAt === text.length && hashAt === hashes.length && valueAt === values.length ? draft : undefined;
}

function frame(diffId: Digest, rows: Buffer, text: string, hashes: Buffer, values: Buffer): Uint8Array {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the question is whether a byte is enough for each unit
  const wide = /[^\u0000-\u00ff]/.test(text);
  const letters = Buffer.from(text, wide ? "utf16le" : "latin1");
  const out = Buffer.allocUnsafe(HEADER + rows.length + letters.length + hashes.length + values.length + 32);
  let at = MAGIC.copy(out);
  at += out.write(hexOf(diffId), at, "hex");
  for (const part of [rows, letters, hashes, values]) at = out.writeUInt32LE(part.length, at);
  at = out.writeUInt8(wide ? 1 : 0, at);
  for (const part of [rows, letters, hashes, values]) at += part.copy(out, at);
  hash("sha256", out.subarray(0, at), "buffer").copy(out, at);
  return out;
}

function unframe(bytes: Buffer): Parts | undefined {
  const end = bytes.length - 32;
  if (end < HEADER || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  let at = MAGIC.length + 32;
  const lengths = [0, 4, 8, 12].map((more) => bytes.readUInt32LE(at + more));
  if (HEADER + lengths.reduce((sum, length) => sum + length, 0) !== end) return undefined;
  if (!hash("sha256", bytes.subarray(0, end), "buffer").equals(bytes.subarray(end))) return undefined;
  const diffId = digestFromHex(bytes.toString("hex", MAGIC.length, at));
  const wide = bytes[at + 16] === 1;
  at = HEADER;
  const [rows, letters, hashes, values] = lengths.map((length) => bytes.subarray(at, (at += length))) as [Buffer, Buffer, Buffer, Buffer];
  return { diffId, rows, text: letters.toString(wide ? "utf16le" : "latin1"), hashes: hashes.toString("hex"), values };
}

function sharedLength(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}
