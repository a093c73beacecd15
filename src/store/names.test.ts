import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseReference } from "../oci/reference.ts";
import { createTask } from "../task/task.ts";
import { openStore } from "./store.ts";
import { putImage } from "./testing/image.ts";

const root = mkdtempSync(join(tmpdir(), "nought-names-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = () => join(root, String(count++));
const task = createTask();

test("S17: a damaged name is an error for itself, a finding of check, no loss of others, and stops every removal", async () => {
  const dir = fresh();
  await using store = await openStore(dir);
  const image = await putImage(store, "x");
  const [file = ""] = await (async () => {
    await store.publish(parseReference("bad"), image.root, task);
    return readdirSync(join(dir, "names"));
  })();
  await store.publish(parseReference("good"), image.root, task);
  const path = join(dir, "names", file);
  const whole = readFileSync(path);
  for (const harm of [
    () => truncateSync(path, 0),
    () => truncateSync(path, whole.length >> 1),
    () => writeFileSync(path, Buffer.alloc(whole.length)),
    () => writeFileSync(path, "junk"),
    () => writeFileSync(path, whole.toString().replace("bad", "bed")),
  ]) {
    harm();
    await assert.rejects(store.resolve(parseReference("bad"), task), {
      code: "STORAGE",
      exit: 7,
      message: new RegExp(`name bad.*${path}`),
    });
    assert.deepEqual(await store.resolve(parseReference("good"), task), image.root);
    assert.equal((await store.names()).length, 1);
    assert.ok((await store.check()).some(({ level, what }) => level === "error" && what === path));
    await assert.rejects(store.collect(), { code: "STORAGE", message: /nothing was removed/ });
    await store.publish(parseReference("bad"), image.root, task);
    assert.deepEqual(await store.resolve(parseReference("bad"), task), image.root);
    assert.deepEqual(await store.check(), []);
  }
});

test("a damaged name can be removed", async () => {
  const dir = fresh();
  await using store = await openStore(dir);
  const image = await putImage(store, "x");
  await store.publish(parseReference("a"), image.root, task);
  for (const file of readdirSync(join(dir, "names"))) truncateSync(join(dir, "names", file), 0);
  assert.equal(await store.unname(parseReference("a")), true);
  assert.deepEqual(await store.check(), []);
});

test("names of the greatest length work, and every part of a name counts", async () => {
  await using store = await openStore(fresh());
  const image = await putImage(store, "x");
  const long = `registry.example.org:5000/${"a".repeat(220)}:${"t".repeat(128)}`;
  const all = [long, "a:1", "a:2", "localhost/a:1", "docker.io/a/a:1"].map((text) => parseReference(text));
  for (const name of all) await store.publish(name, image.root, task);
  assert.equal((await store.names()).length, all.length);
  for (const name of all) assert.deepEqual(await store.resolve(name, task), image.root);
  assert.deepEqual(await store.resolve(parseReference(`a@${image.root.digest}`), task), image.root);
});

test("kept images: listed newest first until named or forgotten", async () => {
  await using store = await openStore(fresh());
  const [a, b] = [await putImage(store, "a"), await putImage(store, "b")];
  await store.keep(a.root);
  await store.keep(a.root);
  await store.keep(b.root);
  assert.deepEqual(new Set((await store.untagged()).map((one) => one.root.digest)), new Set([a.root.digest, b.root.digest]));
  await store.publish(parseReference("a"), a.root, task);
  assert.deepEqual(
    (await store.untagged()).map((one) => one.root.digest),
    [b.root.digest],
  );
  assert.equal(await store.forget(b.root.digest), true);
  assert.equal(await store.forget(b.root.digest), false);
  assert.deepEqual(await store.untagged(), []);
});

test("usage counts what is shared once, and says what can go", async () => {
  const dir = fresh();
  await using store = await openStore(dir);
  const [a, b] = [await putImage(store, "aaaa"), await putImage(store, "bbbb")];
  const size = (one: typeof a) => one.root.size + one.config.size + one.layer.size;
  await store.publish(parseReference("a"), a.root, task);
  await store.publish(parseReference("also"), a.root, task);
  await store.keep(b.root);
  store.remember({ key: a.root.digest, layer: { diffId: a.layer.digest, blob: a.layer } });
  const extra = await store.put(Buffer.from("cached only"));
  store.remember({ key: b.root.digest, layer: { diffId: extra.digest, blob: { ...a.layer, ...extra } } });
  await store.flush();
  await store.put(Buffer.from("nobody's"));
  store.writeScratch("ledger", Buffer.from("12345678"));
  assert.deepEqual(await store.usage(), {
    images: { total: 2, unnamed: 1, bytes: size(a) + size(b), reclaimable: size(b) },
    cache: { total: 2, bytes: a.layer.size + extra.size, reclaimable: extra.size },
    unreferenced: { total: 1, bytes: 8 },
    derived: { total: 1, bytes: 40 },
  });
  assert.equal(Buffer.from(store.readScratch("ledger") as Uint8Array).toString(), "12345678");
  writeFileSync(join(dir, "scratch", "ledger"), "damaged");
  assert.equal(store.readScratch("ledger"), undefined);
});
