import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { tar } from "../../test/craft-tar.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { createTask } from "../task/task.ts";
import { represent } from "./represent.ts";

const plain = tar({ name: "a", body: "hello" });

/** A place in memory. */
function memory(...blobs: Buffer[]) {
  const all = new Map<Digest, Buffer>(blobs.map((bytes) => [digestOf(bytes), bytes]));
  return {
    all,
    has: async (digest: Digest) => all.has(digest),
    async open({ digest }: { digest: Digest }) {
      const bytes = all.get(digest) ?? Buffer.alloc(0);
      return {
        size: bytes.length,
        async *read() {
          yield bytes;
        },
        async [Symbol.asyncDispose]() {},
      };
    },
    async put(source: AsyncIterable<Uint8Array> | Uint8Array) {
      const pieces: Uint8Array[] = [];
      if (source instanceof Uint8Array) pieces.push(source);
      else for await (const piece of source) pieces.push(Buffer.from(piece));
      const bytes = Buffer.concat(pieces);
      all.set(digestOf(bytes), Buffer.from(bytes));
      return { digest: digestOf(bytes), size: bytes.length };
    },
  };
}

test("a layer keeps its diffID in every compression, and comes back the same", async () => {
  const place = memory(plain);
  let layer = { diffId: digestOf(plain), blob: { mediaType: MEDIA.layer as string, digest: digestOf(plain), size: plain.length } };
  for (const compression of ["gzip", "zstd", "gzip", "uncompressed"] as const) {
    layer = await represent(layer, { compression }, place, place, createTask());
    assert.equal(layer.diffId, digestOf(plain));
    assert.equal(layer.blob.mediaType, { gzip: MEDIA.layerGzip, zstd: MEDIA.layerZstd, uncompressed: MEDIA.layer }[compression]);
    assert.equal(place.all.get(layer.blob.digest)?.length, layer.blob.size);
    if (compression === "gzip") assert.ok(gunzipSync(place.all.get(layer.blob.digest) as Buffer).equals(plain));
  }
  assert.equal(layer.blob.digest, digestOf(plain));
});

test("T25: bytes that are not the layer's are refused, and nothing is stored", async () => {
  const other = gzipSync("something else");
  const place = memory(other);
  const layer = { diffId: digestOf(plain), blob: { mediaType: MEDIA.layerGzip, digest: digestOf(other), size: other.length } };
  await assert.rejects(represent(layer, { compression: "zstd" }, place, place, createTask()), { code: "DIGEST" });
  assert.equal(place.all.size, 1);
});
