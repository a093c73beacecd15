import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Crafted, tar } from "../../test/craft-tar.ts";
import { Failure } from "../kit/error.ts";
import type { ImageConfig } from "../oci/config.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import { createTask } from "../task/task.ts";
import { encodeConfig, encodeIndex, encodeManifest } from "./documents.ts";
import { validateImage } from "./validate.ts";

/** Blobs in memory, handed out without a look at them: the oracle must trust nobody. */
class Blobs implements BytesReader {
  readonly all = new Map<Digest, Buffer>();

  add(bytes: Uint8Array, mediaType: string, more: Partial<Descriptor> = {}): Descriptor {
    const digest = digestOf(bytes);
    this.all.set(digest, Buffer.from(bytes));
    return { mediaType, digest, size: bytes.length, ...more };
  }

  async has(digest: Digest): Promise<boolean> {
    return this.all.has(digest);
  }

  async open(what: Descriptor) {
    const bytes = this.all.get(what.digest);
    if (!bytes) throw new Failure("NOT_FOUND", `${what.digest} is not there`);
    return {
      size: bytes.length,
      async *read() {
        yield bytes;
      },
      async [Symbol.asyncDispose]() {},
    };
  }
}

interface Change {
  layers?: (Buffer | Crafted[])[];
  compress?: boolean;
  layerType?: string;
  config?: (config: ImageConfig) => ImageConfig;
  platform?: Descriptor["platform"];
}

/** An image with two layers in an index, with something changed. */
function image(blobs: Blobs, change: Change = {}): { root: Descriptor; manifest: Descriptor; config: Descriptor; layers: Descriptor[] } {
  const tars = (
    change.layers ?? [
      [
        { name: "bin/", flag: "5" },
        { name: "bin/app", body: "app" },
      ],
      [
        { name: "etc/", flag: "5" },
        { name: "etc/conf", body: "x" },
      ],
    ]
  ).map((layer) => (Buffer.isBuffer(layer) ? layer : tar(...layer)));
  const layers = tars.map((bytes) =>
    change.compress ? blobs.add(gzipSync(bytes), change.layerType ?? MEDIA.layerGzip) : blobs.add(bytes, change.layerType ?? MEDIA.layer),
  );
  const plain: ImageConfig = {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: tars.map((bytes) => digestOf(bytes)) },
    history: [...tars.map(() => ({ created_by: "COPY" })), { created_by: "CMD", empty_layer: true }],
  };
  const config = blobs.add(encodeConfig(change.config?.(plain) ?? plain), MEDIA.config);
  const manifest = blobs.add(encodeManifest({ schemaVersion: 2, mediaType: MEDIA.manifest, config, layers }), MEDIA.manifest);
  const entry = { ...manifest, platform: change.platform ?? { os: "linux", architecture: "amd64" } };
  const root = blobs.add(encodeIndex({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [entry] }), MEDIA.index);
  return { root, manifest, config, layers };
}

async function findings(change: Change, damage: (blobs: Blobs, made: ReturnType<typeof image>) => void = () => {}): Promise<string[]> {
  const blobs = new Blobs();
  const made = image(blobs, change);
  damage(blobs, made);
  const found = await validateImage(blobs, made.root, createTask());
  return found.map((one) => `${one.level}: ${one.message}`.replaceAll(/sha256:[0-9a-f]{64}/g, "DIGEST"));
}

test("an image whose every claim holds has no finding", async () => {
  assert.deepEqual(await findings({}), []);
  assert.deepEqual(await findings({ compress: true }), []);
  assert.deepEqual(await findings({ layers: [] }), []);
});

test("M17: each byte of each blob counts: changed, missing or one too many, it is found", async () => {
  const blobs = new Blobs();
  const { root } = image(blobs, { compress: true });
  for (const [digest, bytes] of blobs.all) {
    for (let at = 0; at < bytes.length; at += Math.max(1, bytes.length >> 5)) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 1;
      for (const wrong of [changed, bytes.subarray(0, at), Buffer.concat([bytes, Buffer.from("x")])]) {
        blobs.all.set(digest, wrong);
        const found = await validateImage(blobs, root, createTask());
        assert.ok(
          found.some((one) => one.level === "error" && one.object === digest),
          `${digest} at ${at}`,
        );
      }
    }
    blobs.all.set(digest, bytes);
  }
  assert.deepEqual(await validateImage(blobs, root, createTask()), []);
});

test("T25: a layer whose bytes are right and whose diffID is not", async () => {
  const other = digestOf("other");
  const config = (plain: ImageConfig): ImageConfig => ({
    ...plain,
    rootfs: { type: "layers", diff_ids: [other, plain.rootfs.diff_ids[1] as Digest] },
  });
  assert.deepEqual(await findings({ config }), ["error: its bytes unpack to DIGEST, but the configuration says DIGEST"]);
});

test("T26: counts of layers, diffIDs and history that differ", async () => {
  assert.deepEqual(
    await findings({ config: (plain) => ({ ...plain, rootfs: { type: "layers", diff_ids: plain.rootfs.diff_ids.slice(1) } }) }),
    ["error: 2 layers, but 1 diffIDs in the configuration", "error: its bytes unpack to DIGEST, but the configuration says DIGEST"],
  );
  assert.deepEqual(await findings({ config: (plain) => ({ ...plain, history: [{ created_by: "COPY" }] }) }), [
    "error: 2 layers, but 1 entries of the history have one",
  ]);
  assert.deepEqual(await findings({ config: (plain) => ({ ...plain, history: [] }) }), []);
});

test("T22: a media type that is not what the bytes are", async () => {
  assert.deepEqual(await findings({ layerType: MEDIA.layerGzip, layers: [[{ name: "a" }]] }), [
    "error: its media type says gzip, its bytes are uncompressed",
  ]);
  assert.match(
    (await findings({ layerType: "text/plain", layers: [[{ name: "a" }]] }))[0] ?? "",
    /text\/plain is no media type of a layer/,
  );
});

test("a tar that is damaged, repeats itself or has children before parents; layers that make no tree", async () => {
  assert.match((await findings({ layers: [Buffer.from("x".repeat(1_024))] }))[0] ?? "", /error: layer, byte 0: not a tar archive/);
  assert.deepEqual(await findings({ layers: [[{ name: "a" }, { name: "a" }]] }), ["warning: 1 members repeat a path that came before"]);
  assert.deepEqual(await findings({ layers: [[{ name: "d/a" }, { name: "d", flag: "5" }]] }), [
    "warning: 1 members come before their directory, or without it",
  ]);
  assert.deepEqual(await findings({ layers: [[{ name: "a", flag: "1", link: "nowhere" }]] }), [
    "error: hard link /a names /nowhere, which is not there",
  ]);
});

test("platforms that disagree, and one that is not there", async () => {
  assert.deepEqual(await findings({ platform: { os: "linux", architecture: "arm64" } }), [
    "error: the index calls it linux/arm64, its configuration linux/amd64",
  ]);
  assert.deepEqual(await findings({}, (blobs, made) => blobs.all.delete(made.manifest.digest)), [
    "warning: it names DIGEST, which is not there",
  ]);
});

test("a blob that is missing, and a root that is no image", async () => {
  assert.deepEqual(await findings({}, (blobs, made) => blobs.all.delete(made.layers[0]?.digest as Digest)), ["error: DIGEST is not there"]);
  const blobs = new Blobs();
  const text = blobs.add(Buffer.from("hello"), "text/plain");
  assert.equal((await validateImage(blobs, text, createTask()))[0]?.message, "text/plain is neither a manifest nor an index");
});

test("M14: a data field that is not the blob", async () => {
  const blobs = new Blobs();
  const { config, layers } = image(blobs);
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: { ...config, data: Buffer.from("{}").toString("base64") },
    layers,
  });
  const found = await validateImage(blobs, blobs.add(manifest, MEDIA.manifest), createTask());
  assert.deepEqual(
    found.map((one) => one.message),
    ["the data field of its descriptor is not its bytes"],
  );
});

test("M15 ✚: attestations and artifacts beside an image: their bytes are checked, nothing else is asked of them", async () => {
  const blobs = new Blobs();
  const { manifest } = image(blobs);
  const statement = blobs.add(Buffer.from("{}"), "application/vnd.in-toto+json");
  const empty = blobs.add(
    encodeConfig({
      architecture: "unknown",
      os: "unknown",
      config: {},
      rootfs: { type: "layers", diff_ids: [digestOf("x")] },
      history: [],
    }),
    MEDIA.config,
  );
  const attestation = blobs.add(
    encodeManifest({ schemaVersion: 2, mediaType: MEDIA.manifest, config: empty, layers: [statement] }),
    MEDIA.manifest,
  );
  const artifact = blobs.add(
    encodeManifest({
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      artifactType: "text/x",
      config: blobs.add(Buffer.from("{}"), MEDIA.empty),
      layers: [statement],
    }),
    MEDIA.manifest,
  );
  const manifests = [manifest, { ...attestation, platform: { os: "unknown", architecture: "unknown" } }, artifact];
  const root = blobs.add(encodeIndex({ schemaVersion: 2, mediaType: MEDIA.index, manifests }), MEDIA.index);
  assert.deepEqual(await validateImage(blobs, root, createTask()), []);
  blobs.all.set(statement.digest, Buffer.from("[]"));
  assert.equal((await validateImage(blobs, root, createTask()))[0]?.object, statement.digest);
});

test("M06: indexes in indexes, up to the limit and beyond", async () => {
  const nested = async (depth: number) => {
    const blobs = new Blobs();
    let { root } = image(blobs);
    for (let level = 0; level < depth; level++)
      root = blobs.add(encodeIndex({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [root] }), MEDIA.index);
    return validateImage(blobs, root, createTask());
  };
  assert.deepEqual(await nested(6), []);
  assert.match((await nested(9))[0]?.message ?? "", /nested deeper than 8/);
});
