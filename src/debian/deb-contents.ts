import { closeSync, openSync, rmSync } from "node:fs";
import { createPrivate, writeFully } from "../kit/atomic.ts";
import { assert } from "../kit/error.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import type { Digest } from "../oci/digest.ts";
import type { Content } from "../tree/entry.ts";
import type { OpenLayer } from "../tree/read.ts";

/** Bytes of unpacked packages that are held in memory before others go to temporary files. */
const IN_MEMORY = 256 << 20;
/** What a package says of its size is believed up to here, before it has come. */
const HINT = 64 << 20;

/**
 * Where the files of unpacked packages are until they are sealed into a layer: in memory, and, once that would be too much of it, in
 * temporary files. Dispose of it when the layers are made.
 */
export class DebContents implements Disposable {
  readonly #temporary: () => Promise<string>;
  readonly #files = new Map<Digest, string>();
  readonly #memory: number;
  #room: number;

  /** `temporary` gives a fresh path for a file that is removed here; `memory` is the number of bytes to hold without one. */
  constructor(temporary: () => Promise<string>, memory = IN_MEMORY) {
    this.#temporary = temporary;
    this.#memory = memory;
    this.#room = memory;
  }

  /** Bytes that are in memory. */
  get held(): number {
    return this.#memory - this.#room;
  }

  /**
   * Takes the plain data archive of one package, piece by piece. `expected` is about how many bytes will come; memory that is not
   * written to costs nothing.
   */
  writer(expected = 0): DebWriter {
    let whole = Buffer.alloc(0);
    let length = 0;
    let file: { readonly path: string; readonly fd: number } | undefined;
    const write = (piece: Uint8Array) => {
      try {
        writeFully((file as { fd: number }).fd, piece);
      } catch (error) {
        throw storageFailure(error, "could not write", (file as { path: string }).path);
      }
    };
    return {
      take: async (piece) => {
        if (file) return write(piece);
        if (piece.length <= this.#room) {
          this.#room -= piece.length;
          if (length + piece.length > whole.length) whole = larger(whole, length, length + piece.length, expected);
          whole.set(piece, length);
          length += piece.length;
          return;
        }
        const path = await this.#temporary();
        try {
          file = { path, fd: createPrivate(path) };
        } catch (error) {
          throw storageFailure(error, "could not write", path);
        }
        write(whole.subarray(0, length));
        whole = Buffer.alloc(0);
        this.#room += length;
        write(piece);
      },
      finish: (digest) => {
        if (file) {
          closeSync(file.fd);
          this.#files.set(digest, file.path);
          return (offset) => ({ in: "layer", diffId: digest, offset });
        }
        return (offset, size) => ({ in: "memory", bytes: whole.subarray(offset, offset + size) });
      },
      abort: () => {
        whole = Buffer.alloc(0);
        this.#room += length;
        if (!file) return;
        closeSync(file.fd);
        rmSync(file.path, { force: true });
      },
    };
  }

  /** Sets aside memory for a package that another thread reads: at most so many bytes, and no more than there are. */
  grant(most: number): number {
    const granted = Math.min(most, this.#room);
    this.#room -= granted;
    return granted;
  }

  /** Ends a grant, of which `used` bytes are still in memory. */
  settle(granted: number, used: number): void {
    this.#room += granted - used;
  }

  /** The temporary files, which are no longer this object's to remove. */
  handOver(): readonly (readonly [Digest, string])[] {
    const files = [...this.#files];
    this.#files.clear();
    return files;
  }

  /** Takes files that another one handed over. */
  takeOver(files: readonly (readonly [Digest, string])[]): void {
    for (const [digest, path] of files) this.#files.set(digest, path);
  }

  /** Opens what `seal` asks for; contents that are in real layers are `below`'s. */
  opener(below: OpenLayer): OpenLayer {
    return async (digest) => {
      const path = this.#files.get(digest);
      if (path === undefined) return below(digest);
      try {
        return openSync(path, "r");
      } catch (error) {
        throw storageFailure(error, "could not read", path);
      }
    };
  }

  [Symbol.dispose](): void {
    for (const path of this.#files.values()) rmSync(path, { force: true });
    this.#files.clear();
  }
}

/** The bytes so far in a buffer of its own, never a part of Node's pool: another thread may take it over. */
function larger(bytes: Buffer, length: number, wanted: number, expected: number): Buffer<ArrayBuffer> {
  const room = Math.max(wanted, length === 0 ? Math.min(expected, HINT) : 2 * length);
  const next = Buffer.from(new ArrayBuffer(room));
  bytes.copy(next, 0, 0, length);
  return next;
}

/** One package's data archive being read. */
export interface DebWriter {
  take(piece: Uint8Array): Promise<void>;
  /** Tells where a file's bytes are: `offset` and `size` in the plain archive, whose digest is given. */
  finish(digest: Digest): (offset: number, size: number) => Content;
  abort(): void;
}

/** Contents that nobody keeps in files: for packages that are small. */
export function inMemory(): DebContents {
  return new DebContents(async () => {
    assert(false, "nothing goes to a file");
    return "";
  }, Number.POSITIVE_INFINITY);
}
