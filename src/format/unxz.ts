import { Failure } from "../kit/error.ts";
import type { Feed } from "./feed.ts";

/** What the decoder's error codes mean (xz-embedded, xz.h), where a person can do something about it. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/error code [34]$/, "its dictionary is larger than the decoder allows"],
  [/error code 6$/, "it uses a filter or a checksum that the decoder does not know; unpack it with the xz program first"],
  [/error code 8$/, "it ends too early, or other bytes follow after its end"],
];

/**
 * Unpacks xz (the .xz format: any number of streams, with padding), with a decoder in WebAssembly that is loaded at first use.
 * It knows LZMA2 with CRC32 or CRC64, which is what xz writes unless asked otherwise. A cut or damaged stream is refused.
 * Throws COMPRESSION.
 */
export async function* unxz(feed: Feed): AsyncGenerator<Buffer> {
  const library: { readonly XzReadableStream: typeof import("xz-decompress").XzReadableStream; readonly default?: unknown } = await import(
    "xz-decompress"
  );
  // A CommonJS module: for an ECMAScript module, its exports are the default one.
  const { XzReadableStream } = (library.default as typeof library | undefined) ?? library;
  const reader = new XzReadableStream(ReadableStream.from(feed) as ReadableStream<Uint8Array>).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield Buffer.from(value.buffer, value.byteOffset, value.length);
    }
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    const reason = REASONS.find(([form]) => form.test(message))?.[1] ?? "damaged";
    throw new Failure("COMPRESSION", `xz stream: ${reason}`, { cause });
  } finally {
    await reader.cancel().catch(() => {});
  }
}
