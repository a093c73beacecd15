import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { Failure } from "../kit/error.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { asLayer } from "./as-layer.ts";

const tar = Buffer.concat([randomBytes(700_000), Buffer.alloc(3_000_000, "text ")]);
const layer = { diffId: digestOf(tar), blob: { mediaType: MEDIA.layerGzip, digest: digestOf("blob"), size: 1 } };

/** Pieces of bytes in one buffer that is used again for each, as some readers do. */
async function* pieces(bytes: Buffer, size = 10_000): AsyncGenerator<Uint8Array> {
  const window = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) yield window.subarray(0, bytes.copy(window, 0, at, at + size));
}

async function gathered(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(Buffer.from(chunk));
  return Buffer.concat(all);
}

test("a layer passes as it is, however it is packed", async () => {
  for (const packed of [gzipSync(tar), zstdCompressSync(tar), tar]) assert((await gathered(asLayer(pieces(packed), layer))).equals(packed));
});

test("what is another layer, is cut off or is rubbish does not come to its end", { timeout: 20_000 }, async () => {
  const packed = gzipSync(tar);
  const spoiled = Buffer.from(packed);
  spoiled.fill(0, 400_000, 400_100);
  for (const wrong of [
    gzipSync("another"),
    packed.subarray(0, 500_000),
    spoiled,
    Buffer.concat([packed, gzipSync("more")]),
    Buffer.alloc(0),
  ])
    await assert.rejects(gathered(asLayer(pieces(wrong), layer)), (error: unknown) => error instanceof Failure);
});

test("who stops reading in the middle leaves nothing behind", { timeout: 20_000 }, async () => {
  let closed = false;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      yield* pieces(gzipSync(tar));
    } finally {
      closed = true;
    }
  }
  for await (const _ of asLayer(source(), layer)) break;
  assert(closed);
});
