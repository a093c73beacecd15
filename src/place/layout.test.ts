import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fill, memoryReader, type Sample, sampleImage, sampleIndex } from "../../test/sample-image.ts";
import { Failure } from "../kit/error.ts";
import { hexOf } from "../oci/digest.ts";
import { parseReference } from "../oci/reference.ts";
import { createTask } from "../task/task.ts";
import { copyImage } from "./copy.ts";
import { readDocuments } from "./documents.ts";
import { createLayout, openLayout, publishUnnamed } from "./layout.ts";

const task = createTask();
let dir = "";
let sample: Sample;
beforeEach(async () => {
  dir = join(mkdtempSync(join(tmpdir(), "nought-layout-")), "image");
  sample = await sampleImage({ layers: [{ hello: "hello\n" }, { "etc/": "", "etc/motd": "hi\n" }] });
});
afterEach(() => rmSync(join(dir, ".."), { recursive: true, force: true }));

const failing = (code: string, about: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === code && about.test(error.message);
const index = () => JSON.parse(readFileSync(join(dir, "index.json"), "utf8"));

async function written(name = "app:1") {
  const layout = await createLayout(dir);
  await copyImage(memoryReader(sample.blobs), layout, sample.root, task);
  await layout.publish(parseReference(name), sample.root, task);
  return layout;
}

/** Everything a use of the image reads. */
async function use(): Promise<void> {
  const layout = await openLayout(dir);
  const root = await layout.find({ tag: "1" });
  for (const document of await readDocuments(layout, root, false, task)) {
    if (document.kind !== "manifest") continue;
    for (const part of [document.manifest.config, ...document.manifest.layers]) {
      await using bytes = await layout.open(part);
      for await (const _ of bytes.read());
    }
  }
}

test("an image goes in and comes out, listed as docker and buildx list it", async () => {
  const layout = await written("registry.example/team/app:1");
  assert.equal(readFileSync(join(dir, "oci-layout"), "utf8"), '{"imageLayoutVersion": "1.0.0"}');
  assert.deepEqual(index().manifests, [
    {
      ...sample.root,
      annotations: { "io.containerd.image.name": "registry.example/team/app:1", "org.opencontainers.image.ref.name": "1" },
    },
  ]);
  assert.deepEqual(readdirSync(dir).sort(), ["blobs", "index.json", "oci-layout"]);
  assert.equal((await layout.resolve(parseReference("registry.example/team/app:1"), task))?.digest, sample.root.digest);
  assert.equal(await layout.resolve(parseReference("registry.example/team/app:2"), task), undefined);
  await use();
});

test("a name moves, other names stay, and an image may have none", async () => {
  const layout = await written("app:1");
  const other = await sampleImage({ layers: [{ other: "other" }] });
  await fill(layout, other);
  await publishUnnamed(layout, other.root);
  assert.equal(index().manifests.length, 2);
  await layout.publish(parseReference("app:1"), other.root, task);
  await layout.publish(parseReference("app:2"), sample.root, task);
  assert.deepEqual(
    index().manifests.map((one: { digest: string; annotations: Record<string, string> }) => [
      one.annotations["io.containerd.image.name"],
      one.digest,
    ]),
    [
      ["docker.io/library/app:1", other.root.digest],
      ["docker.io/library/app:2", sample.root.digest],
    ],
  );
});

test("a build context finds an image by digest, by tag, as latest, or as the only one", async () => {
  const layout = await written("app:v1");
  assert.equal((await layout.find({})).digest, sample.root.digest);
  assert.equal((await layout.find({ digest: sample.root.digest })).digest, sample.root.digest);
  const other = await sampleImage({ layers: [{ other: "other" }] });
  await fill(layout, other);
  assert.equal((await layout.find({ digest: other.root.digest })).mediaType, other.root.mediaType);
  await layout.publish(parseReference("app"), other.root, task);
  assert.equal((await layout.find({})).digest, other.root.digest);
  assert.equal((await layout.find({ tag: "v1" })).digest, sample.root.digest);
  await assert.rejects(layout.find({ tag: "nope" }), failing("NOT_FOUND", /has no image nope/));
});

test("layouts as skopeo, podman and umoci write them are read", async () => {
  await written("app:1");
  for (const [ref, name] of [
    ["user/app:3", "user/app:3"],
    ["localhost/app:3", "localhost/app:3"],
    ["3", "app:3"],
  ] as const) {
    writeFileSync(
      join(dir, "index.json"),
      JSON.stringify({ schemaVersion: 2, manifests: [{ ...sample.root, annotations: { "org.opencontainers.image.ref.name": ref } }] }),
    );
    const layout = await openLayout(dir);
    assert.equal((await layout.resolve(parseReference(name), task))?.digest, sample.root.digest, ref);
    assert.equal((await layout.find({ tag: "3" })).digest, sample.root.digest, ref);
  }
});

test("copying skips what is there, and counts what is not", async () => {
  const layout = await written();
  assert.deepEqual(await copyImage(memoryReader(sample.blobs), layout, sample.root, task), { blobs: 0, bytes: 0 });
  const second = await createLayout(join(dir, "../second"));
  assert.equal((await copyImage(layout, second, sample.root, task)).blobs, 4);
});

test("M15: an index with attestations and several platforms is copied whole", async () => {
  const other = await sampleImage({ architecture: "arm64", layers: [{ arm: "arm" }] });
  const multi = sampleIndex([
    { sample, architecture: "amd64" },
    { sample: other, architecture: "arm64" },
  ]);
  const layout = await createLayout(dir);
  assert.equal((await copyImage(memoryReader(multi.blobs), layout, multi.root, task)).blobs, 8);
});

test("M09: a layer that is elsewhere is not fetched from there, and copied when it is here", async () => {
  const url = "http://127.0.0.1:1/layer";
  const foreign = await sampleImage({
    editManifest: (manifest) => ({
      ...manifest,
      layers: (manifest.layers as object[]).map((one) => ({
        ...one,
        mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        urls: [url],
      })),
    }),
  });
  const layer = foreign.layers[0] as Sample["root"];
  const without = new Map([...foreign.blobs].filter(([digest]) => digest !== layer.digest));
  const layout = await createLayout(dir);
  assert.equal((await copyImage(memoryReader(without), layout, foreign.root, task)).blobs, 2);
  assert.equal(await layout.has(layer.digest), false);
  assert.equal((await copyImage(memoryReader(foreign.blobs), layout, foreign.root, task)).blobs, 1);
});

test("M17: a byte changed or added in any blob fails every use, naming the digest", async () => {
  await written();
  const blobs = join(dir, "blobs/sha256");
  for (const name of readdirSync(blobs)) {
    const path = join(blobs, name);
    const good = readFileSync(path);
    for (const bad of [
      Buffer.from(good.map((byte, n) => (n === 20 ? byte ^ 1 : byte))),
      Buffer.concat([good, Buffer.from("\n")]),
      good.subarray(0, -1),
    ]) {
      writeFileSync(path, bad);
      await assert.rejects(use(), (error: Failure) => error.code === "DIGEST" && error.message.includes(name), name);
    }
    writeFileSync(path, good);
  }
  await use();
});

test("M13: blobs and their directories that are links are refused", async () => {
  await written();
  const blobs = join(dir, "blobs/sha256");
  const layer = join(blobs, hexOf((sample.layers[0] as { digest: Sample["root"]["digest"] }).digest));
  renameSync(layer, join(dir, "elsewhere"));
  symlinkSync(join(dir, "elsewhere"), layer);
  await assert.rejects(use(), failing("MANIFEST", /symbolic link/));
  renameSync(join(dir, "elsewhere"), layer);
  await use();
  renameSync(blobs, join(dir, "moved"));
  symlinkSync("../moved", blobs);
  await assert.rejects(use(), failing("MANIFEST", /is not a directory/));
});

test("M13: a blob that is a FIFO does not hang", async () => {
  await written();
  const layer = join(dir, "blobs/sha256", hexOf(sample.config.digest));
  rmSync(layer);
  execFileSync("mkfifo", [layer]);
  await assert.rejects(use(), failing("MANIFEST", /not a regular file/));
});

test("M13: index.json of 50 MB, unknown versions, and what is no layout", async () => {
  await written();
  truncateSync(join(dir, "index.json"), 50 << 20);
  await assert.rejects(use(), failing("LIMIT", /index\.json has 52428800 bytes/));
  for (const [text, about] of [
    ['{"imageLayoutVersion":"2.0.0"}', /unknown layout version 2\.0\.0/],
    ["{}", /unknown layout version/],
    ["null", /unknown layout version/],
    ["junk", /not JSON/],
  ] as const) {
    writeFileSync(join(dir, "oci-layout"), text);
    await assert.rejects(openLayout(dir), failing("MANIFEST", about));
  }
  rmSync(join(dir, "oci-layout"));
  await assert.rejects(openLayout(dir), failing("MANIFEST", /it has no oci-layout/));
  await assert.rejects(openLayout(join(dir, "nope")), failing("NOT_FOUND", /does not exist/));
  await assert.rejects(createLayout(dir), failing("MANIFEST", /is not empty and no OCI layout/));
});

test("M13: a missing blob is NOT_FOUND; files that do not belong there disturb nobody", async () => {
  await written();
  writeFileSync(join(dir, "README"), "x");
  mkdirSync(join(dir, "blobs/sha512"));
  await use();
  rmSync(join(dir, "blobs/sha256", hexOf(sample.config.digest)));
  await assert.rejects(use(), failing("NOT_FOUND", /does not exist/));
});

test("M14: data in a descriptor that differs from the blob is DIGEST", async () => {
  const layout = await written();
  const good = { ...sample.root, data: Buffer.from(sample.blobs.get(sample.root.digest) as Buffer).toString("base64") };
  await readDocuments(layout, good, false, task);
  await assert.rejects(readDocuments(layout, { ...good, data: "AAAA" }, false, task), failing("DIGEST", /data embedded/));
});

test("M06: indexes nested deeper than the limit are refused, a few are fine", async () => {
  let nested = sample;
  const depths: Sample[] = [];
  for (let depth = 1; depth <= 9; depth++) depths.push((nested = sampleIndex([{ sample: nested, architecture: "amd64" }])));
  const read = (n: number) => readDocuments(memoryReader((depths[n - 1] as Sample).blobs), (depths[n - 1] as Sample).root, false, task);
  assert.equal((await read(7)).length, 8);
  await assert.rejects(read(9), failing("LIMIT", /nested more than 8 deep \(limit indexDepth\)/));
});

test("M08: schema 1 and unknown roots say what they are", async () => {
  const layout = await written();
  await assert.rejects(
    readDocuments(layout, { ...sample.root, mediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws" }, false, task),
    failing("MANIFEST", /schema 1/),
  );
  await assert.rejects(
    readDocuments(layout, { ...sample.root, mediaType: "text/html" }, false, task),
    failing("MANIFEST", /type text\/html/),
  );
});

test("a blob that differs from what was announced is not kept", async () => {
  const layout = await createLayout(dir);
  const expect = { digest: sample.root.digest, size: 3 };
  await assert.rejects(layout.put(Buffer.from("abc"), expect), failing("DIGEST", /came with the digest/));
  await assert.rejects(layout.put(Buffer.from("abcd"), expect), failing("DIGEST", /more than the 3 bytes/));
  assert.deepEqual(readdirSync(join(dir, "blobs/sha256")), []);
  assert.deepEqual(readdirSync(dir).sort(), ["blobs", "index.json", "oci-layout"]);
});

test("what a killed writer left is swept, what a living one has is not", async () => {
  await written();
  writeFileSync(join(dir, ".nought-999999999-1-0-1-abcdef"), "x");
  await createLayout(dir);
  assert.ok(!existsSync(join(dir, ".nought-999999999-1-0-1-abcdef")));
});

test("publishing from many sides at once loses no name", async () => {
  const layout = await written();
  await Promise.all(Array.from({ length: 20 }, (_, n) => layout.publish(parseReference(`app:t${n}`), sample.root, task)));
  assert.equal(index().manifests.length, 21);
  assert.deepEqual(readdirSync(dir).sort(), ["blobs", "index.json", "oci-layout"]);
});
