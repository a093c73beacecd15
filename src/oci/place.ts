import type { Task } from "../task/task.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import type { Reference } from "./reference.ts";

/** Bytes that can be read in parts, several times. `size` is bytes; `to` is exclusive. */
export interface Bytes extends AsyncDisposable {
  readonly size: number;
  /** Whole chunks in order. Reading from 0 to the end verifies size and digest and throws DIGEST at the end if they differ. */
  read(from?: number, to?: number): AsyncIterable<Uint8Array>;
}

export interface BytesReader {
  has(digest: Digest): Promise<boolean>;
  /** Throws NOT_FOUND. */
  open(what: Descriptor): Promise<Bytes>;
}

export interface BytesWriter {
  /** Stores bytes; twice is harmless. With `expect`, bytes of another digest or size throw DIGEST and nothing stays. */
  put(
    bytes: AsyncIterable<Uint8Array> | Uint8Array,
    expect?: { readonly digest: Digest; readonly size: number },
  ): Promise<{ digest: Digest; size: number }>;
}

/** Anywhere images can live: the store, an OCI layout, a docker archive, a registry. */
export interface Place extends BytesReader, BytesWriter {
  resolve(name: Reference, task: Task): Promise<Descriptor | undefined>;
  publish(name: Reference, root: Descriptor, task: Task): Promise<void>;
}
