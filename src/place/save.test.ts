import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, test } from "node:test";
import { memoryReader, type Sample, sampleImage, sampleIndex } from "../../test/sample-image.ts";
import { Failure } from "../kit/error.ts";
import { formatIdentity, ownIdentity } from "../kit/liveness.ts";
import { hexOf } from "../oci/digest.ts";
import { hostPlatform } from "../oci/platform.ts";
import { familiarName, parseReference } from "../oci/reference.ts";
import { openStore } from "../store/store.ts";
import { createTask } from "../task/task.ts";
import { loadArchive } from "./load.ts";
import { type SavedImage, type SaveOptions, saveArchive } from "./save.ts";

const task = createTask();
let dir = "";
let file = "";
let sample: Sample;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "nought-save-"));
  file = join(dir, "out.tar");
  sample = await sampleImage({ layers: [{ hello: "hello\n" }, { "etc/": "", "etc/motd": "hi\n" }] });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const names = (...all: string[]) => all.map((one) => parseReference(one));
const save = (images: readonly SavedImage[], options: SaveOptions = { format: "docker" }, blobs = sample.blobs) =>
  saveArchive(memoryReader(blobs), images, { file }, options, task);
const list = () => execFileSync("tar", ["-tf", file], { encoding: "utf8" }).trim().split("\n");
const read = (name: string) => JSON.parse(execFileSync("tar", ["-xOf", file, name], { encoding: "utf8" }));
const failing = (code: string, about: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === code && about.test(error.message);

test("a docker archive is an OCI layout too, member for member as docker 28 writes it", async () => {
  await save([{ root: sample.root, names: names("team/app:1", "app") }]);
  const blobs = [...sample.blobs.keys()].map((digest) => `blobs/sha256/${hexOf(digest)}`).sort();
  assert.deepEqual(list(), ["blobs/", "blobs/sha256/", ...blobs, "index.json", "manifest.json", "oci-layout", "repositories"]);
  const layers = sample.layers.map((layer) => `blobs/sha256/${hexOf(layer.digest)}`);
  assert.deepEqual(read("manifest.json"), [
    { Config: `blobs/sha256/${hexOf(sample.config.digest)}`, RepoTags: ["team/app:1", "app:latest"], Layers: layers },
  ]);
  const top = hexOf(sample.layers[1]?.digest as Sample["root"]["digest"]);
  assert.deepEqual(read("repositories"), { app: { latest: top }, "team/app": { "1": top } });
  assert.deepEqual(
    read("index.json").manifests.map((one: { annotations: object }) => one.annotations),
    [
      { "io.containerd.image.name": "docker.io/team/app:1", "org.opencontainers.image.ref.name": "1" },
      { "io.containerd.image.name": "docker.io/library/app:latest", "org.opencontainers.image.ref.name": "latest" },
    ],
  );
});

test("an OCI archive is the layout alone; an image without a name is listed without one", async () => {
  await save([{ root: sample.root, names: [] }], { format: "oci" });
  assert.deepEqual(list().slice(-2), ["index.json", "oci-layout"]);
  assert.deepEqual(read("index.json").manifests, [sample.root]);
  await save([{ root: sample.root, names: [] }]);
  assert.equal(read("manifest.json")[0].RepoTags, null);
  assert.ok(!list().includes("repositories"));
});

test("the same images give the same bytes, whenever and under whatever umask", async () => {
  const images = [{ root: sample.root, names: names("app:1") }];
  await save(images);
  const first = readFileSync(file);
  const umask = process.umask(0o077);
  try {
    await save(images);
  } finally {
    process.umask(umask);
  }
  assert.ok(first.equals(readFileSync(file)));
});

test("what was saved loads again, several images at once", async () => {
  const other = await sampleImage({ compression: "zstd", layers: [{ other: "other" }] });
  const blobs = new Map([...sample.blobs, ...other.blobs]);
  await save(
    [
      { root: sample.root, names: names("a:1", "b") },
      { root: other.root, names: [] },
    ],
    { format: "docker" },
    blobs,
  );
  await using store = await openStore(join(dir, "store"));
  const loaded = await loadArchive(store, { path: file }, task);
  assert.deepEqual(
    loaded.map((one) => [one.names.map(familiarName), one.descriptor.digest, one.id]),
    [
      [["a:1", "b:latest"], sample.root.digest, sample.config.digest],
      [[], other.root.digest, other.config.digest],
    ],
  );
});

test("M15: of an index, manifest.json names the image for this machine, the layout all of it", async () => {
  const here = await sampleImage({ architecture: hostPlatform().architecture });
  const other = await sampleImage({ architecture: "s390x", layers: [{ other: "x" }] });
  const index = sampleIndex([
    { sample: other, architecture: "s390x" },
    { sample: here, architecture: hostPlatform().architecture },
  ]);
  await save([{ root: index.root, names: names("app") }], { format: "docker" }, index.blobs);
  assert.equal(read("manifest.json")[0].Config, `blobs/sha256/${hexOf(here.config.digest)}`);
  assert.equal(read("index.json").manifests[0].digest, index.root.digest);
  assert.equal(list().length, 2 + index.blobs.size + 4);
});

test("M17: a damaged blob is not saved, and the archive that was there stays", async () => {
  writeFileSync(file, "old");
  await using store = await openStore(join(dir, "store"));
  for (const bytes of sample.blobs.values()) await store.put(bytes);
  for (const digest of sample.blobs.keys()) {
    const path = store.pathOf(digest);
    const good = readFileSync(path);
    rmSync(path);
    writeFileSync(
      path,
      good.map((byte, n) => (n === 5 ? byte ^ 1 : byte)),
    );
    await assert.rejects(
      saveArchive(store, [{ root: sample.root, names: names("app") }], { file }, { format: "docker" }, task),
      (error: Failure) => error.code === "DIGEST" && error.message.includes(digest),
    );
    assert.equal(readFileSync(file, "utf8"), "old");
    await store.put(good);
  }
  assert.deepEqual(readdirSync(dir).sort(), ["out.tar", "store"]);
});

test("S32: a full disk leaves nothing behind, and the old file whole", { skip: process.getuid?.() !== 0 }, async () => {
  const small = join(dir, "small");
  mkdirSync(small);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", small], { stdio: "ignore" });
  } catch {
    return;
  }
  try {
    file = join(small, "out.tar");
    await save([{ root: sample.root, names: [] }]);
    const old = readFileSync(file);
    const big = await sampleImage({ layers: [{ big: "x".repeat(100_000) }] });
    await assert.rejects(save([{ root: big.root, names: [] }], { format: "oci" }, big.blobs), failing("NO_SPACE", /no space left/));
    assert.ok(old.equals(readFileSync(file)));
    assert.deepEqual(readdirSync(small), ["out.tar"]);
  } finally {
    execFileSync("umount", [small]);
  }
});

test("S32: /dev/full, a directory, a missing directory", async () => {
  const images = [{ root: sample.root, names: [] }];
  const into = (path: string) => saveArchive(memoryReader(sample.blobs), images, { file: path }, { format: "oci" }, task);
  await assert.rejects(into("/dev/full"), failing("NO_SPACE", /could not write \/dev\/full/));
  await assert.rejects(into(dir), failing("STORAGE", /is a directory/));
  await assert.rejects(into(join(dir, "no/out.tar")), failing("STORAGE", /no such file or directory/));
  await into("/dev/null");
  assert.deepEqual(readdirSync(dir), []);
});

test("S32: an existing file is replaced whole, through a link that leads to it", async () => {
  writeFileSync(join(dir, "real.tar"), "old");
  symlinkSync("real.tar", file);
  await save([{ root: sample.root, names: [] }]);
  assert.ok(readFileSync(join(dir, "real.tar")).length > 5000);
  assert.deepEqual(readdirSync(dir).sort(), ["out.tar", "real.tar"]);
});

test("S32: what a killed save left of the same file goes with the next one, a living one's stays", async () => {
  writeFileSync(join(dir, ".out.tar.nought-999999999-1-0-1-abcd"), "x");
  writeFileSync(join(dir, `.out.tar.nought-${formatIdentity(ownIdentity())}-abcd`), "x");
  await save([{ root: sample.root, names: [] }]);
  assert.deepEqual(readdirSync(dir).sort(), [`.out.tar.nought-${formatIdentity(ownIdentity())}-abcd`, "out.tar"]);
});

test("S32: a closed pipe and a stream to a full disk are told, not thrown about", async () => {
  const images = [{ root: sample.root, names: [] }];
  const closed = new PassThrough();
  closed.destroy();
  await assert.rejects(
    saveArchive(memoryReader(sample.blobs), images, { stream: closed }, { format: "oci" }, task),
    failing("STORAGE", /reader has closed it/),
  );
  const full = createWriteStream("", { fd: openSync("/dev/full", "w") });
  await assert.rejects(
    saveArchive(memoryReader(sample.blobs), images, { stream: full }, { format: "oci" }, task),
    failing("NO_SPACE", /standard output/),
  );
  const chunks: Buffer[] = [];
  const open = new PassThrough().on("data", (chunk) => chunks.push(chunk));
  await saveArchive(memoryReader(sample.blobs), images, { stream: open }, { format: "docker" }, task);
  await save(images);
  assert.ok(Buffer.concat(chunks).equals(readFileSync(file)));
  assert.ok(open.writable);
});

test("a cancelled task leaves no file", async () => {
  const stopped = createTask(undefined, AbortSignal.abort());
  await assert.rejects(
    saveArchive(memoryReader(sample.blobs), [{ root: sample.root, names: [] }], { file }, { format: "oci" }, stopped),
    failing("INTERRUPTED", /interrupted/),
  );
  assert.ok(!existsSync(file));
});
