import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf, hasher } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { parseReference } from "../oci/reference.ts";
import { createTask } from "../task/task.ts";
import { openStore } from "./store.ts";
import { putImage, readWhole } from "./testing/image.ts";

const root = mkdtempSync(join(tmpdir(), "nought-store-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = () => join(root, String(count++));
const task = createTask();
const name = (text: string) => parseReference(text);
const failure =
  (code: string) =>
  (error: unknown): boolean =>
    (error as Failure).code === code;

test("nothing is created before the first write, and every question has an answer", async () => {
  const dir = fresh();
  await using store = await openStore(dir);
  assert.deepEqual(await store.names(), []);
  assert.deepEqual(await store.untagged(), []);
  assert.deepEqual(store.records(), []);
  assert.equal(await store.resolve(name("a:1"), task), undefined);
  assert.equal(store.recall(digestOf("x")), undefined);
  assert.equal(await store.has(digestOf("x")), false);
  assert.equal(store.blobOf(digestOf("x")), undefined);
  assert.equal(await store.readIndex(digestOf("x")), undefined);
  assert.equal(store.readScratch("ledger"), undefined);
  await assert.rejects(store.open({ mediaType: MEDIA.layer, digest: digestOf("x"), size: 1 }), failure("NOT_FOUND"));
  assert.throws(() => statSync(dir), { code: "ENOENT" });
});

test("an image that was published is there after reopening, whole and read-only", async () => {
  const dir = fresh();
  let image: Awaited<ReturnType<typeof putImage>>;
  {
    await using store = await openStore(dir);
    image = await putImage(store, "hello");
    await store.publish(name("app:1"), image.root, task);
  }
  await using store = await openStore(dir);
  assert.deepEqual(await store.resolve(name("app:1"), task), image.root);
  assert.deepEqual(
    (await store.names()).map((one) => one.name.repository),
    ["library/app"],
  );
  assert.equal((await readWhole(store, image.layer)).toString(), "hello");
  assert.equal(statSync(store.pathOf(image.layer.digest)).mode & 0o777, 0o444);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(join(dir, "tmp")), []);
  assert.deepEqual(store.blobOf(image.layer.digest), image.layer);
});

test("a name with a digest is found under any tag of its repository", async () => {
  await using store = await openStore(fresh());
  const image = await putImage(store, "x");
  await store.publish(name("team/app:1"), image.root, task);
  assert.deepEqual(await store.resolve(name(`team/app@${image.root.digest}`), task), image.root);
  assert.equal(await store.resolve(name(`team/other@${image.root.digest}`), task), undefined);
  assert.equal(await store.resolve(name(`team/app:1@${digestOf("y")}`), task), undefined);
});

test("a name moves, is removed once, and no name means latest", async () => {
  await using store = await openStore(fresh());
  const [a, b] = [await putImage(store, "a"), await putImage(store, "b")];
  await store.publish(name("app"), a.root, task);
  await store.publish(name("app:latest"), b.root, task);
  assert.deepEqual(await store.resolve(name("app"), task), b.root);
  assert.equal(await store.unname(name("app:latest")), true);
  assert.equal(await store.unname(name("app:latest")), false);
  assert.deepEqual(await store.names(), []);
});

test("publishing what is not there is refused and leaves no name", async () => {
  await using store = await openStore(fresh());
  await putImage(store, "a");
  const nothing = { mediaType: MEDIA.manifest, digest: digestOf("nothing"), size: 7 };
  await assert.rejects(store.publish(name("app"), nothing, task), failure("NOT_FOUND"));
  const { root: image, layer } = await putImage(store, "b");
  rmSync(store.pathOf(layer.digest));
  await assert.rejects(store.publish(name("app"), image, task), { code: "NOT_FOUND", message: new RegExp(layer.digest) });
  await assert.rejects(store.keep(image), failure("NOT_FOUND"));
  assert.deepEqual(await store.names(), []);
  assert.deepEqual(await store.untagged(), []);
});

test("an index may lack manifests of other platforms, but not parts of those it has", async () => {
  await using store = await openStore(fresh());
  const image = await putImage(store, "a");
  const absent = { ...image.root, digest: digestOf("another platform") };
  const document = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [absent, image.root] }));
  const index = { mediaType: MEDIA.index, digest: digestOf(document), size: document.length };
  await store.put(document);
  await store.publish(name("app"), index, task);
  assert.deepEqual(await store.check(), []);
  rmSync(store.pathOf(image.config.digest));
  await assert.rejects(store.publish(name("other"), index, task), failure("NOT_FOUND"));
  assert.equal((await store.check())[0]?.kind, "missing");
});

test("put refuses other bytes than expected and keeps nothing", async () => {
  const dir = fresh();
  await using store = await openStore(dir);
  async function* stream() {
    yield Buffer.from("abc");
    yield Buffer.from("def");
  }
  assert.deepEqual(await store.put(stream()), { digest: digestOf("abcdef"), size: 6 });
  await assert.rejects(store.put(stream(), { digest: digestOf("other"), size: 6 }), failure("DIGEST"));
  await assert.rejects(store.put(stream(), { digest: digestOf("abcdef"), size: 5 }), failure("DIGEST"));
  await assert.rejects(store.put(Buffer.from("abc"), { digest: digestOf("x"), size: 3 }), failure("DIGEST"));
  assert.equal(readdirSync(join(dir, "blobs", "sha256")).length, 1);
  for (const session of readdirSync(join(dir, "tmp"))) assert.deepEqual(readdirSync(join(dir, "tmp", session)), ["leases"]);
});

test("the writer takes chunks of any size, and an aborted one leaves nothing", async () => {
  const dir = fresh();
  await using store = await openStore(dir);
  const writer = store.writer();
  const hash = hasher();
  let size = 0;
  for (const length of [0, 1, 1000, 300_000, 5, 2 << 20, 700_000, 262_143, 3]) {
    const chunk = Buffer.alloc(length, length % 251);
    hash.update(chunk);
    size += length;
    await writer.write(chunk);
    chunk.fill(0xff);
  }
  const digest = hash.digest();
  assert.deepEqual(await writer.commit(digest, size), { digest, size });
  writer.abort();
  assert.equal(digestOf(readFileSync(store.pathOf(digest))), digest);
  const other = store.writer();
  await other.write(Buffer.alloc(3 << 20));
  other.abort();
  await assert.rejects(async () => {
    const third = store.writer();
    await third.write(Buffer.from("abc"));
    await third.commit(digestOf("abc"), 4);
  }, failure("DIGEST"));
  assert.deepEqual(readdirSync(join(dir, "blobs", "sha256")), [digest.slice(7)]);
});

test("cache records survive, the last one of a key wins, and one whose layer is gone is a miss", async () => {
  const dir = fresh();
  const key = digestOf("key");
  const layer = { mediaType: MEDIA.layerGzip, digest: digestOf("gzipped"), size: 7 };
  const diffId = digestOf("plain");
  {
    await using store = await openStore(dir);
    await store.put(Buffer.from("gzipped"));
    store.remember({ key, value: 1 });
    store.remember({ key, layer: { diffId, blob: layer } });
    store.remember({ key: digestOf("lost"), layer: { diffId: digestOf("lost"), blob: { ...layer, digest: digestOf("lost") } } });
    assert.deepEqual(store.recall(key)?.layer, { diffId, blob: layer });
    await store.flush();
    store.remember({ key: digestOf("unflushed") });
  }
  await using store = await openStore(dir);
  assert.deepEqual(store.recall(key)?.layer, { diffId, blob: layer });
  assert.equal(store.recall(digestOf("lost")), undefined);
  assert.equal(store.recall(digestOf("unflushed")), undefined);
  assert.deepEqual(store.blobOf(diffId), layer);
});

test("collect keeps what names, kept images and records reach, and removes the rest", async () => {
  const dir = fresh();
  let images: Awaited<ReturnType<typeof putImage>>[];
  const recorded = Buffer.from("recorded");
  {
    await using store = await openStore(dir);
    images = [await putImage(store, "named"), await putImage(store, "kept"), await putImage(store, "nobody's")];
    await store.publish(name("app"), images[0]?.root as Descriptor, task);
    await store.keep(images[1]?.root as Descriptor);
    await store.put(recorded);
    const blob = { mediaType: MEDIA.layer, digest: digestOf(recorded), size: recorded.length };
    store.remember({ key: digestOf("k"), layer: { diffId: blob.digest, blob } });
    await store.flush();
    for (const { layer } of images) await store.writeIndex(layer.digest, Buffer.from("index"));
    assert.deepEqual((await store.collect()).removed, [], "the living process has everything in use");
  }
  await using store = await openStore(dir);
  const { removed, bytes } = await store.collect();
  const gone = images[2] as (typeof images)[number];
  assert.deepEqual([...removed].sort(), [gone.root.digest, gone.layer.digest, gone.config.digest].sort());
  assert.ok(bytes > gone.layer.size);
  assert.equal(await store.readIndex(gone.layer.digest), undefined);
  assert.ok(await store.readIndex(images[1]?.layer.digest as Digest));
  assert.equal((await store.untagged()).length, 1);
  assert.equal(await store.forgetRecords(() => false), 1);
  await store.forget(images[1]?.root.digest as Digest);
  assert.equal((await store.collect()).removed.length, 4);
  assert.equal((await readWhole(store, images[0]?.layer as Descriptor)).toString(), "named");
});

test("a foreign folder, a writable store and a newer store are refused", async () => {
  const dir = fresh();
  await using store = await openStore(dir);
  await putImage(store, "a");
  chmodSync(dir, 0o777);
  await assert.rejects(openStore(dir), failure("STORAGE"));
  chmodSync(dir, 0o700);
  writeFileSync(join(dir, "version"), "nought store 2\n");
  await assert.rejects(openStore(dir), failure("STORAGE"));
  const other = mkdtempSync(join(root, "other-"));
  writeFileSync(join(other, "file"), "");
  await assert.rejects(openStore(other), failure("STORAGE"));
});
