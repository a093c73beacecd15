import type { Digest } from "../oci/digest.ts";
import { readLayer } from "../tree/content.ts";

const WINDOW = 1 << 20;

/**
 * A layer's plain tar, read a mebibyte at a time: files that lie one after the other there, and are asked for in that order, cost one
 * system call for hundreds of them.
 */
export class LayerWindow {
  readonly fd: number;
  readonly diffId: Digest;
  readonly #bytes = Buffer.allocUnsafeSlow(WINDOW);
  #from = 0;
  #to = 0;
  #size: number;

  /** `size` is the length of the whole tar in bytes. */
  constructor(fd: number, diffId: Digest, size: number) {
    this.fd = fd;
    this.diffId = diffId;
    this.#size = size;
  }

  /** Copies `size` bytes that begin at `offset` of the tar into `target` at `at`. Throws DIGEST where the layer is shorter than that. */
  copy(offset: number, size: number, target: Buffer, at: number): void {
    if (size > WINDOW) {
      readLayer(this.fd, target, at, size, offset, this.diffId);
      return;
    }
    if (offset < this.#from || offset + size > this.#to) {
      const length = Math.max(size, Math.min(WINDOW, this.#size - offset));
      this.#to = 0;
      readLayer(this.fd, this.#bytes, 0, length, offset, this.diffId);
      this.#from = offset;
      this.#to = offset + length;
    }
    this.#bytes.copy(target, at, offset - this.#from, offset - this.#from + size);
  }
}
