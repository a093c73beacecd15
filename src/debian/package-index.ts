import { crc32 } from "node:zlib";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { PackageRecord } from "./face.ts";
import { type Block, openBlocks } from "./index-blocks.ts";
import { type NameTable, openTable } from "./name-table.ts";
import { MARK } from "./pack-index.ts";
import { parsePackages } from "./parse-packages.ts";
import { parseRelations } from "./relation.ts";

/**
 * An index of packages that is searched without being read: the text as it came, with tables of where names are in front. Only the
 * paragraphs that are asked for are parsed and checked. Layout, in little-endian 32-bit numbers: mark, CRC-32 of the head, length of the
 * head; the head: numbers of paragraphs, of slots of both tables, of marked paragraphs, length of the text; beginnings of the paragraphs;
 * tables of names and of provided names (name-table.ts); marked paragraphs; CRC-32 of each block of the text. Then the text.
 */
export interface PackageIndex {
  readonly size: number;
  /** All versions under a name, in the order of the text. Like the rest, throws PACKAGE for a paragraph that is not well formed. */
  named(name: string): PackageRecord[];
  /** Packages whose Provides name this, in the order of the text. */
  providing(name: string): PackageRecord[];
  /** Essential packages and those of priority required, important or standard. */
  marked(): PackageRecord[];
  all(): Iterable<PackageRecord>;
}

/** Reads bytes of the packed form; fewer only at its end. */
export type ReadAt = (position: number, length: number) => Buffer;

const FIXED = MARK.length + 8;
const COUNTS = 5;
/** A head longer than this is none. */
const HEAD = 256 << 20;

/** Opens a packed index for a suite and a processor; undefined for what is damaged or of another version. */
export function openPackages(read: ReadAt, suite: string, architecture: string): PackageIndex | undefined {
  const fixed = read(0, FIXED);
  if (fixed.length < FIXED || !fixed.subarray(0, MARK.length).equals(MARK)) return undefined;
  const length = fixed.readUInt32LE(MARK.length + 4);
  if (length > HEAD || length < 4 * COUNTS) return undefined;
  const head = read(FIXED, length);
  if (head.length < length || crc32(head) !== fixed.readUInt32LE(MARK.length)) return undefined;
  const [count, slots, providedSlots, marks, size] = [0, 4, 8, 12, 16].map((at) => head.readUInt32LE(at)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const starts = 4 * COUNTS;
  const names = openTable(head.subarray(starts + 4 * count), slots);
  const provided = openTable(head.subarray(starts + 4 * count + 8 * slots), providedSlots);
  const markedAt = starts + 4 * count + 8 * slots + 8 * providedSlots;
  const blocks = openBlocks(
    (position, wanted) => read(FIXED + length + position, wanted),
    head.subarray(markedAt + 4 * marks),
    size,
    suite,
  );
  const record = (number: number) => paragraph(blocks, head, starts, number, count, size, suite);
  const found = (table: NameTable, name: string, fits: (one: PackageRecord) => boolean) =>
    table
      .find(name)
      .map(record)
      .filter((one) => (one.architecture === architecture || one.architecture === "all") && fits(one));
  return {
    size: count,
    named: (name) => found(names, name, (one) => one.name === name),
    providing: (name) => found(provided, name, (one) => providesName(one, name)),
    marked: () => Array.from({ length: marks }, (_, n) => record(head.readUInt32LE(markedAt + 4 * n))),
    *all() {
      for (let number = 0; number < count; number++) yield record(number);
    },
  };
}

function paragraph(blocks: Block, head: Buffer, starts: number, number: number, count: number, size: number, suite: string): PackageRecord {
  const from = head.readUInt32LE(starts + 4 * number);
  const to = number + 1 < count ? head.readUInt32LE(starts + 4 * number + 4) : size;
  let one: PackageRecord | undefined;
  parsePackages(blocks(from, to), suite, `package index of ${suite}`, (parsed) => {
    one = parsed;
  });
  if (one === undefined) throw new Failure("PACKAGE", `the package index of ${printable(suite)}: an empty paragraph`);
  return one;
}

function providesName(record: PackageRecord, name: string): boolean {
  return parseRelations(record.provides, `Provides of ${record.name}`).some((group) => group.some((one) => one.name === name));
}
