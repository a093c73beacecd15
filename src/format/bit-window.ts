/** Thrown when bits are asked for that are not there. */
export class OutOfBits extends Error {}

/** Bits of a buffer, highest of each byte first. Bytes are added at the end; those that were read are let go. */
export class BitWindow {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #bits = 0;
  #value = 0;

  /** Whole bytes not read yet. */
  get available(): number {
    return this.#bytes.length - this.#at;
  }

  add(pieces: readonly Buffer[]): void {
    this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), ...pieces]);
    this.#at = 0;
  }

  /** The next bits as a number, at most 24. Throws OutOfBits. */
  read(count: number): number {
    while (this.#bits < count) {
      if (this.#at >= this.#bytes.length) throw new OutOfBits();
      // At most 23 bits are left from before, so that this never goes beyond 31.
      this.#value = ((this.#value << 8) | (this.#bytes[this.#at++] as number)) & 0x7fffffff;
      this.#bits += 8;
    }
    this.#bits -= count;
    return (this.#value >>> this.#bits) & ((1 << count) - 1);
  }

  /** Passes over the rest of a byte that was begun. */
  align(): void {
    this.#bits -= this.#bits % 8;
  }
}
