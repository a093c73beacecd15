/**
 * Walks over the frames of a zstd stream without unpacking them (RFC 8878, section 3): where each ends, and whether it is a
 * skippable one. Needed because Node's engine stops after the first frame without a word.
 */
export class ZstdFrames {
  /** The frame that the last step was in: `undefined` until its magic number was seen. */
  skippable: boolean | undefined;
  /** Whether the last step ended at the end of a frame. */
  done = true;
  readonly #header = Buffer.alloc(4);
  #have = 0;
  #want = 4;
  #skip = 0;
  #next: "magic" | "descriptor" | "block" | "end" | "length" = "magic";
  #checksum = false;

  /**
   * Goes on from `at` to the end of the frame or of the bytes, whichever comes first, and returns where that is.
   * A `string` says why this is no zstd stream.
   */
  walk(bytes: Buffer, at: number): number | string {
    let here = at;
    this.done = false;
    while (here < bytes.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, bytes.length - here);
        this.#skip -= step;
        here += step;
      } else {
        const step = Math.min(this.#want - this.#have, bytes.length - here);
        bytes.copy(this.#header, this.#have, here, here + step);
        this.#have += step;
        here += step;
        if (this.#have < this.#want) return here;
        this.#have = 0;
        const problem = this.#take();
        if (problem) return problem;
      }
      if (this.#skip === 0 && this.#next === "end") {
        this.#expect("magic", 4);
        this.done = true;
        return here;
      }
    }
    return here;
  }

  /** Acts on the header bytes just read. */
  #take(): string | undefined {
    const header = this.#header;
    switch (this.#next) {
      case "magic": {
        const magic = header.readUInt32LE(0);
        this.skippable = (magic & 0xfffffff0) === 0x184d2a50;
        if (!this.skippable && magic !== 0xfd2fb528) return "other bytes follow after its end";
        if (this.skippable) this.#expect("length", 4);
        else this.#expect("descriptor", 1);
        return undefined;
      }
      case "length":
        this.#skip = header.readUInt32LE(0);
        this.#expect("end", 0);
        return undefined;
      case "descriptor": {
        const descriptor = header[0] as number;
        if (descriptor & 8) return "a reserved bit of a frame header is set";
        const single = (descriptor & 32) !== 0;
        const dictionary = [0, 1, 2, 4][descriptor & 3] as number;
        const size = descriptor >> 6 === 0 ? (single ? 1 : 0) : 1 << (descriptor >> 6);
        this.#checksum = (descriptor & 4) !== 0;
        this.#skip = (single ? 0 : 1) + dictionary + size;
        this.#expect("block", 3);
        return undefined;
      }
      case "block": {
        const block = header.readUIntLE(0, 3);
        const type = (block >> 1) & 3;
        if (type === 3) return "a block of the reserved type";
        this.#skip = type === 1 ? 1 : block >> 3;
        if (block & 1) {
          this.#skip += this.#checksum ? 4 : 0;
          this.#expect("end", 0);
        }
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #expect(next: "magic" | "descriptor" | "block" | "end" | "length", want: number): void {
    this.#next = next;
    this.#want = want;
  }
}
