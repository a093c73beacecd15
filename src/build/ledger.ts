import { type Digest, digestOf, hexOf } from "../oci/digest.ts";
import type { Stamp } from "../tree/entry.ts";

/**
 * What is known of a folder's files from earlier builds: stamp → digest, so that a warm build needs lstat alone. A row is used only
 * while size, mtime, ctime and inode are the same, and only where the file had been at rest for a while when it was read: a file
 * written in the same clock tick as the read could change again without its stamp changing (git's "racy" entries).
 */
export interface Ledger {
  /** The digest of the file at that path, or undefined when it must be read. */
  find(path: string, stamp: Stamp): Digest | undefined;
  /** Keeps a digest; `readAt` is the time in ms since the epoch just before the file was read. */
  learn(path: string, stamp: Stamp, digest: Digest, readAt: number): void;
  /** The bytes to keep for the next build, or undefined where nothing was learnt. */
  encode(): Uint8Array | undefined;
}

const MAGIC = "nought-ledger-1\n";
/** File systems stamp times with the kernel's tick, at most 10 ms; clocks of network file systems are not trusted further. */
const REST_MS = 20;
const ROW = 64;

interface Row {
  readonly stamp: Stamp;
  readonly digest: Digest;
}

/**
 * Reads a ledger; damaged or foreign bytes count as an empty one. Layout: magic, 32 bytes sha256 of the rest, u32 rows, u32 bytes of names,
 * names separated by NUL (padded to 8), then 64 bytes a row: four float64 of the stamp, 32 bytes of digest.
 */
export function openLedger(bytes: Uint8Array | undefined): Ledger {
  const old = bytes === undefined ? undefined : parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  const learnt = new Map<string, Row>();
  return {
    find(path, stamp) {
      const row = learnt.get(path);
      if (row) return same(row.stamp, stamp) ? row.digest : undefined;
      const at = old?.places.get(path);
      if (old === undefined || at === undefined) return undefined;
      const f = at * 4;
      const { numbers } = old;
      const equal =
        numbers[f] === stamp.size && numbers[f + 1] === stamp.mtimeMs && numbers[f + 2] === stamp.ctimeMs && numbers[f + 3] === stamp.ino;
      return equal ? (`sha256:${old.digests.toString("hex", at * 32, at * 32 + 32)}` as Digest) : undefined;
    },
    learn(path, stamp, digest, readAt) {
      if (Math.max(stamp.mtimeMs, stamp.ctimeMs) > readAt - REST_MS) return;
      learnt.set(path, { stamp, digest });
    },
    encode() {
      if (learnt.size === 0) return undefined;
      const oldCount = old?.places.size ?? 0;
      const added = [...learnt.keys()].filter((path) => !old?.places.has(path));
      const numbers = new Float64Array((oldCount + added.length) * 4);
      const digests = Buffer.alloc((oldCount + added.length) * 32);
      if (old) {
        numbers.set(old.numbers);
        old.digests.copy(digests);
      }
      let next = oldCount;
      for (const [path, { stamp, digest }] of learnt) {
        const at = old?.places.get(path) ?? next++;
        numbers.set([stamp.size, stamp.mtimeMs, stamp.ctimeMs, stamp.ino], at * 4);
        digests.write(hexOf(digest), at * 32, "hex");
      }
      return encodeRows([...(old?.places.keys() ?? []), ...added], numbers, digests);
    },
  };
}

function same(a: Stamp, b: Stamp): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.ino === b.ino;
}

interface Parsed {
  readonly places: Map<string, number>;
  readonly numbers: Float64Array;
  readonly digests: Buffer;
}

function parse(bytes: Buffer): Parsed | undefined {
  if (bytes.length < 56 || bytes.toString("latin1", 0, 16) !== MAGIC) return undefined;
  if (digestOf(bytes.subarray(48)) !== `sha256:${bytes.toString("hex", 16, 48)}`) return undefined;
  const count = bytes.readUInt32LE(48);
  const nameBytes = bytes.readUInt32LE(52);
  const rowsAt = 56 + nameBytes;
  if (bytes.length !== rowsAt + count * ROW) return undefined;
  const names = bytes.toString("utf8", 56, rowsAt).split("\0");
  const places = new Map<string, number>();
  for (let at = 0; at < count; at++) places.set(names[at] as string, at);
  const numbers = new Float64Array(count * 4);
  bytes.copy(Buffer.from(numbers.buffer), 0, rowsAt, rowsAt + count * 32);
  return { places, numbers, digests: bytes.subarray(rowsAt + count * 32) };
}

function encodeRows(paths: readonly string[], numbers: Float64Array, digests: Buffer): Uint8Array {
  const names = Buffer.from(`${paths.join("\0")}\0`, "utf8");
  const nameBytes = Math.ceil(names.length / 8) * 8;
  const out = Buffer.alloc(56 + nameBytes + paths.length * ROW);
  out.write(MAGIC, 0, "latin1");
  out.writeUInt32LE(paths.length, 48);
  out.writeUInt32LE(nameBytes, 52);
  names.copy(out, 56);
  Buffer.from(numbers.buffer).copy(out, 56 + nameBytes);
  digests.copy(out, 56 + nameBytes + paths.length * 32);
  out.write(hexOf(digestOf(out.subarray(48))), 16, "hex");
  return out;
}
