import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { formatIdentity, ownIdentity, uniqueToken } from "../kit/liveness.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { parseReference } from "../oci/reference.ts";
import { createTask } from "../task/task.ts";
import { collect } from "./collect.ts";
import { openStore, partsOf } from "./store.ts";
import { imageOf, putImage, readWhole } from "./testing/image.ts";

const root = mkdtempSync(join(tmpdir(), "nought-collect-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = () => join(root, String(count++));
const task = createTask();
const app = parseReference("app");

/** A store with one image that nothing refers to. */
async function forgotten(dir: string) {
  await using store = await openStore(dir);
  return await putImage(store, "content");
}

/**
 * A collection that stops where a writer can do harm: `first` runs after it marked what is in use and before candidates
 * move, `second` after they moved and before the leases are read again.
 */
async function collectWith(dir: string, first: () => Promise<unknown> | unknown, second: () => Promise<unknown> | unknown) {
  const parts = partsOf(dir);
  let calls = 0;
  const waiting: (Promise<unknown> | unknown)[] = [];
  const records = {
    ...parts.records,
    all: () => {
      const all = parts.records.all();
      // The last thing that marking reads; what `first` does synchronously comes too late for it.
      if (calls++ === 0) waiting.push(first());
      return all;
    },
  };
  const names = {
    ...parts.names,
    damaged: () => parts.names.damaged(),
    list: () => {
      if (calls === 1) waiting.push(second());
      return parts.names.list();
    },
  };
  const result = await collect({ ...parts, records, names });
  await Promise.all(waiting);
  parts.session.end();
  return result;
}

test("S14: a blob that comes into use while candidates are chosen is there afterwards", async () => {
  const dir = fresh();
  const image = await forgotten(dir);
  await using writer = await openStore(dir);
  // Synchronous up to the look at the file: leased and found before the collection moves it.
  await collectWith(
    dir,
    () => writer.sizeOf(image.layer.digest) !== undefined && void writer.has(image.layer.digest),
    () => {},
  );
  assert.equal((await readWhole(writer, image.layer)).toString(), "content");
});

test("S14: a blob that comes into use while it is in the trash is taken back by whoever asks", async () => {
  const dir = fresh();
  const image = await forgotten(dir);
  await using writer = await openStore(dir);
  let found: Promise<boolean> | undefined;
  await collectWith(
    dir,
    () => {},
    () => {
      assert.ok(existsSync(join(dir, "trash", image.layer.digest.slice(7))));
      found = writer.has(image.layer.digest);
    },
  );
  assert.equal(await found, true);
  assert.equal((await readWhole(writer, image.layer)).toString(), "content");
});

test("S14: an image named while a collection runs keeps everything it refers to", async () => {
  for (const phase of [0, 1]) {
    const dir = fresh();
    const image = await forgotten(dir);
    const name = async () => {
      await using store = await openStore(dir);
      await store.publish(app, image.root, task);
    };
    const steps = [() => {}, () => {}] as (() => unknown)[];
    steps[phase] = name;
    await collectWith(dir, steps[0] as () => unknown, steps[1] as () => unknown);
    await using store = await openStore(dir);
    assert.deepEqual(
      (await store.check()).filter(({ level }) => level === "error"),
      [],
    );
    assert.equal((await readWhole(store, image.layer)).toString(), "content");
  }
});

test("S14: a cached layer that a build has found stays although its record is pruned", async () => {
  const dir = fresh();
  const layer = Buffer.from("layer");
  const blob: Descriptor = { mediaType: MEDIA.layer, digest: digestOf(layer), size: layer.length };
  const key = digestOf("key");
  await (async () => {
    await using store = await openStore(dir);
    await store.put(layer);
    store.remember({ key, layer: { diffId: blob.digest, blob } });
    await store.flush();
  })();
  await using build = await openStore(dir);
  assert.ok(build.recall(key));
  await using prune = await openStore(dir);
  assert.equal(await prune.forgetRecords(() => false), 1);
  await prune.collect();
  await build.putMany(imageOf(layer).documents);
  await build.publish(app, imageOf(layer).root, task);
  assert.deepEqual(
    (await build.check()).filter(({ level }) => level === "error"),
    [],
  );
});

test("a collection that was killed half-way loses nothing: what is wanted comes back, the rest goes next time", async () => {
  const dir = fresh();
  const image = await forgotten(dir);
  const other = await (async () => {
    await using store = await openStore(dir);
    return await putImage(store, "other");
  })();
  mkdirSync(join(dir, "trash"), { recursive: true });
  for (const hex of readdirSync(join(dir, "blobs", "sha256"))) renameSync(join(dir, "blobs", "sha256", hex), join(dir, "trash", hex));
  await (async () => {
    await using store = await openStore(dir);
    await store.publish(app, image.root, task);
    assert.equal((await readWhole(store, image.layer)).toString(), "content");
  })();
  await using store = await openStore(dir);
  assert.equal((await store.collect()).removed.length, 3);
  assert.equal(await store.has(other.layer.digest), false);
  assert.deepEqual(await store.check(), []);
});

test("S18: folders of dead processes go, those of living ones and of other namespaces stay", async () => {
  const dir = fresh();
  await forgotten(dir);
  const own = ownIdentity();
  const dead = [`${formatIdentity({ ...own, start: own.start + 1 })}-1`, `${formatIdentity({ ...own, boot: "0badb001" })}-2`];
  const alive = [uniqueToken(), `${formatIdentity({ ...own, namespace: own.namespace + 1 })}-3`];
  for (const name of [...dead, ...alive]) {
    mkdirSync(join(dir, "tmp", name));
    writeFileSync(join(dir, "tmp", name, "0"), "half a blob");
  }
  const leased = digestOf("content").slice(7);
  writeFileSync(join(dir, "tmp", alive[1] as string, "leases"), `${leased}\nshort`);
  await using store = await openStore(dir);
  assert.equal((await store.check()).filter(({ kind }) => kind === "leftover").length, 2);
  const { removed } = await store.collect();
  for (const name of dead) assert.ok(!existsSync(join(dir, "tmp", name)));
  for (const name of alive) assert.ok(existsSync(join(dir, "tmp", name, "0")));
  assert.ok(!removed.some((digest) => digest.slice(7) === leased), "leased by a process that cannot be seen");
});

test("A5: the next command that writes clears away what a killed one left", async () => {
  const dir = fresh();
  await forgotten(dir);
  const dead = join(dir, "tmp", `${formatIdentity({ ...ownIdentity(), boot: "0badb001" })}-2`);
  mkdirSync(dead);
  await (async () => {
    await using store = await openStore(dir);
    await store.put(Buffer.from("x"));
  })();
  assert.deepEqual(readdirSync(join(dir, "tmp")), []);
});

test("indexes go with the last layer they describe, damaged blobs with any collection", async () => {
  const dir = fresh();
  const image = await (async () => {
    await using store = await openStore(dir);
    const put = await putImage(store, "content");
    await store.publish(app, put.root, task);
    await store.writeIndex(put.layer.digest, Buffer.from("index"));
    await store.writeIndex(digestOf("nobody"), Buffer.from("index"));
    return put;
  })();
  writeFileSync(join(dir, "damaged", "a".repeat(64)), "x");
  await using store = await openStore(dir);
  assert.ok((await store.collect()).bytes > 0);
  assert.deepEqual(readdirSync(join(dir, "index")), [image.layer.digest.slice(7)]);
  assert.deepEqual(readdirSync(join(dir, "damaged")), []);
  await store.unname(app);
  await store.collect();
  assert.deepEqual(readdirSync(join(dir, "index")), []);
});

test("two collections at once do not disturb each other", async () => {
  const dir = fresh();
  await forgotten(dir);
  await using a = await openStore(dir);
  await using b = await openStore(dir);
  const counts = (await Promise.all([a.collect(), b.collect()])).map(({ removed }) => removed.length);
  assert.deepEqual(counts.sort(), [0, 3]);
});
