import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../kit/limit.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { encodeConfig, encodeIndex, encodeManifest, parseConfig, parseIndex, parseManifest } from "./documents.ts";

const digest = digestOf("x");
const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const text = (encoded: Uint8Array) => Buffer.from(encoded).toString();
const layer = { mediaType: MEDIA.layerGzip, digest, size: 3 };
const config = { mediaType: MEDIA.config, digest, size: 2 };
const manifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config, layers: [layer] };
const index = {
  schemaVersion: 2,
  mediaType: MEDIA.index,
  manifests: [{ mediaType: MEDIA.manifest, digest, size: 9, platform: { architecture: "arm", os: "linux", variant: "v7" } }],
};
const image = { architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [digest] }, history: [] };

const refused = (what: () => unknown, why: RegExp, code = "MANIFEST") =>
  assert.throws(what, (error: Error & { code?: string }) => {
    assert.equal(error.name, "Failure", error.stack);
    assert.equal(error.code, code);
    assert.match(error.message, why);
    return true;
  });
const badManifest = (value: unknown, why: RegExp, type?: string, code?: string) =>
  refused(() => parseManifest(bytes(value), "m", type), why, code);
const badIndex = (value: unknown, why: RegExp, type?: string, code?: string) =>
  refused(() => parseIndex(bytes(value), "i", type), why, code);
const badConfig = (value: unknown, why: RegExp, code?: string) => refused(() => parseConfig(bytes(value), "c"), why, code);

test("manifests and indexes of OCI and docker are read, with what is optional and without", () => {
  assert.deepEqual(parseManifest(bytes(manifest), "m"), manifest);
  assert.deepEqual(parseManifest(bytes({ ...manifest, mediaType: MEDIA.dockerManifest }), "m").mediaType, MEDIA.dockerManifest);
  assert.deepEqual(parseIndex(bytes(index), "i"), index);
  assert.deepEqual(parseIndex(bytes({ ...index, mediaType: MEDIA.dockerIndex }), "i", MEDIA.dockerIndex).mediaType, MEDIA.dockerIndex);
  const full = {
    ...manifest,
    artifactType: "a/b",
    subject: layer,
    annotations: { k: "v" },
    config: { ...config, data: "e30=", annotations: { x: "" } },
  };
  assert.deepEqual(parseManifest(bytes({ ...full, layers: [{ ...layer, urls: ["https://elsewhere/"] }] }), "m"), full);
  assert.deepEqual(parseManifest(bytes({ ...manifest, layers: null, annotations: null }), "m").layers, []);
});

test("M03: documents with two faces, or with another name than they came under, are refused", () => {
  badManifest({ ...manifest, manifests: index.manifests }, /a manifest that also has manifests/);
  badIndex({ ...index, layers: [layer] }, /an index that also has layers/);
  badIndex({ ...index, config }, /an index that also has config/);
  badManifest(index, /also has manifests/);
  badManifest({ ...manifest, mediaType: MEDIA.index }, /a manifest that calls itself application\/vnd\.oci\.image\.index/);
  badManifest(manifest, /calls itself .*oci.* but comes as .*docker/, MEDIA.dockerManifest);
  badManifest(manifest, /comes as .*index/, MEDIA.index);
  badIndex(index, /comes as/, MEDIA.manifest);
  badManifest({ ...manifest, Layers: [] }, /"Layers" beside or instead of "layers"/);
  badManifest({ ...manifest, config: { ...config, Digest: digest } }, /"Digest" beside or instead of "digest"/);
});

test("M03 ✚: a document without mediaType is what it came as", () => {
  const { mediaType: _, ...bare } = manifest;
  assert.equal(parseManifest(bytes(bare), "m").mediaType, MEDIA.manifest);
  assert.equal(parseManifest(bytes(bare), "m", MEDIA.dockerManifest).mediaType, MEDIA.dockerManifest);
});

test("M04: a key that comes twice is refused in all three", () => {
  const twice = (value: object) => JSON.stringify(value).replace(/^\{/, '{"os":"a","os":"b",');
  badManifest(twice(manifest), /a second time/);
  badIndex(twice(index), /a second time/);
  badConfig(twice({ ...image, os: undefined }), /a second time/);
});

test("M02: sizes that are negative, broken, text or beyond 2^53 are refused", () => {
  for (const size of ["-1", "1.5", '"3"', "9007199254740992", "1e3", "3.0", "true", "{}"])
    badManifest(JSON.stringify(manifest).replace('"size":3', `"size":${size}`), /layer 1: size is not a whole number/);
  badManifest(JSON.stringify(manifest).replace('"size":3', '"size":null'), /a descriptor without size/);
});

test("M05: digests of any other form are refused, and are never a path", () => {
  for (const bad of ["sha256:../../x", digest.toUpperCase(), digest.slice(0, -1), "md5:0123", `sha512:${"0".repeat(128)}`, "", 5, null])
    badManifest({ ...manifest, layers: [{ ...layer, digest: bad }] }, /m: layer 1: not a sha256 digest/);
  badConfig({ ...image, rootfs: { type: "layers", diff_ids: ["sha256:x"] } }, /diffID 1: not a sha256 digest/);
});

test("M06, M07: documents that are too large, in bytes or in entries, are refused by their limit", () => {
  badManifest(`${JSON.stringify(manifest)}${" ".repeat(LIMITS.manifestBytes)}`, /4194304 are accepted/, undefined, "LIMIT");
  badConfig(`${JSON.stringify(image)}${" ".repeat(LIMITS.configBytes)}`, /8388608 are accepted/, "LIMIT");
  badManifest(
    { ...manifest, layers: Array.from({ length: LIMITS.layers + 1 }, () => layer) },
    /1001 layers; 1000 are accepted/,
    undefined,
    "LIMIT",
  );
  badIndex(
    { ...index, manifests: Array.from({ length: LIMITS.indexEntries + 1 }, () => layer) },
    /10001 entries; 10000/,
    undefined,
    "LIMIT",
  );
});

test("M08: schema 1, and what is no manifest at all, are refused", () => {
  badManifest({ schemaVersion: 1, fsLayers: [], history: [] }, /schema 1/);
  for (const other of [[], null, '"x"', 5, {}, { schemaVersion: 3 }, { schemaVersion: "2" }])
    badManifest(other, /an object is expected|schemaVersion is not/);
  badManifest({ schemaVersion: 2, layers: [] }, /a manifest without config/);
  badConfig({}, /no rootfs: this is not the configuration of an image/);
});

test("M10 ✚: configurations as tools leave them: nulls, nothing, text for a list, fields of docker's past", () => {
  const nulls = parseConfig(
    bytes({
      architecture: "amd64",
      os: "linux",
      created: null,
      author: null,
      config: { Env: null, Cmd: null, Labels: null, Volumes: null },
      rootfs: { type: "layers", diff_ids: null },
      history: null,
    }),
    "c",
  );
  assert.deepEqual(nulls, { architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [] }, history: [] });
  assert.deepEqual(parseConfig(bytes({ ...image, config: null }), "c").config, {});
  const old = parseConfig(
    bytes({ ...image, container: "abc", docker_version: "1.10", config: { Hostname: "h", Entrypoint: "/run it", Env: ["NAME_ALONE"] } }),
    "c",
  );
  assert.deepEqual(
    [old.config, old.rest],
    [
      { Entrypoint: ["/run it"], Env: ["NAME_ALONE"] },
      { container: "abc", docker_version: "1.10" },
    ],
  );
  assert.equal(
    parseConfig(bytes({ ...image, config: { Labels: { big: "x".repeat(7 << 20) } } }), "c").config.Labels?.["big"]?.length,
    7 << 20,
  );
  assert.equal(parseConfig(bytes({ ...image, created: "0001-01-01T00:00:00Z" }), "c").created, "0001-01-01T00:00:00Z");
});

test("M10: configurations whose fields have the wrong type are refused with the field", () => {
  badConfig({ ...image, config: { Env: "A=1" } }, /c: config: Env is not a list/);
  badConfig({ ...image, config: { Env: [1] } }, /Env is not a list of strings/);
  badConfig({ ...image, config: { Entrypoint: { a: 1 } } }, /Entrypoint is not a list/);
  badConfig({ ...image, config: { Labels: { a: 1 } } }, /Labels is not an object of strings/);
  badConfig({ ...image, config: { User: 0 } }, /User is not a string/);
  badConfig({ ...image, config: { user: "root" } }, /"user" beside or instead of "User"/);
  badConfig({ ...image, config: { Healthcheck: { Interval: "5s" } } }, /Healthcheck: Interval is not a whole number/);
  badConfig({ ...image, created: "yesterday" }, /created is not a time of RFC 3339/);
  badConfig({ ...image, created: "2026-13-01T00:00:00Z" }, /created is not a time/);
  badConfig({ ...image, history: [null] }, /history entry 1: an object is expected/);
  badConfig({ ...image, history: [{ empty_layer: "yes" }] }, /empty_layer is not true or false/);
  badConfig({ ...image, rootfs: { type: "zip" } }, /type is not "layers"/);
});

test("the bytes of a configuration are those that docker 28.5 wrote for the same image", () => {
  const written =
    '{"architecture":"amd64","author":"me","config":{"User":"5:6","ExposedPorts":{"443/udp":{},"80/tcp":{}},"Env":["PATH=/bin","X=1"],"Entrypoint":["/a"],"Cmd":["x","\\u003cy\\u003e"],"Volumes":{"/b":{},"/data":{}},"WorkingDir":"/w","Labels":{"a":"\\u003c\\u0026\\u003eé","z":"1"},"StopSignal":"SIGTERM","ArgsEscaped":true,"Healthcheck":{"Test":["CMD","/a"],"Interval":5000000000,"Timeout":3000000000,"StartPeriod":1000000000,"StartInterval":2000000000,"Retries":4},"OnBuild":["COPY b /b"],"Shell":["/bin/x","-c"]},"created":"2026-11-21T10:56:03.272465191Z","history":[{"created":"2026-11-21T10:56:03.257294191Z","created_by":"COPY a /a # buildkit","comment":"buildkit.dockerfile.v0"},{"created":"2026-11-21T10:56:03.272465191Z","created_by":"ENV X=1 PATH=/bin","comment":"buildkit.dockerfile.v0","empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:5f281fb632786c14d3df0d63083f836e56de3085ffb9c2a0c7f4c943e1b9ac41"]}}';
  const parsed = parseConfig(bytes(written), "c");
  assert.equal(text(encodeConfig(parsed)), written);
  const { config, ...rest } = parsed;
  const shuffled = { ...rest, config: Object.fromEntries(Object.entries(config).reverse()) };
  assert.equal(text(encodeConfig(Object.fromEntries(Object.entries(shuffled).reverse()) as unknown as typeof parsed)), written);
});

test("the bytes of a manifest are those that docker 28.5 saved for the same image", () => {
  const written =
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:658261ece806d736b4b728bfacf6477e3602c3a495113ffc03434f56768b710b","size":2514},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:5f281fb632786c14d3df0d63083f836e56de3085ffb9c2a0c7f4c943e1b9ac41","size":2048}]}';
  assert.equal(text(encodeManifest(parseManifest(bytes(written), "m"))), written);
});

test("what is written is read back, whatever the keys of maps", () => {
  const labels = JSON.parse('{"10":"ten","2":"two","b":"","a":"<x>","__proto__":"p"}');
  const one = parseConfig(
    encodeConfig({ architecture: "amd64", os: "linux", config: { Labels: labels }, rootfs: { type: "layers", diff_ids: [] }, history: [] }),
    "c",
  );
  assert.deepEqual(Object.entries(one.config.Labels ?? {}).sort(), Object.entries(labels).sort());
  assert.match(text(encodeConfig(one)), /\{"10":"ten","2":"two","__proto__":"p","a":"\\u003cx\\u003e","b":""\}/);
  assert.match(text(encodeConfig(one)), /"history":\[\],"os":"linux","rootfs":\{"type":"layers","diff_ids":\[\]\}/);
  const kept = parseConfig(bytes('{"architecture":"a","os":"b","rootfs":{"type":"layers"},"odd":1.0,"big":12345678901234567890}'), "c");
  assert.equal(
    text(encodeConfig(kept)),
    '{"architecture":"a","big":12345678901234567890,"config":{},"history":[],"odd":1.0,"os":"b","rootfs":{"type":"layers","diff_ids":[]}}',
  );
  assert.deepEqual(parseIndex(encodeIndex(parseIndex(bytes(index), "i")), "i"), index);
});
