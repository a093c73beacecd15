import type { Bytes } from "./place.ts";

/** Bytes that are in memory, as places hand them out. Nothing is verified: whoever made them knows what they are. */
export function memoryBytes(bytes: Uint8Array): Bytes {
  return {
    size: bytes.length,
    async *read(from = 0, to = bytes.length) {
      yield bytes.subarray(from, to);
    },
    async [Symbol.asyncDispose]() {},
  };
}
