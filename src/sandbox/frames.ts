/**
 * What the helper writes to its log: frames of u64 nanoseconds since the epoch, u32 stream, u32 length and that many bytes. Streams 1
 * and 2 are output; 0 is the end, its bytes the s32 status of wait(2); 3 is the number of the process as the host sees it, in decimal.
 */
export interface Frame {
  readonly at: bigint;
  readonly stream: number;
  readonly bytes: Buffer;
}

const HEADER = 16;

/** Reads frames out of pieces as they come. A piece may hold many frames or a part of one. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that are whole with this piece. Their bytes are valid until the piece is reused. */
  *push(piece: Buffer): Generator<Frame> {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, piece]) : piece;
    let at = 0;
    while (bytes.length - at >= HEADER) {
      const length = bytes.readUInt32LE(at + 12);
      if (bytes.length - at - HEADER < length) break;
      const from = at + HEADER;
      at = from + length;
      yield { at: bytes.readBigUInt64LE(from - HEADER), stream: bytes.readUInt32LE(from - 8), bytes: bytes.subarray(from, at) };
    }
    this.#rest = Buffer.from(bytes.subarray(at));
  }
}
