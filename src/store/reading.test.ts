import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { parseReference } from "../oci/reference.ts";
import { createTask } from "../task/task.ts";
import type { ContentStore } from "./face.ts";
import { openStore, partsOf } from "./store.ts";
import { imageOf, putImage, readWhole } from "./testing/image.ts";

const root = mkdtempSync(join(tmpdir(), "nought-reading-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = () => join(root, String(count++));
const content = Buffer.alloc(2_500_000, "abcdefg");

function damage(store: ContentStore, what: Descriptor, how: (path: string) => void): void {
  chmodSync(store.pathOf(what.digest), 0o600);
  how(store.pathOf(what.digest));
}
function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
}

test("parts of a blob are read without the rest", async () => {
  await using store = await openStore(fresh());
  const { layer } = await putImage(store, content);
  await using bytes = await store.open(layer);
  assert.equal(bytes.size, content.length);
  for (const [from, to] of [
    [0, 10],
    [1_048_570, 1_048_590],
    [2_499_990, 9_999_999],
    [5, 5],
  ] as const) {
    const parts: Uint8Array[] = [];
    for await (const part of bytes.read(from, to)) parts.push(part);
    assert.deepEqual(Buffer.concat(parts), content.subarray(from, to));
  }
});

test("M17, S16: one flipped byte in any blob makes every use of it fail with DIGEST, now and later", async () => {
  for (const which of ["layer", "config", "root"] as const) {
    const dir = fresh();
    const app = parseReference("app");
    await using store = await openStore(dir);
    const image = await putImage(store, content);
    await store.publish(app, image.root, createTask());
    const victim = image[which];
    for (const at of [0, victim.size >> 1, victim.size - 1]) {
      damage(store, victim, (path) => flip(path, at));
      const found = await store.check();
      assert.ok(found.some(({ level, kind, what }) => level === "error" && kind === "damaged" && what === victim.digest));
      const message = new RegExp(`blob ${victim.digest} .*${dir}`);
      await assert.rejects(readWhole(store, victim), { code: "DIGEST", exit: 4, message });
      await assert.rejects(readWhole(store, victim), { code: "DIGEST", message });
      if (which !== "layer") assert.throws(() => store.readDocument(victim), { code: "DIGEST", message });
      if (which === "root") await assert.rejects(store.publish(parseReference("b"), image.root, createTask()), { code: "DIGEST" });
      assert.ok((await store.check()).some(({ level, what }) => level === "error" && what === victim.digest));
      assert.equal(await store.has(victim.digest), false);
      // Storing it again heals.
      await putImage(store, content);
      assert.deepEqual(
        (await store.check()).filter(({ level }) => level === "error"),
        [],
      );
      assert.deepEqual(readdirSync(join(dir, "damaged")), []);
    }
  }
});

test("S16: zero bytes, a cut blob, a longer one and a missing one", async () => {
  await using store = await openStore(fresh());
  for (const how of [
    (path: string) => truncateSync(path, 0),
    (path: string) => truncateSync(path, 100),
    (path: string) => writeFileSync(path, Buffer.alloc(content.length)),
    (path: string) => writeFileSync(path, "x", { flag: "a" }),
  ]) {
    const { layer } = await putImage(store, content);
    damage(store, layer, how);
    await assert.rejects(readWhole(store, layer), { code: "DIGEST" });
  }
  const { config } = await putImage(store, content);
  rmSync(store.pathOf(config.digest));
  await assert.rejects(readWhole(store, config), { code: "NOT_FOUND", exit: 1 });
  assert.throws(() => store.readDocument(config), { code: "NOT_FOUND" });
});

test("S16: a small blob of the right size and other bytes is replaced when it is put again", async () => {
  await using store = await openStore(fresh());
  const bytes = Buffer.from("document");
  const { digest, size } = await store.put(bytes);
  damage(store, { mediaType: "", digest, size }, (path) => flip(path, 3));
  await store.put(bytes);
  assert.deepEqual(store.readDocument({ digest, size }), bytes);
});

test("a descriptor that lies about the size harms no blob", async () => {
  await using store = await openStore(fresh());
  const { layer, config } = await putImage(store, content);
  for (const size of [layer.size - 1, layer.size + 1, 0, 100, -5]) {
    await assert.rejects(readWhole(store, { ...layer, size }), { code: "DIGEST", message: /what refers to it says/ });
    assert.throws(() => store.readDocument({ ...layer, size }), { code: "DIGEST" });
  }
  assert.throws(() => store.readDocument({ ...config, size: 2 ** 40 }), { code: "LIMIT" });
  assert.equal(digestOf(await readWhole(store, layer)), layer.digest);
});

test("a blob that is cut while it is read is reported, not read as if it ended", async () => {
  await using store = await openStore(fresh());
  const { layer } = await putImage(store, content);
  await using bytes = await store.open(layer);
  const reading = bytes.read()[Symbol.asyncIterator]();
  await reading.next();
  damage(store, layer, (path) => truncateSync(path, 1 << 20));
  await assert.rejects(Promise.resolve(reading.next()), { code: "DIGEST", message: /shorter/ });
});

test("what an image refers to wrongly does not hide what another refers to rightly", async () => {
  const dir = fresh();
  const good = imageOf(Buffer.from("good"));
  {
    await using store = await openStore(dir);
    await putImage(store, "good");
    await store.publish(parseReference("good"), good.root, createTask());
    // Calls the other's manifest a layer, and gives it another size.
    for (const [name, liar] of Object.entries({ aaa: { ...good.root, mediaType: good.layer.mediaType }, zzz: { ...good.root, size: 5 } })) {
      const manifest = Buffer.from(
        JSON.stringify({ mediaType: good.root.mediaType, config: good.config, layers: [liar], manifests: [liar] }),
      );
      const { digest, size } = await store.put(manifest);
      const root = { ...good.root, digest, size };
      if (name === "zzz") await assert.rejects(store.publish(parseReference(name), root, createTask()), { code: "DIGEST" });
      // As if it had been named by somebody who does not look.
      await partsOf(dir).names.write(parseReference(name), root, Promise.resolve());
    }
  }
  await using store = await openStore(dir);
  await store.collect();
  assert.equal((await readWhole(store, good.layer)).toString(), "good");
});
