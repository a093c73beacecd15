import { encodeName } from "../kit/bytes.ts";
import { assert } from "../kit/error.ts";

/** What one tar header says. `path` has no leading slash; a directory's ends in a slash. Times are whole seconds. */
export interface TarHeader {
  readonly type: "file" | "dir" | "symlink" | "hardlink" | "char" | "block" | "fifo";
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  /** Bytes of the body; 0 for all but files. */
  readonly size: number;
  readonly link?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

const BLOCK = 512;
const TYPES = { file: 48, hardlink: 49, symlink: 50, char: 51, block: 52, dir: 53, fifo: 54 } as const;
const PAX = 120;
const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;

/** Gets each filled buffer. It may return a promise: then the buffer is its own until that settles. */
export type TarSink = (chunk: Uint8Array) => void | Promise<void>;

/**
 * Writes a deterministic tar: POSIX ustar headers, a PAX header only where ustar cannot say it (long names, large numbers,
 * xattrs, names that are not ASCII), no user names, two zero blocks at the end. Bytes go through two buffers so that one
 * can be filled while the other is on its way to the disk. Callers put bodies straight into `buffer` (see seal.ts).
 */
export class TarWriter {
  /** The buffer being filled, and how far. */
  buffer: Buffer;
  used = 0;
  #other: Buffer;
  #pending: Promise<void> | undefined;
  #flushed = 0;
  readonly #sink: TarSink;

  constructor(sink: TarSink, bufferBytes = 1 << 20) {
    assert(bufferBytes % BLOCK === 0, "the buffer is a whole number of blocks");
    this.#sink = sink;
    this.buffer = Buffer.allocUnsafeSlow(bufferBytes);
    this.#other = Buffer.allocUnsafeSlow(bufferBytes);
  }

  /** Bytes written so far: where the next byte lands. */
  get offset(): number {
    return this.#flushed + this.used;
  }

  /** Room left in the buffer. */
  get room(): number {
    return this.buffer.length - this.used;
  }

  /** Hands the buffer on; await what it returns before using `buffer` again. */
  flush(): Promise<void> | undefined {
    if (this.used === 0) return undefined;
    const full = this.used === this.buffer.length ? this.buffer : this.buffer.subarray(0, this.used);
    this.#flushed += this.used;
    this.used = 0;
    const before = this.#pending;
    const next = before === undefined ? this.#sink(full) : before.then(() => this.#sink(full));
    this.#pending = next instanceof Promise ? next : undefined;
    // Whoever waits for the next write, or for the end, gets its failure; by then the runtime would have called it unhandled.
    this.#pending?.catch(() => {});
    // The other buffer is free once the write before this one is done.
    [this.buffer, this.#other] = [this.#other, this.buffer];
    return before;
  }

  /** Writes a header, with a PAX header before it where needed. */
  async header(facts: TarHeader): Promise<void> {
    if (this.room < 4 * BLOCK) await this.flush();
    if (this.tryHeader(facts)) return;
    const records = paxRecords(facts);
    this.#pax(facts, records.length);
    await this.bytes(records);
    this.pad();
    if (this.room < BLOCK) await this.flush();
    this.#plain(facts, encodeName(facts.path), encodeName(facts.link ?? ""));
  }

  /** The common case without a promise: false when a PAX header or more room is needed; nothing is written then. */
  tryHeader(facts: TarHeader): boolean {
    if (this.room < BLOCK) return false;
    if (facts.xattrs !== undefined && facts.xattrs.size > 0) return false;
    if (facts.uid > MAX_OCTAL_7 || facts.gid > MAX_OCTAL_7 || facts.size > MAX_OCTAL_11 || facts.mtime < 0 || facts.mtime > MAX_OCTAL_11)
      return false;
    if ((facts.major ?? 0) > MAX_OCTAL_7 || (facts.minor ?? 0) > MAX_OCTAL_7) return false;
    const { path, link = "" } = facts;
    if (path.length > 100 || link.length > 100 || !isAscii(path) || !isAscii(link)) return false;
    this.#plain(facts, path, link);
    return true;
  }

  /** Copies bytes in, flushing as needed. */
  async bytes(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      if (this.room === 0) await this.flush();
      const part = chunk.subarray(at, at + this.room);
      this.buffer.set(part, this.used);
      this.used += part.length;
      at += part.length;
    }
  }

  /** Zeros up to the next block. Never needs a flush: buffers are whole blocks. */
  pad(): void {
    const rest = this.used % BLOCK;
    if (rest === 0) return;
    this.buffer.fill(0, this.used, this.used + BLOCK - rest);
    this.used += BLOCK - rest;
  }

  /** The two closing blocks; hands everything on and waits for it. */
  async end(): Promise<void> {
    if (this.room < 2 * BLOCK) await this.flush();
    this.buffer.fill(0, this.used, this.used + 2 * BLOCK);
    this.used += 2 * BLOCK;
    await this.flush();
    await this.#pending;
  }

  /** The header of a PAX header; its name is for readers that take it for a file. */
  #pax({ path, mtime }: TarHeader, size: number): void {
    const name = encodeName(`PaxHeaders.0/${path.replace(/\/$/, "")}`).subarray(0, 100);
    this.#plain({ type: "file", path: "", mode: 0o644, uid: 0, gid: 0, mtime: Math.max(0, mtime), size }, name, "", PAX);
  }

  /** Writes a header of one block into the buffer. What does not fit its field is cut: the PAX header has it. */
  #plain(facts: TarHeader, path: string | Buffer, link: string | Buffer, type: number = TYPES[facts.type]): void {
    const at = this.used;
    const out = this.buffer;
    out.fill(0, at, at + BLOCK);
    let sum = text(out, at, path) + text(out, at + 157, link);
    sum += octal(out, at + 100, 7, facts.mode & 0o7777);
    sum += octal(out, at + 108, 7, fits(facts.uid, MAX_OCTAL_7));
    sum += octal(out, at + 116, 7, fits(facts.gid, MAX_OCTAL_7));
    sum += octal(out, at + 124, 11, fits(facts.size, MAX_OCTAL_11));
    sum += octal(out, at + 136, 11, fits(facts.mtime, MAX_OCTAL_11));
    out[at + 156] = type;
    // "ustar", NUL, "00"
    for (let k = 0; k < MAGIC.length; k++) out[at + 257 + k] = MAGIC[k] as number;
    sum += type + MAGIC_SUM + 8 * 32;
    sum += octal(out, at + 329, 7, fits(facts.major ?? 0, MAX_OCTAL_7));
    sum += octal(out, at + 337, 7, fits(facts.minor ?? 0, MAX_OCTAL_7));
    octal(out, at + 148, 6, sum);
    out[at + 155] = 32;
    this.used += BLOCK;
  }
}

const MAGIC = Buffer.from("ustar\x0000", "latin1");
const MAGIC_SUM = MAGIC.reduce((sum, byte) => sum + byte, 0);

function fits(value: number, max: number): number {
  return value < 0 || value > max ? 0 : value;
}

/** Writes at most 100 bytes of a name and returns their sum. */
function text(out: Buffer, at: number, name: string | Buffer): number {
  const length = Math.min(100, name.length);
  let sum = 0;
  for (let k = 0; k < length; k++) {
    const byte = typeof name === "string" ? name.charCodeAt(k) : (name[k] as number);
    out[at + k] = byte;
    sum += byte;
  }
  return sum;
}

/** Writes `digits` octal digits (a NUL follows by itself) and returns their sum. */
function octal(out: Buffer, at: number, digits: number, value: number): number {
  let sum = 0;
  let rest = value;
  for (let k = at + digits - 1; k >= at; k--) {
    // Division, not a shift: sizes may have 33 bits.
    const next = Math.floor(rest / 8);
    const digit = 48 + (rest - next * 8);
    out[k] = digit;
    sum += digit;
    rest = next;
  }
  return sum;
}

function isAscii(name: string): boolean {
  for (let k = 0; k < name.length; k++) if (name.charCodeAt(k) > 126) return false;
  return true;
}

/** The PAX records (POSIX pax, "Extended header") that say what ustar cannot, in the order of their keys. */
function paxRecords(facts: TarHeader): Buffer {
  const records: [string, Buffer][] = [];
  const add = (key: string, value: Buffer | string) => records.push([key, typeof value === "string" ? Buffer.from(value) : value]);
  const link = facts.link ?? "";
  if (facts.path.length > 100 || !isAscii(facts.path)) add("path", encodeName(facts.path));
  if (link.length > 100 || !isAscii(link)) add("linkpath", encodeName(link));
  if (facts.uid > MAX_OCTAL_7) add("uid", String(facts.uid));
  if (facts.gid > MAX_OCTAL_7) add("gid", String(facts.gid));
  if (facts.size > MAX_OCTAL_11) add("size", String(facts.size));
  if (facts.mtime < 0 || facts.mtime > MAX_OCTAL_11) add("mtime", String(facts.mtime));
  if ((facts.major ?? 0) > MAX_OCTAL_7) add("SCHILY.devmajor", String(facts.major));
  if ((facts.minor ?? 0) > MAX_OCTAL_7) add("SCHILY.devminor", String(facts.minor));
  for (const [name, value] of facts.xattrs ?? []) add(`SCHILY.xattr.${name}`, Buffer.from(value));
  records.sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.concat(
    records.flatMap(([key, value]) => {
      const body = Buffer.byteLength(key) + value.length + 3; // blank, "=", newline
      let length = body + String(body).length;
      if (body + String(length).length !== length) length++;
      return [Buffer.from(`${length} ${key}=`), value, Buffer.from("\n")];
    }),
  );
}
