import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseReference } from "../oci/reference.ts";
import { createTask } from "../task/task.ts";
import { nameImage } from "./name-image.ts";
import { openStore } from "./store.ts";
import { putImage } from "./testing/image.ts";

const root = mkdtempSync(join(tmpdir(), "nought-name-"));
after(() => rmSync(root, { recursive: true, force: true }));
const task = createTask();
const app = parseReference("app");

test("the image that loses its name stays listed without one", async () => {
  await using store = await openStore(join(root, "a"));
  const [a, b] = [await putImage(store, "a"), await putImage(store, "b")];
  await nameImage(store, app, a.root, task);
  await nameImage(store, app, a.root, task);
  assert.deepEqual(await store.untagged(), []);
  await nameImage(store, app, b.root, task);
  assert.deepEqual(
    (await store.untagged()).map((one) => one.root),
    [a.root],
  );
  assert.deepEqual(await store.resolve(app, task), b.root);
});

test("S16: a name whose image is damaged takes a new one", async () => {
  await using store = await openStore(join(root, "b"));
  const a = await putImage(store, "a");
  await nameImage(store, app, a.root, task);
  chmodSync(store.pathOf(a.root.digest), 0o600);
  writeFileSync(store.pathOf(a.root.digest), "damaged");
  const b = await putImage(store, "b");
  await nameImage(store, app, b.root, task);
  assert.deepEqual(await store.resolve(app, task), b.root);
  assert.deepEqual(
    (await store.check()).filter(({ level }) => level === "error"),
    [],
  );
});
