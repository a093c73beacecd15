import { crc32 } from "node:zlib";
import { Failure } from "../kit/error.ts";
import type { MultiArch, PackageRecord } from "./face.ts";
import { parseRelations } from "./relation.ts";

/**
 * An index of packages in a form that is searched without being read whole: a head with the names in order, and the records, each read when
 * it is asked for. Little-endian 32-bit numbers. Layout: mark, CRC-32 of the rest of the head, its length, three counts (records, provided
 * names, marked records); of both name lists the offsets and the text; numbers of the providing and of the marked records; beginning and
 * end of each record. Then the records, in the order they came: CRC-32 and lines.
 */
export interface PackageIndex {
  readonly size: number;
  /** All versions under a name, in the order of the original. */
  named(name: string): PackageRecord[];
  /** Packages whose Provides name this, in the order of the original. */
  providing(name: string): PackageRecord[];
  /** Essential packages and those of priority required, important or standard. */
  marked(): PackageRecord[];
  all(): Iterable<PackageRecord>;
}

/** Reads bytes of the packed form; fewer only at its end. */
export type ReadAt = (position: number, length: number) => Buffer;

const MARK = Buffer.from("nought packages 3\n");
const NUMBERS = 5;
const FIXED = MARK.length + NUMBERS * 4;
const MARKED = new Set(["required", "important", "standard"]);
/** A head longer than this is none. */
const HEAD = 256 << 20;
/** Neighbours are often asked for together. */
const AHEAD = 4096;

/** Takes records one after another and packs them, so that none has to be kept. Their suite is left out: the reader knows it. */
export class PackageWriter {
  private text = Buffer.allocUnsafe(1 << 20);
  private end = 0;
  private readonly entries: { readonly name: string; readonly from: number; readonly to: number; readonly marked: boolean }[] = [];
  private readonly provided: { readonly name: string; readonly entry: number }[] = [];

  add(record: PackageRecord): void {
    const line = toLines(record);
    if (this.end + 4 + 3 * line.length > this.text.length) {
      const larger = Buffer.allocUnsafe(2 * this.text.length + 3 * line.length);
      this.text.copy(larger, 0, 0, this.end);
      this.text = larger;
    }
    const from = this.end;
    this.end += 4 + this.text.write(line, from + 4);
    this.text.writeUInt32LE(crc32(this.text.subarray(from + 4, this.end)), from);
    if (record.provides !== "") {
      const groups = parseRelations(record.provides, `Provides of ${record.name}`);
      const names = new Set(groups.flatMap((group) => group.map((one) => one.name)));
      for (const name of names) this.provided.push({ name, entry: this.entries.length });
    }
    this.entries.push({ name: record.name, from, to: this.end, marked: record.essential || MARKED.has(record.priority) });
  }

  /** All that was added. Versions of one name stay in their order. */
  finish(): Buffer {
    const order = this.entries.map((_, n) => n).sort((a, b) => compare(this.entries[a]?.name ?? "", this.entries[b]?.name ?? "") || a - b);
    const place = new Map(order.map((entry, number) => [entry, number]));
    const sorted = order.map((entry) => this.entries[entry] as (typeof this.entries)[number]);
    const provided = this.provided
      .map(({ name, entry }) => ({ name, number: place.get(entry) as number }))
      .sort((a, b) => compare(a.name, b.name) || a.number - b.number);
    const marked = sorted.flatMap((entry, number) => (entry.marked ? [number] : []));
    const head = Buffer.concat([
      numbers([sorted.length, provided.length, marked.length]),
      ...nameList(sorted.map(({ name }) => name)),
      ...nameList(provided.map(({ name }) => name)),
      numbers(provided.map(({ number }) => number)),
      numbers(marked),
      numbers(sorted.flatMap(({ from, to }) => [from, to])),
    ]);
    return Buffer.concat([MARK, numbers([crc32(head), head.length]), head, this.text.subarray(0, this.end)]);
  }
}

/**
 * Opens packed records for a suite; undefined for what is damaged or of another version. A damaged record throws PACKAGE when it is read.
 */
export function openPackages(read: ReadAt, suite: string): PackageIndex | undefined {
  const fixed = read(0, FIXED);
  if (fixed.length < FIXED || !fixed.subarray(0, MARK.length).equals(MARK)) return undefined;
  const length = fixed.readUInt32LE(MARK.length + 4);
  if (length > HEAD) return undefined;
  const head = read(MARK.length + 8, length);
  if (head.length < length || crc32(head) !== fixed.readUInt32LE(MARK.length)) return undefined;
  const [count, virtuals, marks] = [head.readUInt32LE(0), head.readUInt32LE(4), head.readUInt32LE(8)];
  const names = nameTable(head, 12, count);
  const virtualNames = nameTable(head, names.end, virtuals);
  const providers = virtualNames.end;
  const markedAt = providers + 4 * virtuals;
  const recordAt = markedAt + 4 * marks;
  const base = MARK.length + 8 + length;
  let window: { readonly from: number; readonly bytes: Buffer } = { from: 0, bytes: Buffer.alloc(0) };
  const record = (number: number): PackageRecord => {
    const from = head.readUInt32LE(recordAt + 8 * number);
    const to = head.readUInt32LE(recordAt + 8 * number + 4);
    if (from < window.from || to > window.from + window.bytes.length)
      window = { from, bytes: read(base + from, Math.max(to - from, AHEAD)) };
    const bytes = window.bytes.subarray(from - window.from, to - window.from);
    if (bytes.length < to - from || crc32(bytes.subarray(4)) !== bytes.readUInt32LE(0)) {
      throw new Failure("PACKAGE", `the cached package index of ${suite} is damaged`, { hint: "Remove the folder debian of the store." });
    }
    return fromLines(bytes.toString("utf8", 4), suite);
  };
  return {
    size: count,
    named: (name) => names.search(name).map(record),
    providing: (name) =>
      virtualNames
        .search(name)
        .map((number) => head.readUInt32LE(providers + 4 * number))
        .sort((a, b) => head.readUInt32LE(recordAt + 8 * a) - head.readUInt32LE(recordAt + 8 * b))
        .map(record),
    marked: () => Array.from({ length: marks }, (_, n) => record(head.readUInt32LE(markedAt + 4 * n))),
    *all() {
      for (let number = 0; number < count; number++) yield record(number);
    },
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function numbers(list: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe(4 * list.length);
  list.forEach((number, n) => out.writeUInt32LE(number, 4 * n));
  return out;
}

/** Where each part begins, and where the last one ends. */
function offsets(lengths: readonly number[]): Buffer {
  let end = 0;
  return numbers([0, ...lengths.map((length) => (end += length))]);
}

function nameList(names: readonly string[]): Buffer[] {
  return [offsets(names.map((name) => name.length)), Buffer.from(names.join(""), "latin1")];
}

/** A list of `count` sorted names that begins at `from`. */
function nameTable(head: Buffer, from: number, count: number) {
  const text = from + 4 * (count + 1);
  const nameAt = (number: number) =>
    head.toString("latin1", text + head.readUInt32LE(from + 4 * number), text + head.readUInt32LE(from + 4 * number + 4));
  return {
    end: text + head.readUInt32LE(from + 4 * count),
    /** Numbers of all entries with this name. */
    search(name: string): number[] {
      let low = 0;
      let high = count;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (nameAt(middle) < name) low = middle + 1;
        else high = middle;
      }
      const found: number[] = [];
      for (; low < count && nameAt(low) === name; low++) found.push(low);
      return found;
    },
  };
}

/** Values have no line breaks: parsing turns them into blanks. */
function toLines(one: PackageRecord): string {
  const { name, version, architecture, path, size, sha256, multiArch, essential, priority, source, sourceVersion, installedSize } = one;
  const facts = [
    name,
    version,
    architecture,
    path,
    size,
    sha256,
    multiArch,
    essential ? 1 : 0,
    priority,
    source,
    sourceVersion,
    installedSize,
  ];
  return [...facts, one.preDepends, one.depends, one.recommends, one.conflicts, one.breaks, one.replaces, one.provides].join("\n");
}

function fromLines(text: string, suite: string): PackageRecord {
  const [name, version, architecture, path, size, sha256, multiArch, essential, priority, source, sourceVersion, installed, ...relations] =
    text.split("\n") as [string, string, string, string, string, string, string, string, string, string, string, string, ...string[]];
  const [preDepends = "", depends = "", recommends = "", conflicts = "", breaks = "", replaces = "", provides = ""] = relations;
  return {
    name,
    version,
    architecture,
    suite,
    path,
    size: Number(size),
    sha256,
    multiArch: multiArch as MultiArch,
    essential: essential === "1",
    priority,
    source,
    sourceVersion,
    installedSize: Number(installed),
    preDepends,
    depends,
    recommends,
    conflicts,
    breaks,
    replaces,
    provides,
  };
}
