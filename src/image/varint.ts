/**
 * Whole numbers in as few bytes as they need: seven bits a byte, low ones first, the top bit says that more follow (LEB128).
 * Numbers are 0 to 2^53 - 1. Used by the layer index, whose bytes are only ever read back by nought.
 */
export class NumberWriter {
  #bytes: Buffer;
  #at = 0;

  constructor(expected: number) {
    this.#bytes = Buffer.allocUnsafe(Math.max(64, expected));
  }

  byte(value: number): void {
    if (this.#at + 1 > this.#bytes.length) this.#grow();
    this.#bytes[this.#at++] = value;
  }

  number(value: number): void {
    if (this.#at + 8 > this.#bytes.length) this.#grow();
    let rest = value;
    // Beyond 2^31 the bit operators would cut, so the high part is divided off.
    while (rest >= 0x8000_0000) {
      this.#bytes[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      this.#bytes[this.#at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  /** A float64, low byte first. */
  float(value: number): void {
    if (this.#at + 8 > this.#bytes.length) this.#grow();
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** What was written, not copied. */
  done(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #grow(): void {
    const larger = Buffer.allocUnsafe(this.#bytes.length * 2);
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

/** Reads what NumberWriter wrote. Throws RangeError past the end. */
export class NumberReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw new RangeError("past the end");
    return value;
  }

  number(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++] as number;
    if (byte < 128) return byte;
    let value = byte & 127;
    let scale = 128;
    do {
      byte = this.byte();
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte >= 128);
    if (!Number.isSafeInteger(value)) throw new RangeError("not a number");
    return value;
  }

  float(): number {
    const value = this.#bytes.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }
}
