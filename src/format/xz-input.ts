import { crc32 } from "node:zlib";
import { Failure } from "../kit/error.ts";
import type { Feed } from "./feed.ts";

/** The first byte of a stream. */
const MAGIC = 0xfd;

/** Takes bytes off a feed in exact numbers, counts them and sums them. Throws COMPRESSION where the feed ends before. */
export class XzInput {
  readonly #feed: Feed;
  /** What is left of the piece that came last. */
  #rest: Buffer = Buffer.alloc(0);
  #sum = 0;
  /** Bytes taken since the last `begin`. */
  taken = 0;

  constructor(feed: Feed) {
    this.#feed = feed;
  }

  /** Starts counting, and a CRC-32, anew. */
  begin(): void {
    this.taken = 0;
    this.#sum = 0;
  }

  /** CRC-32 of what `takeSummed` gave since the last `begin`. */
  get sum(): number {
    return this.#sum;
  }

  /** The next `count` bytes, which are the caller's until the next call. */
  async take(count: number): Promise<Buffer> {
    this.taken += count;
    if (this.#rest.length < count) this.#rest = await this.#gather(count);
    const bytes = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return bytes;
  }

  /** As `take`, and the bytes count in the sum. */
  async takeSummed(count: number): Promise<Buffer> {
    const bytes = await this.take(count);
    this.#sum = crc32(bytes, this.#sum);
    return bytes;
  }

  /** A number of the format's own kind, at most 63 bits; undefined for one that is malformed or beyond what a double holds. */
  async takeNumber(): Promise<number | undefined> {
    let value = 0;
    for (let n = 0; n < 9; n++) {
      const [byte = 0] = await this.takeSummed(1);
      if (byte === 0 && n > 0) return undefined;
      value += (byte & 127) * 2 ** (7 * n);
      if (byte < 128) return Number.isSafeInteger(value) ? value : undefined;
    }
    return undefined;
  }

  /** Goes over padding between streams, words of four zeros. False at the end of the feed. */
  async padding(): Promise<boolean> {
    for (;;) {
      while (this.#rest.length === 0) {
        const piece = await this.#feed.next();
        if (piece === undefined) return false;
        this.#rest = piece;
      }
      if (this.#rest[0] === MAGIC) return true;
      if (this.#rest[0] !== 0 || (await this.take(4)).readUInt32LE(0) !== 0)
        throw new Failure("COMPRESSION", "xz stream: other bytes follow after its end");
    }
  }

  async #gather(count: number): Promise<Buffer> {
    const parts: Buffer[] = [Buffer.from(this.#rest)];
    let have = this.#rest.length;
    while (have < count) {
      const piece = await this.#feed.next();
      if (piece === undefined) throw new Failure("COMPRESSION", "xz stream: it ends too early");
      have += piece.length;
      // Copied where more must come: the piece is its source's again when the next is asked for.
      parts.push(have < count ? Buffer.from(piece) : piece);
    }
    return Buffer.concat(parts);
  }
}
