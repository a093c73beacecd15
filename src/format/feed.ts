/** A stream that is read piece by piece, and takes back what was not needed. */
export class Feed implements AsyncIterable<Buffer> {
  readonly #source: AsyncIterator<Uint8Array>;
  #returned: Buffer[] = [];
  #ended = false;
  /** Bytes that came from the source so far. */
  total = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next piece, never empty; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    const again = this.#returned.pop();
    if (again) return again;
    while (!this.#ended) {
      const { done, value } = await this.#source.next();
      if (done) this.#ended = true;
      else if (value.length > 0) {
        this.total += value.length;
        return Buffer.from(value.buffer, value.byteOffset, value.length);
      }
    }
    return undefined;
  }

  /** Puts bytes back in front. */
  unread(bytes: Buffer): void {
    if (bytes.length > 0) this.#returned.push(bytes);
  }

  /** At least `length` bytes from the front, or all there are, without taking them. */
  async peek(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let have = 0;
    while (have < length) {
      const piece = await this.next();
      if (!piece) break;
      // Copied: whoever brings the bytes may use the buffer again for the next piece.
      parts.push(Buffer.from(piece));
      have += piece.length;
    }
    const head = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    this.unread(head);
    return head;
  }

  /** Lets go of the source. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#source.return?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      for (let piece = await this.next(); piece; piece = await this.next()) yield piece;
    } finally {
      await this.close();
    }
  }
}
