import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { encodeCacheConfig, parseCacheConfig } from "./cache-config.ts";
import type { TravelRecord } from "./face.ts";
import { readInlineCache, withInlineCache } from "./inline.ts";

const layer = (name: string) => ({
  diffId: digestOf(`tar ${name}`),
  blob: { mediaType: MEDIA.layerGzip, digest: digestOf(`gzip ${name}`), size: 100 + name.length },
});
const RECORDS: readonly TravelRecord[] = [
  { key: digestOf("quick"), layer: layer("a"), newest: 1_700_000_000, exact: digestOf("exact") },
  { key: digestOf("exact"), layer: layer("a"), newest: 1_700_000_000, exact: digestOf("exact") },
  { key: digestOf("run"), layer: layer("b"), newest: 0 },
  { key: digestOf("selection"), value: digestOf("chosen") },
  { key: digestOf("definition") },
  { key: digestOf("builder"), promised: digestOf("tar of the builder"), newest: 1, exact: digestOf("exact of the builder") },
];
const byKey = (records: readonly TravelRecord[]) => [...records].sort((a, b) => (a.key < b.key ? -1 : 1));
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const fails = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;

test("records are read as they were written, and equal records give equal bytes in any order", () => {
  const written = encodeCacheConfig(RECORDS);
  assert.deepEqual(parseCacheConfig(written, "cache"), byKey(RECORDS));
  assert.deepEqual(encodeCacheConfig([...RECORDS].reverse()), written);
});

test("it is BuildKit's document: layers without parents, records with results, what is ours in one field", () => {
  const { layers, records } = JSON.parse(Buffer.from(encodeCacheConfig(RECORDS)).toString("utf8"));
  assert.equal(layers.length, 2);
  for (const one of layers) {
    assert.equal(one.parent, -1);
    assert.deepEqual(Object.keys(one.annotations), ["mediaType", "diffID", "size"]);
  }
  for (const one of records) assert(Object.keys(one).every((key) => ["digest", "layers", "nought"].includes(key)));
  const quick = records.find((one: { digest: string }) => one.digest === digestOf("quick"));
  assert.equal(layers[quick.layers[0].layer].blob, layer("a").blob.digest);
});

test("a cache that BuildKit wrote is read over, whatever its records say", () => {
  const theirs = {
    layers: [
      { blob: digestOf("x"), parent: -1 },
      {
        blob: digestOf("y"),
        annotations: { mediaType: MEDIA.layerGzip, diffID: digestOf("z"), size: 3, createdAt: "2026-01-01T00:00:00Z" },
      },
    ],
    records: [
      { digest: digestOf("1"), layers: [{ layer: 0, createdAt: "2026-01-01T00:00:00Z" }] },
      { digest: digestOf("2"), inputs: [[{ selector: "sha256:x", link: 0 }]], chains: [{ layers: [0, 1] }] },
      { digest: "random:abc" },
    ],
  };
  assert.deepEqual(parseCacheConfig(bytes(theirs), "cache"), []);
  assert.deepEqual(parseCacheConfig(bytes({}), "cache"), []);
  // As docker 28.5.2 wrote it, mode=max, for a COPY and a RUN.
  const real = readFileSync(join(import.meta.dirname, "../../testdata/buildcache/buildkit/config.json"));
  assert.deepEqual(parseCacheConfig(real, "cache"), []);
});

test("a hostile cache: digests that are none, layers that are not there, times that no date can hold, too much of all", () => {
  const good = { blob: digestOf("x"), parent: -1, annotations: { mediaType: MEDIA.layerGzip, diffID: digestOf("z"), size: 3 } };
  const with_ = (record: object, layers: object[] = [good]) => bytes({ layers, records: [{ digest: digestOf("k"), ...record }] });
  for (const wrong of [
    with_({ layers: [{ layer: 1 }], nought: { newest: 1 } }),
    with_({ layers: [{ layer: 0 }], nought: {} }),
    with_({ layers: [{ layer: 0 }], nought: { newest: -1 } }),
    with_({ layers: [{ layer: 0 }], nought: { newest: 1e15 } }),
    with_({ layers: [{ layer: 0 }], nought: { newest: 1, exact: "sha256:../../etc" } }),
    with_({ layers: [{ layer: 0 }], nought: { newest: 1 } }, [{ ...good, annotations: { ...good.annotations, mediaType: "text/html" } }]),
    with_({ layers: [{ layer: 0 }], nought: { newest: 1 } }, [{ ...good, annotations: { ...good.annotations, diffID: "sha256:zz" } }]),
    with_({ layers: [{ layer: 0 }], nought: { newest: 1 } }, [{ ...good, blob: "../../../etc/passwd" }]),
    with_({ nought: { value: { digest: digestOf("x") } } }),
    with_({ nought: [] }),
    with_({ nought: { layer: digestOf("x") } }),
    with_({ nought: { layer: "sha256:..", newest: 1 } }),
    with_({ digest: "sha256:nothing", nought: {} }),
    bytes({ layers: {}, records: [] }),
    bytes([]),
    Buffer.from("{"),
  ])
    assert.throws(() => parseCacheConfig(wrong, "cache"), fails("MANIFEST"), wrong.toString());
  assert.throws(() => parseCacheConfig(Buffer.alloc(LIMITS.configBytes + 1, 32), "cache"), fails("LIMIT"));
  const many = Buffer.from(`{"records":[${"{},".repeat(LIMITS.listEntries)}{}]}`);
  assert.throws(() => parseCacheConfig(many, "cache"), fails("LIMIT"));
});

test("an inline cache holds what leads to the image's own layers, and other fields of the configuration stay", () => {
  const layers = [layer("other"), layer("a")];
  const config = {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers" as const, diff_ids: layers.map((one) => one.diffId) },
    history: [],
    rest: { "some.field": 1 },
  };
  const inlined = withInlineCache(config, layers, RECORDS);
  assert.equal(inlined.rest?.["some.field"], 1);
  assert.deepEqual(readInlineCache(inlined, layers, "image"), byKey(RECORDS.filter((one) => one.layer?.diffId !== layer("b").diffId)));
  assert.deepEqual(readInlineCache(config, layers, "image"), []);
  assert.equal(withInlineCache(config, layers, [{ key: digestOf("definition") }]), config);
  for (const field of [1, "not base64 json", Buffer.from("{}").toString("base64")])
    assert.throws(() => readInlineCache({ ...config, rest: { "moby.buildkit.cache.v0": field } }, layers, "image"), fails("MANIFEST"));
});
