import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseReference } from "../oci/reference.ts";
import { createTask } from "../task/task.ts";
import { openStore } from "./store.ts";
import { putImage, readWhole } from "./testing/image.ts";

const root = mkdtempSync(join(tmpdir(), "nought-layout-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = () => join(root, String(count++));
const app = parseReference("app:1");

async function filled(dir: string) {
  await using store = await openStore(dir);
  const image = await putImage(store, "content");
  await store.publish(app, image.root, createTask());
  return image;
}

test("S11: umask 000 makes a store that nobody else may enter", async () => {
  const dir = join(fresh(), "deep", "store");
  const before = process.umask(0);
  try {
    await filled(dir);
  } finally {
    process.umask(before);
  }
  const walk = (path: string) => {
    assert.equal(statSync(path).mode & 0o077, 0, path);
    for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) walk(join(path, entry.name));
  };
  walk(dir);
});

test("S11: a store that others may write to is refused, with the command that cures it", async () => {
  for (const mode of [0o770, 0o707, 0o720, 0o777, 0o1777]) {
    const dir = fresh();
    await filled(dir);
    chmodSync(dir, mode);
    await assert.rejects(openStore(dir), { code: "STORAGE", exit: 7, hint: `Run: chmod go-w ${dir}` });
    chmodSync(dir, 0o755);
    await (await openStore(dir))[Symbol.asyncDispose]();
  }
});

test("S11, S31: a store of another user is refused", { skip: process.getuid?.() !== 0 && "only root can give a folder away" }, async () => {
  const dir = fresh();
  await filled(dir);
  chownSync(dir, 12345, 12345);
  await assert.rejects(openStore(dir), { code: "STORAGE", message: /belongs to user 12345, and this is user 0/ });
  const link = fresh();
  symlinkSync(dir, link);
  await assert.rejects(openStore(link), { code: "STORAGE" });
});

test("a link to a store of one's own is followed, one to nothing is not created through", async () => {
  const dir = fresh();
  const { root: image } = await filled(dir);
  const link = fresh();
  symlinkSync(dir, link);
  await using store = await openStore(link);
  assert.deepEqual(await store.resolve(app, createTask()), image);
  const dangling = fresh();
  symlinkSync(join(root, "nowhere"), dangling);
  await assert.rejects(openStore(dangling), { code: "STORAGE", message: /link to nothing/ });
});

test("S11: links planted inside the store are not followed", async () => {
  const dir = fresh();
  const { root: image, layer } = await filled(dir);
  const victim = fresh();
  writeFileSync(victim, "precious");
  const blob = join(dir, "blobs", "sha256", layer.digest.slice(7));
  rmSync(blob);
  symlinkSync(victim, blob);
  const [nameFile = ""] = readdirSync(join(dir, "names"));
  symlinkSync(victim, join(dir, "records"));
  await using store = await openStore(dir);
  await assert.rejects(readWhole(store, layer), { code: "STORAGE", message: /symbolic link/ });
  store.remember({ key: image.digest });
  await assert.rejects(store.flush(), { code: "STORAGE" });
  rmSync(join(dir, "names", nameFile));
  symlinkSync(victim, join(dir, "names", nameFile));
  await assert.rejects(store.resolve(app, createTask()), { code: "STORAGE", message: /damaged/ });
  await assert.rejects(store.publish(app, image, createTask()), { code: "NOT_FOUND" });
  await putImage(store, "content");
  await store.publish(app, image, createTask());
  assert.deepEqual(await store.resolve(app, createTask()), image);
  assert.equal(readFileSync(victim, "utf8"), "precious");
});

test("a folder with other things in it, or a file, is no store and stays as it is", async () => {
  const dir = fresh();
  mkdirSync(dir);
  writeFileSync(join(dir, "thesis.txt"), "years of work");
  await assert.rejects(openStore(dir), { code: "STORAGE", message: /not a nought store/ });
  assert.deepEqual(readdirSync(dir), ["thesis.txt"]);
  await assert.rejects(openStore(join(dir, "thesis.txt")), { code: "STORAGE", message: /not a folder/ });
  await assert.rejects(openStore(join(dir, "thesis.txt", "below")), { code: "STORAGE" });
});

test("S17, S28: a version that is newer, damaged or a link is refused and not touched", async () => {
  const dir = fresh();
  await filled(dir);
  const file = join(dir, "version");
  for (const [text, message] of [
    ["nought store 2\n", /newer nought \(layout 2; this one knows 1\)/],
    ["nought store 999999999\n", /newer/],
    ["", /damaged/],
    ["nought sto", /damaged/],
    ["\0".repeat(15), /damaged/],
    ["nought store 1\nand more", /damaged/],
    ["x".repeat(100_000), /damaged/],
  ] as const) {
    writeFileSync(file, text);
    await assert.rejects(openStore(dir), { code: "STORAGE", exit: 7, message });
    assert.equal(readFileSync(file, "utf8"), text);
  }
  renameSync(file, join(dir, "elsewhere"));
  symlinkSync(join(dir, "elsewhere"), file);
  await assert.rejects(openStore(dir), { code: "STORAGE" });
});

test("S17: a store whose version is gone is not taken for an empty one", async () => {
  const dir = fresh();
  await filled(dir);
  rmSync(join(dir, "version"));
  await assert.rejects(openStore(dir), { code: "STORAGE", message: /not a nought store/ });
});

test("S20: a store works after cp -a and a move, under a path with blanks, other scripts and 200 bytes", async () => {
  const dir = fresh();
  const { root: image, layer } = await filled(dir);
  const place = join(root, `blank and ünïcödé 名前 ${"x".repeat(150)}`);
  cpSync(dir, place, { recursive: true, preserveTimestamps: true });
  rmSync(dir, { recursive: true });
  await using store = await openStore(place);
  assert.deepEqual(await store.resolve(app, createTask()), image);
  assert.equal((await readWhole(store, layer)).toString(), "content");
  await putImage(store, "more");
  assert.deepEqual(
    (await store.check()).filter(({ level }) => level === "error"),
    [],
  );
});

test("folders that a copy left out because they were empty are made again", async () => {
  const dir = fresh();
  await filled(dir);
  for (const name of ["kept", "index", "scratch", "tmp", "trash", "damaged", "lock"]) rmSync(join(dir, name), { recursive: true });
  await using store = await openStore(dir);
  assert.equal((await store.names()).length, 1);
  assert.deepEqual(await store.untagged(), []);
  assert.deepEqual(await store.check(), []);
  await putImage(store, "more");
  await store.collect();
});
