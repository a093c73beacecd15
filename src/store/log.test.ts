import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { digestOf, hexOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { decodeLine, encodeLine } from "./line.ts";
import { appendToLog, readLog, replaceLog } from "./log.ts";
import { openStore } from "./store.ts";

const root = mkdtempSync(join(tmpdir(), "nought-log-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = () => join(root, String(count++));
const hex = "a".repeat(64);

test("a line tells whether it is whole", () => {
  const value = { text: "ünïcödé\n\u2028 \ud800", n: 1, none: null };
  const line = encodeLine("r", hex, value);
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.deepEqual(decodeLine(line), { kind: "r", hex, value });
  for (let at = 0; at < line.length - 1; at++) {
    assert.equal(decodeLine(line.slice(0, at)), undefined, `cut at ${at}`);
    const flipped = line.slice(0, at) + String.fromCharCode(line.charCodeAt(at) ^ 1) + line.slice(at + 1);
    assert.equal(decodeLine(flipped), undefined, `flipped at ${at}`);
  }
  for (const text of ["", "\n", "\0".repeat(500), "r", `r ${hex} 0123456789abcdef {}`]) assert.equal(decodeLine(text), undefined);
});

test("a torn line costs itself only: the next append starts on a line of its own", () => {
  const path = fresh();
  appendToLog(path, "one\n");
  appendFileSync(path, "two is to");
  appendToLog(path, "three\n");
  assert.deepEqual(readLog(path).split("\n").filter(Boolean), ["one", "two is to", "three"]);
});

test("lines appended while the log is replaced are not lost", () => {
  const path = fresh();
  appendToLog(path, "old\n");
  replaceLog(path, fresh(), (text) => {
    // Another process appends between our reading and the rename.
    appendToLog(path, "meanwhile\n");
    return text.replace("old", "new");
  });
  assert.deepEqual(readLog(path).split("\n").filter(Boolean), ["new", "meanwhile"]);
});

test("what has the place of a log and is none reads as empty", () => {
  const path = fresh();
  assert.equal(readLog(path), "");
  mkdirSync(path);
  assert.equal(readLog(path), "");
});

test("S17: records that are cut, overwritten or damaged are misses, the others stay", async () => {
  const dir = fresh();
  const keys = Array.from({ length: 20 }, (_, n) => digestOf(`key ${n}`));
  const write = async () => {
    await using store = await openStore(dir);
    for (const key of keys) store.remember({ key, value: key });
    await store.flush();
  };
  const hits = async () => {
    await using store = await openStore(dir);
    assert.equal(store.records().length, keys.filter((key) => store.recall(key)).length);
    return keys.filter((key) => store.recall(key)?.value === key).length;
  };
  await write();
  const file = join(dir, "records");
  const whole = readFileSync(file);
  assert.equal(await hits(), 20);
  truncateSync(file, whole.length - 10);
  assert.equal(await hits(), 19);
  for (const at of [30, 200, 1000]) {
    const bytes = Buffer.from(whole);
    bytes.fill(0, at, at + 5);
    writeFileSync(file, bytes);
    assert.equal(await hits(), 19, `zeros at ${at}`);
  }
  for (const junk of [Buffer.alloc(0), Buffer.alloc(5000), Buffer.alloc(5000, 0xff), Buffer.from("r\nd\nr \n")]) {
    writeFileSync(file, junk);
    assert.equal(await hits(), 0);
    await write();
    assert.equal(await hits(), 20);
  }
});

test("a damaged newer line does not hide the whole older one", async () => {
  const dir = fresh();
  const key = digestOf("k");
  {
    await using store = await openStore(dir);
    store.remember({ key, value: 1 });
    await store.flush();
    store.remember({ key, value: 2 });
    await store.flush();
  }
  const file = join(dir, "records");
  writeFileSync(file, readFileSync(file, "latin1").replace('"value":2', '"value":3'));
  await using store = await openStore(dir);
  assert.equal(store.recall(key)?.value, 1);
});

test("a record with a wrong shape is a miss although its sum is right", async () => {
  const dir = fresh();
  await (async () => {
    await using store = await openStore(dir);
    store.remember({ key: digestOf("good"), value: 1 });
    await store.flush();
  })();
  const blob = { mediaType: MEDIA.layer, digest: "sha256:../../etc/passwd", size: 1 };
  for (const value of [null, 1, [], {}, { at: "now" }, { at: 1, layer: {} }, { at: 1, layer: { diffId: digestOf("x"), blob } }])
    appendToLog(join(dir, "records"), encodeLine("r", hexOf(digestOf("bad")), value));
  await using store = await openStore(dir);
  assert.equal(store.recall(digestOf("bad")), undefined);
  assert.equal(store.records().length, 1);
});

test("the log does not grow with every build: what is outdated goes", async () => {
  const dir = fresh();
  const value = "x".repeat(1000);
  const keys = Array.from({ length: 100 }, (_, n) => digestOf(`key ${n}`));
  for (let round = 0; round < 6; round++) {
    await using store = await openStore(dir);
    for (const key of keys) store.remember({ key, value: `${round} ${value}` });
    await store.flush();
  }
  assert.ok(readFileSync(join(dir, "records")).length < 350_000);
  await using store = await openStore(dir);
  assert.equal(store.recall(keys[7] as (typeof keys)[number])?.value, `5 ${value}`);
  assert.equal(store.records().length, 100);
});

test("1,000 records are read in a few milliseconds", async () => {
  const dir = fresh();
  const keys = Array.from({ length: 1000 }, (_, n) => digestOf(`key ${n}`));
  await (async () => {
    await using store = await openStore(dir);
    for (const key of keys) store.remember({ key, layer: { diffId: key, blob: { mediaType: MEDIA.layer, digest: key, size: 1 } } });
    await store.flush();
  })();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    await using store = await openStore(dir);
    const started = performance.now();
    store.recall(keys[500] as (typeof keys)[number]);
    best = Math.min(best, performance.now() - started);
  }
  assert.ok(best < 20, `${best} ms`);
});
