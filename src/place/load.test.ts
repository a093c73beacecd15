import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, test } from "node:test";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { ociArchive, oldDocker, type SampleMember, sampleTar } from "../../test/sample-archive.ts";
import { fill, type Sample, sampleImage, sampleIndex, sampleLayer } from "../../test/sample-image.ts";
import { openImage } from "../image/open.ts";
import { Failure } from "../kit/error.ts";
import { digestOf, hexOf } from "../oci/digest.ts";
import { hostPlatform } from "../oci/platform.ts";
import { familiarName, parseReference } from "../oci/reference.ts";
import type { ContentStore } from "../store/face.ts";
import { openStore } from "../store/store.ts";
import { createTask } from "../task/task.ts";
import { createLayout } from "./layout.ts";
import { type Loaded, type LoadOptions, loadArchive } from "./load.ts";

let dir = "";
let file = "";
let store: ContentStore;
let sample: Sample;
const notes: string[] = [];
const task = createTask((event) => event.type === "note" && notes.push(event.text));

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "nought-load-"));
  file = join(dir, "image.tar");
  notes.length = 0;
  store = await openStore(join(dir, "store"));
  sample = await sampleImage({ layers: [{ hello: "hello\n" }, { "etc/": "", "etc/motd": "hi\n" }] });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const load = (bytes: Uint8Array, options?: LoadOptions) => {
  writeFileSync(file, bytes);
  return loadArchive(store, { path: file }, task, options);
};
const loadMembers = async (members: readonly (readonly [string, SampleMember])[], options?: LoadOptions) =>
  load(await sampleTar(members), options);
const names = (loaded: readonly Loaded[]) => loaded.map((one) => one.names.map(familiarName));
const stored = async () => (await store.names()).map((one) => familiarName(one.name));

/** The failure, and that nothing was named or kept for it, nor temporary files left. */
async function refused(work: Promise<unknown>, code: string, about: RegExp): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof Failure, String((error as Error).stack));
    assert.deepEqual([error.code, about.test(error.message) ? "" : error.message], [code, ""]);
    return true;
  });
  assert.deepEqual([await stored(), (await store.untagged()).length], [[], 0]);
  for (const session of globSync(join(dir, "store/tmp/*")))
    assert.deepEqual(
      readdirSync(session).filter((name) => name !== "leases"),
      [],
    );
}

/** The image can be opened and every blob of it reads well. */
async function works(loaded: Loaded): Promise<void> {
  const image = await openImage(store, loaded.descriptor, hostPlatform());
  assert.equal(image.configDescriptor.digest, loaded.id);
  for (const { blob, diffId } of image.layers) {
    await using bytes = await store.open(blob);
    for await (const _ of bytes.read());
    assert.ok(await store.readIndex(diffId));
    assert.ok(store.blobOf(diffId));
  }
}

const replaced = (members: [string, SampleMember][], name: string, value: SampleMember) =>
  members.map(([path, old]): [string, SampleMember] => [path, path === name ? value : old]);

for (const archive of globSync("*/*.tar.gz", { cwd: join(import.meta.dirname, "../../testdata/archives") }).sort()) {
  test(`T34/M12: ${archive}, made by that tool, is accepted as gzip, plain and from standard input`, async () => {
    const packed = readFileSync(join(import.meta.dirname, "../../testdata/archives", archive));
    const plain = gunzipSync(packed);
    const first = await load(packed);
    const second = await load(plain);
    const third = await loadArchive(store, { stream: Readable.from([plain.subarray(0, 700), plain.subarray(700)]) }, task);
    assert.deepEqual([first, second].map(names), [names(third), names(third)]);
    const expected = archive.startsWith("docker")
      ? [["nought/tiny:1", "nought/other:2"]]
      : archive === "podman-5.8.6/docker.tar.gz"
        ? [["localhost/nought/tiny:1", "localhost/nought/other:2"]]
        : archive.startsWith("podman")
          ? [["localhost/nought/tiny:1"]]
          : archive.startsWith("skopeo")
            ? [["nought/tiny:1"]]
            : archive.startsWith("buildah")
              ? [archive.endsWith("oci.tar.gz") ? ["buildah/tiny:1"] : ["buildah/tiny:1", "localhost/buildah/tiny:1"]]
              : [[]];
    assert.deepEqual(names(first), expected);
    for (const loaded of first) await works(loaded);
    // The configuration is the image: whoever saved it, nought calls it the same as its maker did.
    if (archive.startsWith("docker") || archive === "podman-5.8.6/docker.tar.gz") {
      assert.equal(first[0]?.id, "sha256:241f12f3deb3ec388658657a01e864d150f20e8758edf21052e7743963ea292a");
    }
  });
}

test("several images in one archive, one of them without a name", async () => {
  const other = await sampleImage({ layers: [{ other: "other" }] });
  const [one, two] = [oldDocker(sample, ["a:1", "b"]), oldDocker(other, null)].map((members) => new Map(members));
  const list = [one, two].flatMap((members) => JSON.parse(members?.get("manifest.json") as string));
  // Both call their first layer alike, so the second is renamed.
  const renamed = [...(two ?? [])].map(([path, value]): [string, SampleMember] => [path.startsWith("0000") ? "x/layer.tar" : path, value]);
  list[1].Layers = ["x/layer.tar"];
  const loaded = await loadMembers([
    ...[...(one ?? []), ...renamed].filter(([path]) => path !== "manifest.json"),
    ["manifest.json", JSON.stringify(list)],
  ]);
  assert.deepEqual(names(loaded), [["a:1", "b:latest"], []]);
  assert.deepEqual(await stored(), ["a:1", "b:latest"]);
  assert.deepEqual(
    (await store.untagged()).map((one) => one.root.digest),
    [loaded[1]?.descriptor.digest],
  );
  for (const each of loaded) await works(each);
});

test("an OCI layout keeps its manifest byte for byte, as a tar and as a directory", async () => {
  const gzip = await sampleImage({ compression: "gzip" });
  const [fromTar] = await loadMembers(ociArchive(gzip, ["docker.io/library/app:1"]));
  assert.deepEqual([fromTar?.descriptor, fromTar?.id], [gzip.root, gzip.config.digest]);
  await works(fromTar as Loaded);
  const layout = await createLayout(join(dir, "layout"));
  await fill(layout, gzip);
  await layout.publish(parseReference("app:2"), gzip.root, task);
  const [fromDir] = await loadArchive(store, { path: join(dir, "layout") }, task);
  assert.deepEqual([names([fromDir as Loaded]), fromDir?.descriptor.digest], [[["app:2"]], gzip.root.digest]);
});

test("M15: an index with a platform that is missing loads with what is there", async () => {
  const here = await sampleImage({ architecture: hostPlatform().architecture });
  const elsewhere = await sampleImage({ architecture: "s390x", layers: [{ other: "x" }] });
  const index = sampleIndex([
    { sample: here, architecture: hostPlatform().architecture },
    { sample: elsewhere, architecture: "s390x" },
  ]);
  const members = ociArchive(index, ["docker.io/library/app:1"]).filter(([path]) => !path.includes(hexOf(elsewhere.root.digest)));
  const [loaded] = await loadMembers(members);
  assert.deepEqual([loaded?.descriptor.digest, loaded?.id], [index.root.digest, here.config.digest]);
  await refused(
    (async () => {
      await store.unname(parseReference("app:1"));
      await loadMembers(members.filter(([path]) => !path.includes(hexOf(here.root.digest))));
    })(),
    "NOT_FOUND",
    /none of the images it lists/,
  );
});

test("M12: layers that are links inside the archive are followed, gzip, zstd, xz and bzip2 layers read", async () => {
  const old = oldDocker(sample, ["a"]);
  const [layer, path] = [old[1]?.[1] as Buffer, old[1]?.[0] as string];
  const tool = (name: string) => execFileSync(name, ["-c"], { input: layer });
  const forms: [string, [string, SampleMember][]][] = [
    ["symlink", [["real.tar", layer], ...replaced(old, path, { symlink: "../real.tar" })]],
    ["two steps", [["real.tar", layer], ["x/l", { symlink: "/real.tar" }], ...replaced(old, path, { symlink: "../x/l" })]],
    ["hard link", [["real.tar", layer], ...replaced(old, path, { hardlink: "real.tar" })]],
    ["gzip", replaced(old, path, gzipSync(layer))],
    ["zstd", replaced(old, path, zstdCompressSync(layer))],
    ["xz", replaced(old, path, tool("xz"))],
    ["bzip2", replaced(old, path, tool("bzip2"))],
  ];
  for (const [form, members] of forms) {
    const [loaded] = await loadMembers(members);
    assert.equal(loaded?.id, sample.config.digest, form);
    await works(loaded as Loaded);
  }
});

test("T34/M12: archives in the form of crane and ko, jib and kaniko", async () => {
  const gzip = await sampleImage({ compression: "gzip" });
  const layer = gzip.layers[0] as Sample["root"];
  const hex = hexOf(layer.digest);
  for (const [config, path] of [
    [gzip.config.digest, `${hex}.tar.gz`],
    ["config.json", `${hex}.tar.gz`],
    [`${hexOf(gzip.config.digest)}.json`, `sha256/${hex}.tar.gz`],
  ] as const) {
    const [loaded] = await loadMembers([
      [config, gzip.blobs.get(gzip.config.digest) as Buffer],
      [path, gzip.blobs.get(layer.digest) as Buffer],
      ["manifest.json", JSON.stringify([{ Config: config, RepoTags: ["app:1"], Layers: [path], LayerSources: {} }])],
    ]);
    assert.equal(loaded?.id, gzip.config.digest);
    await works(loaded as Loaded);
  }
});

test("M12: outer gzip, zstd and xz, and a name with ./ before it", async () => {
  const plain = await sampleTar(oldDocker(sample, ["a"]).map(([path, value]) => [`./${path}`, value]));
  for (const packed of [gzipSync(plain), zstdCompressSync(plain), execFileSync("xz", ["-c"], { input: plain }), plain]) {
    assert.deepEqual(names(await load(packed)), [["a:latest"]]);
  }
});

test("M12: paths that lead out, loops of links, missing parts", async () => {
  const old = oldDocker(sample, ["a"]);
  const path = old[1]?.[0] as string;
  const manifest = (edit: (entry: Record<string, unknown>) => void) => {
    const list = JSON.parse(old.at(-1)?.[1] as string);
    edit(list[0]);
    return replaced(old, "manifest.json", JSON.stringify(list));
  };
  const missing = /which is not in the archive/;
  await refused(loadMembers(manifest((entry) => (entry.Layers = ["../../../etc/passwd", path]))), "MANIFEST", missing);
  await refused(loadMembers(manifest((entry) => (entry.Layers = ["/etc/passwd", path]))), "MANIFEST", missing);
  await refused(loadMembers(manifest((entry) => (entry.Config = "../config.json"))), "MANIFEST", missing);
  await refused(loadMembers(manifest((entry) => (entry.Config = "nope.json"))), "MANIFEST", missing);
  await refused(loadMembers(replaced(old, path, { symlink: "/etc/passwd" })), "MANIFEST", missing);
  await refused(loadMembers(replaced(old, path, { symlink: path.split("/")[1] as string })), "MANIFEST", missing);
  await refused(
    loadMembers([["../evil.tar", old[1]?.[1] as Buffer], ...manifest((entry) => (entry.Layers = ["evil.tar", path]))]),
    "MANIFEST",
    missing,
  );
});

test("M12: two manifest.json, bad documents, bad names", async () => {
  const old = oldDocker(sample, ["a"]);
  const manifest = old.at(-1) as [string, SampleMember];
  await refused(loadMembers([...old, manifest]), "MANIFEST", /holds manifest\.json 2 times/);
  for (const [text, code, about] of [
    ["junk", "MANIFEST", /manifest\.json/],
    ["{}", "MANIFEST", /not a list of images/],
    ["[1]", "MANIFEST", /no image/],
    ['[{"Config":1}]', "MANIFEST", /Config is not a name/],
    ['[{"Config":"a","Layers":"b"}]', "MANIFEST", /Layers is not a list/],
    ["[]", "MANIFEST", /lists no image/],
    ['[{"Config":"a","Config":"b"}]', "MANIFEST", /Config/],
  ] as const) {
    await refused(loadMembers(replaced(old, "manifest.json", text)), code, about);
  }
  await refused(loadMembers(oldDocker(sample, ["UPPER:1"])), "REFERENCE", /must be lowercase/);
  await refused(loadMembers(oldDocker(sample, ["../x"])), "REFERENCE", /invalid reference/);
  await refused(loadMembers(oldDocker(sample, ["scratch:latest"])), "RESERVED", /reserved/);
  await refused(loadMembers(ociArchive(sample, ["not a name"])), "REFERENCE", /invalid reference/);
});

test("M12: a configuration or layer whose name lies about its digest is DIGEST", async () => {
  const old = oldDocker(sample, ["a"]);
  const lie = `${"a".repeat(64)}.json`;
  const members = old.map(([path, value], n): [string, SampleMember] => [n === 0 ? lie : path, value]);
  const text = String(old.at(-1)?.[1]).replace(/[0-9a-f]{64}\.json/, lie);
  await refused(loadMembers(replaced(members, "manifest.json", text)), "DIGEST", /has the digest sha256:/);
  const layer = `blobs/sha256/${"b".repeat(64)}`;
  const renamed = old.map(([path, value], n): [string, SampleMember] => [n === 1 ? layer : path, value]);
  await refused(
    loadMembers(replaced(renamed, "manifest.json", String(old.at(-1)?.[1]).replace(/0{64}\/layer\.tar/, layer))),
    "DIGEST",
    /the layer blobs/,
  );
});

test("M12: manifest.json and index.json that speak of different images are refused", async () => {
  const other = await sampleImage({ layers: [{ evil: "evil" }] });
  await refused(
    loadMembers([...ociArchive(sample, ["docker.io/library/app:1"]), ...oldDocker(other, ["app:1"])]),
    "MANIFEST",
    /index\.json does not list/,
  );
  assert.deepEqual(names(await loadMembers([...ociArchive(sample, ["docker.io/library/app:1"]), ...oldDocker(sample, ["app:1"])])), [
    ["app:1"],
  ]);
});

test("T25: a layer with the right digest and a wrong diffID is DIGEST before anything is named", async () => {
  const wrong = digestOf("something else");
  const bad = await sampleImage({ editConfig: (config) => ({ ...config, rootfs: { type: "layers", diff_ids: [wrong] } }) });
  await refused(loadMembers(ociArchive(bad, ["docker.io/library/app:1"])), "DIGEST", new RegExp(`layer ${wrong}: its bytes unpack to`));
  await refused(loadMembers(oldDocker(bad, ["app:1"])), "DIGEST", /its bytes unpack to/);
});

test("T26: as many layers as diffIDs, no more history than layers; less history is fine", async () => {
  const edit = (change: object) => sampleImage({ editConfig: (config) => ({ ...config, ...change }) });
  const entry = { created_by: "x" };
  for (const bad of [
    await edit({ rootfs: { type: "layers", diff_ids: [] } }),
    await edit({ rootfs: { type: "layers", diff_ids: [digestOf("a"), digestOf("b")] } }),
  ]) {
    await refused(loadMembers(oldDocker(bad, ["a"])), "MANIFEST", /1 layers but [02] diffIDs/);
    await refused(loadMembers(ociArchive(bad, ["docker.io/library/a:1"])), "MANIFEST", /1 layers but [02] diffIDs/);
  }
  const more = await edit({ history: [entry, entry] });
  await refused(loadMembers(oldDocker(more, ["a"])), "MANIFEST", /2 layers in the history, but 1 in the image/);
  for (const good of [await edit({ history: [] }), await edit({ history: [entry, { ...entry, empty_layer: true }] })])
    await loadMembers(oldDocker(good, ["a"]));
});

test("T22: a layer that is not compressed as its media type says is read by its bytes, with a note", async () => {
  const edit = (manifest: Record<string, unknown>) => ({
    ...manifest,
    layers: (manifest.layers as object[]).map((layer) => ({ ...layer, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" })),
  });
  const [loaded] = await loadMembers(ociArchive(await sampleImage({ editManifest: edit }), ["docker.io/library/app:1"]));
  assert.ok(loaded);
  assert.match(notes.join("\n"), /called gzip by its media type, but its bytes are uncompressed/);
});

test("T23/T24: bombs stop at the limit, strange compression is named", async () => {
  const layer = `${"0".repeat(64)}/layer.tar`;
  const bomb = zstdCompressSync(Buffer.alloc(270 << 20));
  assert.ok(bomb.length < 20_000);
  await refused(loadMembers(replaced(oldDocker(sample, ["a"]), layer, bomb)), "LIMIT", /unpack/);
  await refused(load(bomb), "LIMIT", /unpack/);
  const lz4 = Buffer.from("04224d186440a7", "hex");
  await refused(loadMembers(replaced(oldDocker(sample, ["a"]), layer, lz4)), "COMPRESSION", /lz4/);
  await refused(load(lz4), "TAR", /lz4/);
  await refused(load(Buffer.from("PK\x03\x04 and so on")), "TAR", /zip/);
});

test("M17: a byte changed or added in any blob of an archive is found out", async () => {
  const members = ociArchive(sample, ["docker.io/library/app:1"]);
  for (const [n, [path, value]] of members.entries()) {
    if (!path.startsWith("blobs/")) continue;
    const bytes = value as Buffer;
    for (const bad of [
      Buffer.from(bytes.map((byte, at) => (at === 10 ? byte ^ 1 : byte))),
      Buffer.concat([bytes, Buffer.from("\n")]),
      bytes.subarray(0, -1),
    ]) {
      const work = loadMembers(members.map((member, at) => (at === n ? [path, bad] : member)));
      await assert.rejects(work, (error: Failure) => ["DIGEST", "TAR"].includes(error.code), path);
      assert.deepEqual(await stored(), []);
    }
  }
  await works((await loadMembers(members))[0] as Loaded);
});

test("M13: layouts in a tar: unknown version, missing blobs, 50 MB of index; extra files are fine", async () => {
  const members = ociArchive(sample, ["docker.io/library/app:1"]);
  await refused(loadMembers(replaced(members, "oci-layout", '{"imageLayoutVersion":"7.0.0"}')), "MANIFEST", /unknown layout version/);
  await refused(loadMembers(members.slice(1)), "NOT_FOUND", /is missing/);
  await refused(loadMembers(replaced(members, "index.json", Buffer.alloc(50 << 20, 32))), "LIMIT", /index\.json has 52428800 bytes/);
  await refused(loadMembers(replaced(members, "index.json", '{"schemaVersion":2,"manifests":[]}')), "MANIFEST", /lists no image/);
  const linked = members.map(([path, value], n): [string, SampleMember] => [path, n === 0 ? { symlink: "/etc/passwd" } : value]);
  await refused(loadMembers(linked), "NOT_FOUND", /is missing/);
  await loadMembers([...members, ["README", "x"], ["blobs/sha512/x", "y"]]);
});

test("M11: no layers, one empty layer, the same layer twice", async () => {
  const empty = await sampleLayer({});
  for (const layers of [[], [{}], [{ a: "a" }, { a: "a" }]]) {
    const image = await sampleImage({ layers });
    for (const members of [oldDocker(image, ["a"]), ociArchive(image, ["docker.io/library/a:1"])])
      await works((await loadMembers(members))[0] as Loaded);
  }
  assert.equal(empty.length, 1024);
});

test("M16: a name that exists moves, and the caller is told; with keepNames it stays", async () => {
  const before = (await loadMembers(oldDocker(sample, ["app:1"])))[0] as Loaded;
  assert.deepEqual(before.moved, []);
  const other = oldDocker(await sampleImage({ layers: [{ other: "x" }] }), ["app:1", "app:2"]);
  const kept = (await loadMembers(other, { keepNames: true }))[0] as Loaded;
  assert.deepEqual([names([kept]), kept.kept.map(familiarName)], [[["app:2"]], ["app:1"]]);
  assert.equal((await store.resolve(parseReference("app:1"), task))?.digest, before.descriptor.digest);
  const moved = (await loadMembers(other))[0] as Loaded;
  assert.deepEqual(
    moved.moved.map(({ name, from }) => [familiarName(name), from.digest]),
    [["app:1", before.descriptor.digest]],
  );
  assert.deepEqual(
    (await store.untagged()).map((one) => one.root.digest),
    [before.descriptor.digest],
  );
});

test("what is no archive says what it is", async () => {
  await refused(loadMembers([["etc/passwd", "root"]]), "MANIFEST", /is no image archive/);
  await refused(load(Buffer.alloc(0)), "TAR", /is empty/);
  await refused(load(Buffer.from("hello world\n".repeat(100))), "TAR", /tar archive/);
  await refused(loadArchive(store, { path: join(dir, "nope.tar") }, task), "NOT_FOUND", /no such file/);
  await refused(load((await sampleTar(oldDocker(sample, ["a"]))).subarray(0, 2000)), "TAR", /ends in the middle/);
  await refused(load(gzipSync(await sampleTar(oldDocker(sample, ["a"]))).subarray(0, -20)), "COMPRESSION", /./);
});

test("a cancelled task stops and names nothing", async () => {
  const bytes = await sampleTar(oldDocker(sample, ["a"]));
  writeFileSync(file, bytes);
  await refused(loadArchive(store, { path: file }, createTask(undefined, AbortSignal.abort())), "INTERRUPTED", /interrupted/);
});
