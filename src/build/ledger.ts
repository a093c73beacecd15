import { decodeName, encodeName } from "../kit/bytes.ts";
import { type Digest, digestFromHex, digestOf, hexOf } from "../oci/digest.ts";
import type { LayerAddress, Stamp } from "../tree/entry.ts";
import type { KnownFile } from "../tree/host.ts";
import { sameStamp } from "../tree/stamp.ts";

/**
 * What is known of a folder's files from earlier builds: stamp → digest and the place of a copy, so that a warm build needs lstat alone
 * and a changed one reads what did not change from a single file. A row is used only while size, mtime, ctime and inode are the same, and
 * only where the file had been at rest for a while when it was read: a file written in the same clock tick as the read could
 * change again without its stamp changing (git's "racy" entries).
 */
export interface Ledger {
  /** What is known of the file at that path, or undefined when it must be read. */
  find(path: string, stamp: Stamp): KnownFile | undefined;
  /**
   * Whether a file that `find` does not know has surely or probably other bytes than last time: it had another size, or it is large and
   * was written to. Reading such a file only to find that out is not worth it.
   */
  probablyChanged(path: string, stamp: Stamp): boolean;
  /** Keeps a digest; `readAt` is the time in ms since the epoch just before the file was read. */
  learn(path: string, stamp: Stamp, digest: Digest, readAt: number, copy?: LayerAddress): void;
  /** The bytes to keep for the next build, or undefined where nothing was learnt. */
  encode(): Uint8Array | undefined;
}

const MAGIC = "nought-ledger-2\n";
/** File systems stamp times with the kernel's tick, at most 10 ms; clocks of network file systems are not trusted further. */
const REST_MS = 20;
/** float64 of a row: size, mtime, ctime, inode, place of the copy. */
const NUMBERS = 5;
const ROW = NUMBERS * 8 + 32;
const HEAD = 60;
/** A place is layer × this + offset in blocks of 512 bytes; 2^53 leaves room for 512 layers of 8 PiB. */
const PLACES = 2 ** 44;
const NOWHERE = -1;
/** Bytes from which a file is not read for its digest alone once it was written to. */
const LARGE = 8 << 20;

interface Row {
  readonly stamp: Stamp;
  readonly digest: Digest;
  readonly copy: LayerAddress | undefined;
}

/**
 * Reads a ledger; damaged or foreign bytes count as an empty one. `isThere` says whether a layer's plain tar is still at hand. Layout:
 * magic,
 * 32 bytes sha256 of the rest, u32 rows, u32 bytes of names, u32 layers, names separated by NUL (padded to a multiple of 8), 32 bytes for
 * each layer, then all numbers, then all digests.
 */
export function openLedger(bytes: Uint8Array | undefined, isThere: (diffId: Digest) => boolean = () => false): Ledger {
  const old = bytes === undefined ? undefined : parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  const layers = (old?.layers ?? []).map((diffId) => (isThere(diffId) ? diffId : undefined));
  const learnt = new Map<string, Row>();
  /** Which rows were asked for; those of files that are gone never are. */
  const asked = new Uint8Array(old?.places.size ?? 0);
  const addressOf = (place: number): LayerAddress | undefined => {
    const diffId = place === NOWHERE ? undefined : layers[Math.floor(place / PLACES)];
    return diffId === undefined ? undefined : { diffId, offset: (place % PLACES) * 512 };
  };
  return {
    find(path, stamp) {
      const row = learnt.get(path);
      if (row) return sameStamp(row.stamp, stamp) ? { digest: row.digest } : undefined;
      const at = old?.places.get(path);
      if (old === undefined || at === undefined) return undefined;
      asked[at] = 1;
      const { numbers } = old;
      const f = at * NUMBERS;
      if (numbers[f] !== stamp.size || numbers[f + 1] !== stamp.mtimeMs || numbers[f + 2] !== stamp.ctimeMs || numbers[f + 3] !== stamp.ino)
        return undefined;
      const digest = `sha256:${old.digests.toString("hex", at * 32, at * 32 + 32)}` as Digest;
      const copy = addressOf(numbers[f + 4] as number);
      return copy === undefined ? { digest } : { digest, copy };
    },
    probablyChanged(path, stamp) {
      const at = old?.places.get(path);
      return old !== undefined && at !== undefined && (old.numbers[at * NUMBERS] !== stamp.size || stamp.size >= LARGE);
    },
    learn(path, stamp, digest, readAt, copy) {
      if (Math.max(stamp.mtimeMs, stamp.ctimeMs) > readAt - REST_MS) return;
      learnt.set(path, { stamp, digest, copy });
    },
    encode() {
      if (learnt.size === 0) return undefined;
      const base = old && compacted(old, asked, learnt);
      const baseCount = base?.places.size ?? 0;
      const added = [...learnt.keys()].filter((path) => !base?.places.has(path));
      const numbers = new Float64Array((baseCount + added.length) * NUMBERS);
      const digests = Buffer.alloc((baseCount + added.length) * 32);
      if (base) {
        numbers.set(base.numbers);
        base.digests.copy(digests);
      }
      const table = [...(base?.layers ?? [])];
      let next = baseCount;
      for (const [path, { stamp, digest, copy }] of learnt) {
        const at = base?.places.get(path) ?? next++;
        numbers.set([stamp.size, stamp.mtimeMs, stamp.ctimeMs, stamp.ino, placeOf(copy, table)], at * NUMBERS);
        digests.write(hexOf(digest), at * 32, "hex");
      }
      return encodeRows([...(base?.places.keys() ?? []), ...added], table, numbers, digests);
    },
  };
}

/**
 * The rows without those of files that nobody asks for any more, once these are most of it: a folder where every build leaves files of
 * new names would make it grow for ever. Builds that share a folder ask for different rows, so the measure is generous.
 */
function compacted(old: Parsed, asked: Uint8Array, learnt: ReadonlyMap<string, Row>): Parsed {
  const wanted = asked.reduce((sum, one) => sum + one, 0);
  if (old.places.size <= 10_000 + 5 * (wanted + learnt.size)) return old;
  const rows = [...old.places].filter(([, at]) => asked[at] === 1);
  const numbers = new Float64Array(rows.length * NUMBERS);
  const digests = Buffer.alloc(rows.length * 32);
  for (const [to, [, from]] of rows.entries()) {
    numbers.set(old.numbers.subarray(from * NUMBERS, (from + 1) * NUMBERS), to * NUMBERS);
    old.digests.copy(digests, to * 32, from * 32, (from + 1) * 32);
  }
  return { ...old, places: new Map(rows.map(([path], at) => [path, at])), numbers, digests };
}

/** The number of an address; a layer that is not in the table is added, until the table is full. */
function placeOf(copy: LayerAddress | undefined, table: Digest[]): number {
  if (copy === undefined) return NOWHERE;
  let at = table.lastIndexOf(copy.diffId);
  if (at < 0) {
    if (table.length >= 512) return NOWHERE;
    at = table.push(copy.diffId) - 1;
  }
  return at * PLACES + copy.offset / 512;
}

interface Parsed {
  readonly places: Map<string, number>;
  readonly layers: readonly Digest[];
  readonly numbers: Float64Array;
  readonly digests: Buffer;
}

function parse(bytes: Buffer): Parsed | undefined {
  if (bytes.length < HEAD || bytes.toString("latin1", 0, 16) !== MAGIC) return undefined;
  if (digestOf(bytes.subarray(48)) !== `sha256:${bytes.toString("hex", 16, 48)}`) return undefined;
  const count = bytes.readUInt32LE(48);
  const layersAt = HEAD + bytes.readUInt32LE(52);
  const layerCount = bytes.readUInt32LE(56);
  const rowsAt = layersAt + layerCount * 32;
  if (bytes.length !== rowsAt + count * ROW) return undefined;
  const names = decodeName(bytes.subarray(HEAD, layersAt)).split("\0");
  const places = new Map<string, number>();
  for (let at = 0; at < count; at++) places.set(names[at] as string, at);
  if (places.size !== count) return undefined;
  const numbers = new Float64Array(count * NUMBERS);
  bytes.copy(Buffer.from(numbers.buffer), 0, rowsAt, rowsAt + numbers.byteLength);
  const hexAt = (at: number) => digestFromHex(bytes.toString("hex", at, at + 32));
  const layers = Array.from({ length: layerCount }, (_, at) => hexAt(layersAt + at * 32));
  return { places, layers, numbers, digests: bytes.subarray(rowsAt + numbers.byteLength) };
}

function encodeRows(paths: readonly string[], layers: readonly Digest[], numbers: Float64Array, digests: Buffer): Uint8Array {
  const names = encodeName(`${paths.join("\0")}\0`);
  const layersAt = HEAD + Math.ceil(names.length / 8) * 8;
  const rowsAt = layersAt + layers.length * 32;
  const out = Buffer.alloc(rowsAt + paths.length * ROW);
  out.write(MAGIC, 0, "latin1");
  out.writeUInt32LE(paths.length, 48);
  out.writeUInt32LE(layersAt - HEAD, 52);
  out.writeUInt32LE(layers.length, 56);
  names.copy(out, HEAD);
  layers.forEach((diffId, at) => out.write(hexOf(diffId), layersAt + at * 32, "hex"));
  Buffer.from(numbers.buffer).copy(out, rowsAt);
  digests.copy(out, rowsAt + numbers.byteLength);
  out.write(hexOf(digestOf(out.subarray(48))), 16, "hex");
  return out;
}
