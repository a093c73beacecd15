import { crc32 } from "node:zlib";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { BlockSums } from "./index-blocks.ts";
import { buildTable, HashList } from "./name-table.ts";
import { isPackageName } from "./relation.ts";

/** The first bytes of a packed index (package-index.ts): what it is, and in which form. */
export const MARK = Buffer.from("nought packages 4\n");
/** A paragraph longer than this is refused, and so are more packages than this. */
const PARAGRAPH = 4 << 20;
const MOST = 1_000_000;
const LINE_END = 10;
const PACKAGE = Buffer.from("Package:");
const PROVIDES = Buffer.from("Provides:");
/** Lines by which a package is marked: what a minimal system consists of. */
const MARKS = ["Essential: yes", "Priority: required", "Priority: important", "Priority: standard"].map((line) => Buffer.from(line));

/**
 * Packs the text of an index (deb822, Debian Policy 5.3) while it comes, piece by piece: a glance at the beginning of each line, and a
 * closer look at the few that the tables need. Throws PACKAGE for a paragraph without a name or beyond bounds, LIMIT for too many.
 */
export class IndexPacker {
  readonly #where: string;
  #text: Buffer;
  #length = 0;
  /** Where the next line begins that was not looked at. */
  #at = 0;
  /** The paragraph that is open: its beginning, and where in it the name and the list of what it provides begin. */
  #start = -1;
  #name = -1;
  #provides = -1;
  #isMarked = false;
  readonly #starts: number[] = [];
  readonly #marked: number[] = [];
  readonly #names = new HashList();
  readonly #provided = new HashList();
  readonly #sums = new BlockSums();

  /** `size` is the number of bytes to come where that is known; it may be wrong. `where` names the index for messages. */
  constructor(size: number, where: string) {
    this.#text = Buffer.allocUnsafe(size);
    this.#where = where;
  }

  push(piece: Uint8Array): void {
    if (this.#length + piece.length > this.#text.length) {
      const larger = Buffer.allocUnsafe(2 * this.#text.length + piece.length);
      this.#text.copy(larger, 0, 0, this.#length);
      this.#text = larger;
    }
    this.#text.set(piece, this.#length);
    this.#length += piece.length;
    this.#look(this.#length);
    // Here, and not in the end: another thread unpacks the next piece meanwhile.
    this.#sums.add(this.text(), false);
  }

  /** The text so far. */
  text(): Buffer {
    return this.#text.subarray(0, this.#length);
  }

  /** The parts of the packed form, the last of which is the text itself. */
  finish(): Buffer[] {
    if (this.#at < this.#length) this.#line(this.#at, this.#length);
    this.#close(this.#length);
    const text = this.text();
    this.#sums.add(text, true);
    const tables = [buildTable(this.#names), buildTable(this.#provided)] as const;
    const head = Buffer.concat([
      numbers([this.#starts.length, tables[0].length / 8, tables[1].length / 8, this.#marked.length, text.length]),
      numbers(this.#starts),
      ...tables,
      numbers(this.#marked),
      this.#sums.bytes(),
    ]);
    return [MARK, numbers([crc32(head), head.length]), head, text];
  }

  /** Goes over the whole lines before `end`. The loop over bytes is twice as fast as a call for each line (measured). */
  #look(end: number): void {
    const text = this.#text;
    let at = this.#at;
    for (let here = at; here < end; here++) {
      if (text[here] !== LINE_END) continue;
      if (here === at) this.#close(here);
      else {
        const first = text[at];
        // Package, Provides, Priority; Essential. What begins a paragraph is looked at whatever it is.
        if (first === 80 || first === 69 || this.#start < 0) this.#line(at, here);
      }
      at = here + 1;
    }
    this.#at = at;
    if (this.#start >= 0 && end - this.#start > PARAGRAPH + 1)
      throw this.#bad(this.#start, `a paragraph is longer than ${PARAGRAPH} bytes`);
  }

  #line(at: number, end: number): void {
    const text = this.#text;
    if (this.#start < 0) this.#start = at;
    if (this.#name < 0 && begins(text, at, end, PACKAGE)) this.#name = at + PACKAGE.length;
    else if (this.#provides < 0 && begins(text, at, end, PROVIDES)) this.#provides = at + PROVIDES.length;
    else if (!this.#isMarked) this.#isMarked = MARKS.some((mark) => end - at === mark.length && begins(text, at, end, mark));
  }

  /** Ends the paragraph that is open, if one is; `end` is behind its last line break. */
  #close(end: number): void {
    const start = this.#start;
    if (start < 0) return;
    if (end - start > PARAGRAPH) throw this.#bad(start, `a paragraph is longer than ${PARAGRAPH} bytes`);
    if (this.#starts.length >= MOST) throw new Failure("LIMIT", `${printable(this.#where)}: more than ${MOST} packages`);
    const name = this.#name < 0 ? "" : this.#text.toString("latin1", this.#name, lineEnd(this.#text, this.#name, end)).trim();
    if (name === "") throw this.#bad(start, "a package without a name");
    if (!isPackageName(name)) throw this.#bad(start, `"${printable(name.slice(0, 80))}" cannot be the name of a package`);
    const value = this.#starts.push(start) - 1;
    this.#names.add(name, value);
    if (this.#provides >= 0) for (const one of providedNames(this.#text, this.#provides, end)) this.#provided.add(one, value);
    if (this.#isMarked) this.#marked.push(value);
    this.#start = -1;
    this.#name = -1;
    this.#provides = -1;
    this.#isMarked = false;
  }

  #bad(at: number, why: string): Failure {
    return new Failure("PACKAGE", `${printable(this.#where)}, byte ${at}: ${why}`);
  }
}

/** Packs a whole text (IndexPacker). */
export function packPackages(text: Buffer, where: string): Buffer[] {
  const packer = new IndexPacker(text.length, where);
  packer.push(text);
  return packer.finish();
}

function begins(text: Buffer, at: number, end: number, word: Buffer): boolean {
  if (end - at < word.length) return false;
  for (let n = 0; n < word.length; n++) if (text[at + n] !== word[n]) return false;
  return true;
}

/** Names in the list that begins at `at`, with its folded lines. Their form is checked when they are used. */
function providedNames(text: Buffer, at: number, end: number): Set<string> {
  let to = lineEnd(text, at, end);
  while (to < end && (text[to + 1] === 32 || text[to + 1] === 9)) to = lineEnd(text, to + 1, end);
  const found = new Set<string>();
  for (const part of text.toString("latin1", at, to).split(",")) {
    const [name] = /[^\s(:]+/.exec(part) ?? [];
    if (name !== undefined) found.add(name.toLowerCase());
  }
  return found;
}

function lineEnd(text: Buffer, at: number, end: number): number {
  const found = text.indexOf(LINE_END, at);
  return found < 0 || found > end ? end : found;
}

function numbers(list: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe(4 * list.length);
  for (let n = 0; n < list.length; n++) out.writeUInt32LE(list[n] as number, 4 * n);
  return out;
}
