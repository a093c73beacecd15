import { createGunzip } from "node:zlib";
import { Failure } from "../kit/error.ts";
import { ENGINE_CHUNK, through } from "./engine.ts";
import type { Feed } from "./feed.ts";

/**
 * Unpacks gzip (RFC 1952): any number of members one after the other, checksums and lengths verified. Zeros after the last member
 * are padding, as some writers of layers leave them; any other byte there is refused, as is a cut stream. Throws COMPRESSION.
 */
export async function* gunzip(feed: Feed): AsyncGenerator<Buffer> {
  try {
    yield* through(createGunzip({ chunkSize: ENGINE_CHUNK }), feed);
  } catch (cause) {
    throw compressionFailure("gzip", cause);
  }
  for (let piece = await feed.next(); piece; piece = await feed.next()) {
    if (piece.some((byte) => byte !== 0)) throw new Failure("COMPRESSION", "gzip stream: other bytes follow after its end");
  }
}

/** An error of a zlib engine as a failure; any other error as it is. */
export function compressionFailure(kind: string, cause: unknown): unknown {
  const code = (cause as { code?: unknown }).code;
  if (typeof code !== "string" || !/^(Z_|ZSTD_|ERR_)/.test(code)) return cause;
  const cut = code === "Z_BUF_ERROR";
  return new Failure("COMPRESSION", `${kind} stream: ${cut ? "it ends too early" : `damaged (${(cause as Error).message})`}`, { cause });
}
