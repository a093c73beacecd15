import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { fill, type Sample, sampleImage } from "../../test/sample-image.ts";
import { openImage } from "../image/open.ts";
import { Failure } from "../kit/error.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { hostPlatform } from "../oci/platform.ts";
import type { ContentStore } from "../store/face.ts";
import { openStore } from "../store/store.ts";
import { createTask } from "../task/task.ts";
import { type Representation, representImage } from "./represent.ts";

const task = createTask();
let dir = "";
let store: ContentStore;
let sample: Sample;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "nought-represent-"));
  store = await openStore(join(dir, "store"));
  sample = await sampleImage({ architecture: hostPlatform().architecture, layers: [{ hello: "hello\n".repeat(1000) }, { other: "x" }] });
  await fill(store, sample);
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const open = (root: Sample["root"]) => openImage(store, root, hostPlatform());
const as = async (how: Representation, root = sample.root) => open(await representImage(store, await open(root), how, task));

test("gzip and zstd change the blobs and the manifest, not the image ID or the diffIDs", async () => {
  for (const [compression, mediaType, unpack] of [
    ["gzip", MEDIA.layerGzip, gunzipSync],
    ["zstd", MEDIA.layerZstd, zstdDecompressSync],
  ] as const) {
    const image = await as({ compression });
    assert.equal(image.configDescriptor.digest, sample.config.digest);
    assert.notEqual(image.descriptor.digest, sample.root.digest);
    for (const [n, layer] of image.layers.entries()) {
      assert.equal(layer.blob.mediaType, mediaType);
      assert.equal(layer.diffId, sample.diffIds[n]);
      assert.equal(digestOf(unpack(readFileSync(store.pathOf(layer.blob.digest)))), layer.diffId);
    }
    assert.equal((await as({ compression: "uncompressed", force: true }, image.descriptor)).descriptor.digest, sample.root.digest);
  }
});

test("what is compressed already stays, unless forced", async () => {
  const gzip = await as({ compression: "gzip" });
  assert.equal((await as({ compression: "zstd" }, gzip.descriptor)).descriptor.digest, gzip.descriptor.digest);
  assert.equal((await as({ compression: "uncompressed" }, gzip.descriptor)).descriptor.digest, gzip.descriptor.digest);
  assert.equal((await as({ compression: "zstd", force: true }, gzip.descriptor)).layers[0]?.blob.mediaType, MEDIA.layerZstd);
  assert.deepEqual((await as({ compression: "uncompressed" })).descriptor, (await open(sample.root)).descriptor);
});

test("the same settings find the same blobs again, in another run too; another level makes others", async () => {
  const first = await as({ compression: "gzip" });
  await store[Symbol.asyncDispose]();
  store = await openStore(join(dir, "store"));
  let written = 0;
  const watched: ContentStore = {
    ...store,
    writer() {
      written++;
      return store.writer();
    },
  };
  const root = await representImage(watched, await open(sample.root), { compression: "gzip", level: 4 }, task);
  assert.deepEqual([root.digest, written], [first.descriptor.digest, 0]);
  assert.notEqual((await as({ compression: "gzip", level: 1 })).descriptor.digest, first.descriptor.digest);
});

test("levels that do not exist are USAGE", async () => {
  for (const [compression, level] of [
    ["gzip", 10],
    ["gzip", 1.5],
    ["zstd", 0],
    ["zstd", 23],
  ] as const) {
    await assert.rejects(as({ compression, level }), (error: Failure) => error.code === "USAGE" && /compression level/.test(error.message));
  }
});

test("T25: a layer that does not unpack to its diffID is not represented", async () => {
  const image = await open(sample.root);
  const [first, second] = image.layers;
  const swapped = { ...image, layers: [{ ...first, diffId: second?.diffId } as (typeof image.layers)[0]] };
  await assert.rejects(
    representImage(store, swapped, { compression: "gzip" }, task),
    (error: Failure) => error instanceof Failure && error.code === "DIGEST",
  );
});
