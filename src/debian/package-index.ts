import { crc32 } from "node:zlib";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { PackageRecord } from "./face.ts";
import { type Block, openBlocks, sumsOf } from "./index-blocks.ts";
import { buildTable, type NameTable, openTable } from "./name-table.ts";
import { parsePackages } from "./parse-packages.ts";
import { isPackageName, parseRelations } from "./relation.ts";

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

const MARK = Buffer.from("nought packages 4\n");
const FIXED = MARK.length + 8;
const COUNTS = 5;
/** A head longer than this is none; a paragraph longer than this is refused, and so are more packages than this. */
const HEAD = 256 << 20;
const PARAGRAPH = 4 << 20;
const MOST = 1_000_000;
const BORDER = Buffer.from("\n\n");
const MARKS = ["\nEssential: yes\n", "\nPriority: required\n", "\nPriority: important\n", "\nPriority: standard\n"];

/**
 * Packs the text of an index (deb822, Debian Policy 5.3): the parts of the packed form, the last of which is the text itself. What it costs
 * is a search for the few words that the tables need. Throws PACKAGE for a paragraph without a name or beyond bounds, LIMIT for too many.
 */
export function packPackages(text: Buffer, where: string): Buffer[] {
  const starts: number[] = [];
  const names: { readonly name: string; readonly value: number }[] = [];
  const provided: { readonly name: string; readonly value: number }[] = [];
  const marked: number[] = [];
  const provides = forward(text, "\nProvides:");
  const marks = MARKS.map((word) => forward(text, word));
  const bad = (at: number, why: string) => new Failure("PACKAGE", `${printable(where)}, byte ${at}: ${why}`);
  for (let at = 0; ; ) {
    while (text[at] === 10) at++;
    if (at >= text.length) break;
    const border = text.indexOf(BORDER, at);
    const end = border < 0 ? text.length : border + 1;
    if (end - at > PARAGRAPH) throw bad(at, `a paragraph is longer than ${PARAGRAPH} bytes`);
    if (starts.length >= MOST) throw new Failure("LIMIT", `${printable(where)}: more than ${MOST} packages`);
    const name = nameOf(text, at, end);
    if (name === undefined) throw bad(at, "a package without a name");
    if (!isPackageName(name)) throw bad(at, `"${printable(name.slice(0, 80))}" cannot be the name of a package`);
    const value = starts.push(at) - 1;
    names.push({ name, value });
    const list = provides(at, end);
    if (list >= 0) for (const one of providedNames(text, list, end)) provided.push({ name: one, value });
    if (marks.some((next) => next(at, end) >= 0)) marked.push(value);
    at = end;
  }
  const tables = [buildTable(names), buildTable(provided)] as const;
  const head = Buffer.concat([
    numbers([starts.length, tables[0].length / 8, tables[1].length / 8, marked.length, text.length]),
    numbers(starts),
    ...tables,
    numbers(marked),
    sumsOf(text),
  ]);
  return [MARK, numbers([crc32(head), head.length]), head, text];
}

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

/** Finds a word between two places, which must only move forward: the text is searched once in all. -1 where it is not there. */
function forward(text: Buffer, word: string): (from: number, to: number) => number {
  const bytes = Buffer.from(word);
  let next = -1;
  return (from, to) => {
    if (next < from) {
      const at = text.indexOf(bytes, from);
      next = at < 0 ? Number.POSITIVE_INFINITY : at;
    }
    return next < to ? next : -1;
  };
}

/** The Package field: the first one in every archive, anywhere in odd ones. */
function nameOf(text: Buffer, at: number, end: number): string | undefined {
  const line = text.toString("latin1", at, lineEnd(text, at));
  if (line.startsWith("Package:")) return line.slice(8).trim() || undefined;
  const [, later] = /^Package:(.*)$/m.exec(text.toString("latin1", at, end)) ?? [];
  return later?.trim() || undefined;
}

/** Names in the Provides field that begins after the line break `at`, with its folded lines. Their form is checked when they are used. */
function providedNames(text: Buffer, at: number, end: number): Set<string> {
  let to = text.indexOf(10, at + 1);
  while (to >= 0 && to < end && (text[to + 1] === 32 || text[to + 1] === 9)) to = text.indexOf(10, to + 1);
  const value = text.toString("latin1", at + "\nProvides:".length, to < 0 ? end : Math.min(to, end));
  return new Set(value.split(",").flatMap((part) => /[^\s(:]+/.exec(part)?.[0].toLowerCase() ?? []));
}

function lineEnd(text: Buffer, at: number): number {
  const end = text.indexOf(10, at);
  return end < 0 ? text.length : end;
}

function numbers(list: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe(4 * list.length);
  for (let n = 0; n < list.length; n++) out.writeUInt32LE(list[n] as number, 4 * n);
  return out;
}
