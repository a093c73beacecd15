import { closeSync, fstatSync } from "node:fs";
import type { Digest } from "../oci/digest.ts";
import { readLayer } from "../tree/content.ts";
import type { OpenLayer } from "../tree/read.ts";

const WINDOW = 1 << 20;

/** How many layers are open at a time, each with its window: a bound on descriptors and on memory. */
const MOST = 8;

/** The layers that contents are copied from, those used last kept open. */
export class LayerWindows implements Disposable {
  readonly #open: OpenLayer;
  /** The one used last is the last. */
  readonly #windows = new Map<Digest, LayerWindow>();

  constructor(open: OpenLayer) {
    this.#open = open;
  }

  /** The window of a layer that is open, made the one used last. */
  get(diffId: Digest): LayerWindow | undefined {
    const window = this.#windows.get(diffId);
    if (window === undefined) return undefined;
    this.#windows.delete(diffId);
    this.#windows.set(diffId, window);
    return window;
  }

  /** Opens a layer; another may be closed for it. */
  async open(diffId: Digest): Promise<LayerWindow> {
    const fd = await this.#open(diffId);
    const [oldest] = this.#windows;
    if (oldest && this.#windows.size >= MOST) {
      this.#windows.delete(oldest[0]);
      closeSync(oldest[1].fd);
    }
    const window = new LayerWindow(fd, diffId, fstatSync(fd).size);
    this.#windows.set(diffId, window);
    return window;
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#windows.values()) closeSync(fd);
    this.#windows.clear();
  }
}

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
