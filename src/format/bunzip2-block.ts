import type { BitWindow } from "./bit-window.ts";

const MAX_SYMBOLS = 258;
const MAX_LENGTH = 20;
const GROUP = 50;

/** The tables of one Huffman code: symbols by code length, and for each length the largest code and where its symbols begin. */
interface Code {
  readonly limit: Int32Array;
  readonly base: Int32Array;
  readonly symbols: Uint16Array;
  readonly shortest: number;
}

/** One block of a bzip2 stream, decoded as far as the sorted text: walk `links` from `start` for `length` bytes (low 8 bits). */
export interface SortedBlock {
  readonly links: Uint32Array;
  readonly start: number;
  readonly length: number;
}

/**
 * Decodes a block, after its magic and checksum: symbol map, selectors, code lengths, Huffman symbols, move-to-front, and the
 * inverse of the sort. `links` has room for the largest block of the stream. A `string` says what is wrong.
 * After the description of the format in "bzip2 format specification" (J. Tsai, 2016).
 */
export function readBlock(bits: BitWindow, links: Uint32Array): SortedBlock | string {
  if (bits.read(1) !== 0) return "a randomised block, which no bzip2 since 1997 writes";
  const start = bits.read(24);
  const values = readSymbolMap(bits);
  if (values.length === 0) return "a block without symbols";
  const codes = bits.read(3);
  const selectors = readSelectors(bits, codes);
  if (typeof selectors === "string") return selectors;
  const tables: Code[] = [];
  for (let at = 0; at < codes; at++) {
    const table = readCode(bits, values.length + 2);
    if (typeof table === "string") return table;
    tables.push(table);
  }
  const counts = new Uint32Array(256);
  const length = readSymbols(bits, tables, selectors, values, counts, links);
  if (typeof length === "string") return length;
  if (start >= length) return "the start of a block lies outside of it";
  // Each byte's place in sorted order, kept in the upper 24 bits beside the bytes themselves.
  let sum = 0;
  for (let byte = 0; byte < 256; byte++) {
    const count = counts[byte] as number;
    counts[byte] = sum;
    sum += count;
  }
  for (let at = 0; at < length; at++) {
    const byte = (links[at] as number) & 0xff;
    const place = counts[byte] as number;
    counts[byte] = place + 1;
    links[place] = ((links[place] as number) | (at << 8)) >>> 0;
  }
  return { links, start: (links[start] as number) >>> 8, length };
}

function readSymbolMap(bits: BitWindow): number[] {
  const values: number[] = [];
  const rows = bits.read(16);
  for (let row = 0; row < 16; row++) {
    if (!(rows & (0x8000 >> row))) continue;
    const used = bits.read(16);
    for (let column = 0; column < 16; column++) if (used & (0x8000 >> column)) values.push(row * 16 + column);
  }
  return values;
}

function readSelectors(bits: BitWindow, codes: number): Uint8Array | string {
  if (codes < 2 || codes > 6) return "a block with a wrong number of codes";
  const count = bits.read(15);
  if (count === 0) return "a block without selectors";
  const selectors = new Uint8Array(count);
  const order = [0, 1, 2, 3, 4, 5];
  for (let at = 0; at < count; at++) {
    let which = 0;
    while (bits.read(1) === 1) if (++which >= codes) return "a selector of a code that is not there";
    const code = order[which] as number;
    order.splice(which, 1);
    order.unshift(code);
    selectors[at] = code;
  }
  return selectors;
}

function readCode(bits: BitWindow, size: number): Code | string {
  const lengths = new Uint8Array(size);
  const counts = new Int32Array(MAX_LENGTH + 2);
  let length = bits.read(5);
  for (let symbol = 0; symbol < size; symbol++) {
    for (;;) {
      if (length < 1 || length > MAX_LENGTH) return "a code longer than 20 bits";
      if (bits.read(1) === 0) break;
      length += bits.read(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
    counts[length] = (counts[length] as number) + 1;
  }
  const symbols = new Uint16Array(size);
  const limit = new Int32Array(MAX_LENGTH + 2).fill(-1);
  const base = new Int32Array(MAX_LENGTH + 2);
  let code = 0;
  let placed = 0;
  let shortest = 0;
  for (let bit = 1; bit <= MAX_LENGTH; bit++) {
    base[bit] = placed - code;
    const count = counts[bit] as number;
    if (count > 0) {
      shortest ||= bit;
      for (let symbol = 0; symbol < size; symbol++) if (lengths[symbol] === bit) symbols[placed++] = symbol;
      code += count;
      if (code > 1 << bit) return "a code with more words than fit";
      limit[bit] = code - 1;
    }
    code <<= 1;
  }
  return { limit, base, symbols, shortest };
}

/** Huffman, run lengths and move-to-front in one loop. Fills `links` with bytes and `counts` with how often each occurs. */
function readSymbols(
  bits: BitWindow,
  tables: readonly Code[],
  selectors: Uint8Array,
  values: readonly number[],
  counts: Uint32Array,
  links: Uint32Array,
): number | string {
  const front = Uint8Array.from(values);
  const last = values.length + 1;
  let table = tables[0] as Code;
  let group = 0;
  let left = 0;
  let length = 0;
  let run = 0;
  let weight = 1;
  for (;;) {
    if (left-- === 0) {
      if (group >= selectors.length) return "a block goes on after its last selector";
      table = tables[selectors[group++] as number] as Code;
      left = GROUP - 1;
    }
    let width = table.shortest;
    let word = bits.read(width);
    while (word > (table.limit[width] as number)) {
      if (++width > MAX_LENGTH) return "a word that is in no code";
      word = (word << 1) | bits.read(1);
    }
    const symbol = table.symbols[word + (table.base[width] as number)] as number;
    if (symbol <= 1) {
      run += symbol === 0 ? weight : 2 * weight;
      weight *= 2;
      if (run > links.length) return "a run longer than a block";
      continue;
    }
    if (run > 0) {
      const byte = front[0] as number;
      if (length + run > links.length) return "a block longer than the stream allows";
      links.fill(byte, length, length + run);
      counts[byte] = (counts[byte] as number) + run;
      length += run;
      run = 0;
      weight = 1;
    }
    if (symbol === last) return length;
    if (length >= links.length) return "a block longer than the stream allows";
    const at = symbol - 1;
    if (at >= front.length || symbol >= MAX_SYMBOLS) return "a symbol that is not in use";
    const byte = front[at] as number;
    front.copyWithin(1, 0, at);
    front[0] = byte;
    counts[byte] = (counts[byte] as number) + 1;
    links[length++] = byte;
  }
}
