import type { Task } from "../task/task.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import type { Reference } from "./reference.ts";

/** Bytes that can be read in parts, several times. `size` is bytes; `to` is exclusive. */
export interface Bytes extends AsyncDisposable {
  readonly size: number;
  /** Whole chunks in order. Reading from 0 to the end verifies size and digest and throws DIGEST at the end if they differ. */
  read(from?: number, to?: number): AsyncIterable<Uint8Array>;
  /**
   * The same from `from` to the end without a look at the digest, for those who take it anyway. A chunk is the reader's until it asks for
   * the next one: its memory may be used again.
   */
  unverified?(from: number): AsyncIterable<Uint8Array>;
}

/** Bytes on their way that can be had again: a writer that lost its connection goes on from `offset`. */
export interface Rereadable extends AsyncIterable<Uint8Array> {
  /** Reading them from their beginning to their end throws DIGEST where they are not what was announced: nobody need hash them again. */
  readonly verified: boolean;
  from(offset: number): AsyncIterable<Uint8Array>;
}

export interface BytesReader {
  /** `mediaType` tells a place that keeps documents apart (a registry) where to look. */
  has(digest: Digest, mediaType?: string): Promise<boolean>;
  /** Throws NOT_FOUND. */
  open(what: Descriptor): Promise<Bytes>;
}

export interface BytesWriter {
  /**
   * Stores bytes; twice is harmless. With `expect`, bytes of another digest or size throw DIGEST and nothing stays. Bytes that are
   * Rereadable survive a lost connection.
   */
  put(
    bytes: AsyncIterable<Uint8Array> | Rereadable | Uint8Array,
    expect?: { readonly digest: Digest; readonly size: number; readonly mediaType?: string },
  ): Promise<{ digest: Digest; size: number }>;
}

/** Anywhere images can live: the store, an OCI layout, a docker archive, a registry. */
export interface Place extends BytesReader, BytesWriter {
  resolve(name: Reference, task: Task): Promise<Descriptor | undefined>;
  publish(name: Reference, root: Descriptor, task: Task): Promise<void>;
}
