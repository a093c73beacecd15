import { decodeName } from "../kit/bytes.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { malformed, memberOf } from "./tar-facts.ts";
import { BLOCK, checkSum, isZeroBlock, parseHeader, type TarHeader, wordsOf } from "./tar-header.ts";
import type { TarMember } from "./tar-member.ts";
import { type PaxFacts, parsePax } from "./tar-pax.ts";
import { tarType } from "./tar-type.ts";

/** Whom a TarParser tells. Chunks of content are views that may be overwritten after the call. */
export interface TarSink {
  member(member: TarMember): void;
  /** Part of the content of the member named last. */
  data(chunk: Buffer): void;
  /** All content of the member named last has come; called for members without content too. */
  done?(member: TarMember): void;
}

/** Records that describe the next member. */
export interface Pending {
  pax?: PaxFacts;
  name?: string;
  link?: string;
}

/**
 * Reads a tar archive that is handed over piece by piece: ustar, PAX, GNU and V7 (POSIX pax; GNU tar manual, "Tar Internals").
 * Stricter than other readers on purpose: what GNU tar, Go and Python would take for different things is refused. Anything after
 * the two zero blocks that end an archive is passed over, as is a missing end, since both occur in real layers.
 * Throws TAR with the offset of the header, or LIMIT. `label` names the archive in messages.
 */
export class TarParser {
  readonly #sink: TarSink;
  readonly #label: string;
  readonly #most: number;
  readonly #globals: PaxFacts = {};
  #sawGlobals = false;
  #pending: Pending = {};
  #hasPending = false;
  #state: "header" | "data" | "meta" | "padding" | "ended" = "header";
  /** Bytes taken so far, and where the header looked at began. */
  #offset = 0;
  #headerAt = 0;
  #left = 0;
  #padding = 0;
  #member: TarMember | undefined;
  #metaHeader: TarHeader | undefined;
  #meta: Buffer[] = [];
  /** A header cut by the end of a chunk. */
  readonly #scratch = Buffer.alloc(BLOCK);
  #scratched = 0;
  #words: Uint32Array | undefined;
  #zeroBlocks = 0;
  #members = 0;

  /** `most` is the number of members that are accepted. */
  constructor(sink: TarSink, label = "tar archive", most: number = LIMITS.treeEntries) {
    this.#sink = sink;
    this.#label = label;
    this.#most = most;
  }

  /** Takes the next bytes. */
  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#words = wordsOf(bytes);
    let at = 0;
    while (at < bytes.length && this.#state !== "ended") {
      if (this.#state === "header") at = this.#takeHeader(bytes, at);
      else {
        const take = Math.min(this.#left, bytes.length - at);
        if (this.#state === "data") this.#sink.data(bytes.subarray(at, at + take));
        else if (this.#state === "meta") this.#meta.push(Buffer.from(bytes.subarray(at, at + take)));
        else if (this.#metaHeader && bytes.subarray(at, at + take).some((byte) => byte !== 0))
          throw this.#failure("an extended header goes on after its size, which some readers would take for a part of it");
        at += take;
        this.#offset += take;
        this.#left -= take;
        if (this.#left === 0) this.#finishPart();
      }
    }
    this.#offset += bytes.length - at;
  }

  /** Says that no more bytes come. Throws TAR where the archive was cut in the middle of something. */
  end(): void {
    if (this.#state === "ended") return;
    if (this.#state !== "header" || this.#scratched > 0) throw this.#failure("the archive ends in the middle of a member", this.#offset);
    if (this.#hasPending) throw this.#failure("the archive ends after a record that describes a member to come");
  }

  #takeHeader(bytes: Buffer, from: number): number {
    const whole = this.#scratched === 0 && bytes.length - from >= BLOCK;
    const take = Math.min(BLOCK - this.#scratched, bytes.length - from);
    if (!whole) {
      bytes.copy(this.#scratch, this.#scratched, from, from + take);
      this.#scratched += take;
    }
    this.#offset += take;
    if (whole || this.#scratched === BLOCK) {
      this.#scratched = 0;
      this.#headerAt = this.#offset - BLOCK;
      if (whole) this.#header(bytes, from, this.#words);
      else this.#header(this.#scratch, 0, wordsOf(this.#scratch));
    }
    return from + take;
  }

  #header(bytes: Buffer, at: number, words: Uint32Array | undefined): void {
    if (bytes[at] === 0 && isZeroBlock(bytes, at)) {
      if (this.#hasPending) throw this.#failure("a record that describes a member is followed by the end of the archive");
      if (++this.#zeroBlocks === 2) this.#state = "ended";
      return;
    }
    if (this.#zeroBlocks > 0) throw this.#failure("a single zero block with more members after it, which some readers would not show");
    if (!checkSum(bytes, at, words))
      throw this.#failure(this.#headerAt === 0 ? "not a tar archive, or its first header is damaged" : "the header's checksum is wrong");
    const header = parseHeader(bytes, at);
    const type = tarType(header.flag);
    if (type === "pax" || type === "pax-global" || type === "long-name" || type === "long-link") {
      const wrong = malformed(header);
      if (wrong) throw this.#failure(`an extended header: ${wrong}`);
      const size = header.size ?? 0;
      if (size > LIMITS.tarMetadataBytes)
        throw new Failure(
          "LIMIT",
          `${this.#label}: an extended header of ${size} bytes at byte ${this.#headerAt}; ${LIMITS.tarMetadataBytes} is the limit`,
        );
      this.#metaHeader = header;
      this.#meta = [];
      this.#begin("meta", size);
      return;
    }
    const member = memberOf(header, type, this.#pending, this.#globals, this.#offset);
    if (typeof member === "string")
      throw this.#failure(`${printable((this.#pending.pax?.path ?? this.#pending.name ?? header.name).slice(0, 300))}: ${member}`);
    if (++this.#members > this.#most) throw new Failure("LIMIT", `${this.#label}: more than ${this.#most} members`);
    if (this.#hasPending) {
      this.#pending = {};
      this.#hasPending = false;
    }
    this.#member = member;
    this.#sink.member(member);
    this.#begin("data", member.size);
  }

  #begin(state: "data" | "meta", size: number): void {
    this.#state = state;
    if (state === "data") this.#metaHeader = undefined;
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (size === 0) this.#finishPart();
  }

  #finishPart(): void {
    if (this.#state === "data") this.#sink.done?.(this.#member as TarMember);
    else if (this.#state === "meta") this.#takeMeta(Buffer.concat(this.#meta));
    if (this.#state !== "padding" && this.#padding > 0) {
      this.#state = "padding";
      this.#left = this.#padding;
    } else this.#state = "header";
  }

  #takeMeta(body: Buffer): void {
    const type = tarType((this.#metaHeader as TarHeader).flag);
    if (type === "long-name" || type === "long-link") {
      const field = type === "long-name" ? "name" : "link";
      if (this.#pending[field] !== undefined) throw this.#failure("two GNU long names for one member");
      this.#pending[field] = longName(body);
      this.#hasPending = true;
      return;
    }
    const facts = parsePax(body);
    if (typeof facts === "string") throw this.#failure(facts);
    if (type === "pax") {
      if (this.#pending.pax) throw this.#failure("two PAX headers for one member");
      this.#pending.pax = facts;
      this.#hasPending = true;
      return;
    }
    if (facts.path !== undefined || facts.link !== undefined || facts.size !== undefined || facts.sparse)
      throw this.#failure("a global PAX header gives every member the same name, link or size");
    if (this.#sawGlobals && Object.keys(this.#globals).length + Object.keys(facts).length > 0)
      throw this.#failure("a second global PAX header: some readers would add it to the first, some would forget the first");
    this.#sawGlobals = true;
    Object.assign(this.#globals, facts);
  }

  #failure(what: string, offset = this.#headerAt): Failure {
    return new Failure("TAR", `${this.#label}, byte ${offset}: ${what}`);
  }
}

function longName(body: Buffer): string {
  const end = body.indexOf(0);
  return decodeName(end < 0 ? body : body.subarray(0, end));
}

/** A member, or a piece of the content of the member before. Pieces are views that the next step may overwrite. */
export type TarPart = { readonly member: TarMember; readonly data?: undefined } | { readonly member?: undefined; readonly data: Buffer };

/**
 * Reads a tar archive as a stream of members, each followed by the pieces of its content, for readers that must wait in between
 * (TarParser is the faster form for those that need not). The source is read to its end. Throws as TarParser does.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>, label?: string): AsyncGenerator<TarPart> {
  let parts: TarPart[] = [];
  const parser = new TarParser({ member: (member) => parts.push({ member }), data: (data) => parts.push({ data }) }, label);
  for await (const chunk of source) {
    parser.push(chunk);
    if (parts.length > 0) yield* parts;
    parts = [];
  }
  parser.end();
}
