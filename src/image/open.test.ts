import assert from "node:assert/strict";
import { test } from "node:test";
import { refused } from "../../test/refused.ts";
import { memoryReader, type Sample, sampleImage, sampleIndex } from "../../test/sample-image.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { openImage } from "./open.ts";

const AMD64 = { os: "linux", architecture: "amd64" };

/** Wraps a root into an index, with what else is given beside it. */
function wrapped(sample: Sample, manifests: readonly Descriptor[] = [sample.root]): Sample {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests }));
  const root = { mediaType: MEDIA.index, digest: digestOf(bytes), size: bytes.length };
  return { ...sample, root, blobs: new Map([...sample.blobs, [root.digest, bytes]]) };
}

const open = (sample: Sample, platform = AMD64) => openImage(memoryReader(sample.blobs), sample.root, platform);

test("an image is its manifest, its configuration and its layers with their diffIDs", async () => {
  const sample = await sampleImage({ layers: [{ a: "1" }, { b: "2" }], compression: "gzip" });
  const image = await open(sample);
  assert.equal(image.descriptor.digest, sample.root.digest);
  assert.deepEqual(
    image.layers.map((layer) => layer.diffId),
    sample.diffIds,
  );
  assert.deepEqual(
    image.layers.map((layer) => layer.blob.digest),
    sample.layers.map((layer) => layer.digest),
  );
});

test("M06, M15: through indexes, by platform; attestations and unknown platforms do not count", async () => {
  const sample = await sampleImage();
  const arm = await sampleImage({ architecture: "arm64" });
  const index = sampleIndex([
    { sample, architecture: "amd64" },
    { sample: arm, architecture: "arm64" },
  ]);
  assert.equal((await open(index)).descriptor.digest, sample.root.digest);
  assert.equal((await open(index, { os: "linux", architecture: "arm64" })).descriptor.digest, arm.root.digest);
  await assert.rejects(
    open(index, { os: "linux", architecture: "s390x" }),
    refused("NOT_FOUND", /no match for platform linux\/s390x/, /linux\/amd64, linux\/arm64/),
  );
  const attested = wrapped(sample, [
    { ...sample.root, platform: { os: "unknown", architecture: "unknown" } },
    { ...sample.root, annotations: { "vnd.docker.reference.type": "attestation-manifest" } },
    sample.root,
  ]);
  assert.equal((await open(attested)).descriptor.digest, sample.root.digest, "the only one left has no platform");
  await assert.rejects(open(wrapped(sample, [])), refused("NOT_FOUND", /no match/, /names no platform/));
});

test("M06: indexes inside indexes, as deep as anybody needs and no deeper", async () => {
  let sample: Sample = await sampleImage();
  const { digest } = sample.root;
  for (let depth = 1; depth <= 12; depth++) {
    sample = wrapped(sample);
    if (depth <= 9) assert.equal((await open(sample)).descriptor.digest, digest, `${depth} deep`);
    else await assert.rejects(open(sample), refused("LIMIT", /nested deeper than 8/));
  }
});

test("M26: documents that do not agree are refused", async () => {
  const broken = await sampleImage({ editConfig: (config) => ({ ...config, rootfs: { type: "layers", diff_ids: [] } }) });
  await assert.rejects(open(broken), refused("MANIFEST", /1 layers but 0 diffIDs/));
  const artifact = await sampleImage({
    editManifest: (manifest) => ({ ...manifest, layers: [{ ...(manifest["layers"] as Descriptor[])[0], mediaType: "text/plain" }] }),
  });
  await assert.rejects(open(artifact), refused("MANIFEST", /text\/plain is no layer of an image/));
  const many = await sampleImage({
    editManifest: (manifest) => ({ ...manifest, layers: Array.from({ length: 1001 }, () => (manifest["layers"] as Descriptor[])[0]) }),
  });
  await assert.rejects(open(many), refused("LIMIT", /1001 layers; 1000 are accepted/));
  const sample = await sampleImage();
  await assert.rejects(
    openImage(memoryReader(sample.blobs), { ...sample.root, size: 5 << 20 }, AMD64),
    refused("LIMIT", /4194304 are accepted/),
  );
});
