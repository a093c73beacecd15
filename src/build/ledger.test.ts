import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Workbench } from "../../test/workbench.ts";
import { digestOf } from "../oci/digest.ts";
import type { Stamp } from "../tree/entry.ts";
import { openLedger } from "./ledger.ts";

const NOW = 1_700_000_000_000;
const stamp = (change: Partial<Stamp> = {}): Stamp => ({ size: 5, mtimeMs: NOW - 10_000, ctimeMs: NOW - 10_000.5, ino: 77, ...change });
const DIGEST = digestOf("x");
const LAYER = digestOf("layer");

test("what was learnt is found again, in the same build and in the next", () => {
  const ledger = openLedger(undefined);
  ledger.learn("/a", stamp(), DIGEST, NOW, { diffId: LAYER, offset: 1536 });
  ledger.learn("/ü\udcff\n", stamp({ ino: 2 ** 53 - 1 }), digestOf("y"), NOW);
  assert.deepEqual(ledger.find("/a", stamp()), { digest: DIGEST });
  const bytes = ledger.encode();
  const next = openLedger(bytes, () => true);
  assert.deepEqual(next.find("/a", stamp()), { digest: DIGEST, copy: { diffId: LAYER, offset: 1536 } });
  assert.deepEqual(openLedger(bytes).find("/a", stamp()), { digest: DIGEST }, "a copy in a layer that is gone is none");
  assert.equal(next.find("/a/", stamp()), undefined);
  assert.equal(next.encode(), undefined, "nothing new, nothing to write");
  next.learn("/b", stamp(), DIGEST, NOW);
  next.learn("/a", stamp({ size: 6 }), digestOf("z"), NOW);
  const third = openLedger(next.encode());
  assert.deepEqual(third.find("/a", stamp({ size: 6 })), { digest: digestOf("z") });
  assert.equal(third.find("/a", stamp()), undefined);
  assert.deepEqual(third.find("/b", stamp()), { digest: DIGEST });
});

test("a name that is not UTF-8 is not mixed up with another", () => {
  const ledger = openLedger(undefined);
  ledger.learn("/\udcff", stamp(), DIGEST, NOW);
  const next = openLedger(ledger.encode());
  assert.deepEqual(next.find("/\udcff", stamp()), { digest: DIGEST });
  assert.equal(next.find("/\udcfe", stamp()), undefined);
  assert.equal(next.find("/\ufffd", stamp()), undefined);
});

test("C12: any other stamp is another file", () => {
  const ledger = openLedger(undefined);
  ledger.learn("/a", stamp(), DIGEST, NOW);
  const next = openLedger(ledger.encode());
  for (const change of [{ size: 6 }, { mtimeMs: NOW - 10_001 }, { ctimeMs: NOW - 10_000.25 }, { ino: 78 }]) {
    assert.equal(ledger.find("/a", stamp(change)), undefined, JSON.stringify(change));
    assert.equal(next.find("/a", stamp(change)), undefined, JSON.stringify(change));
  }
});

test("a file that was written at nearly the time it was read is never trusted", () => {
  for (const [change, trusted] of [
    [{}, true],
    [{ mtimeMs: NOW - 25, ctimeMs: NOW - 25 }, true],
    [{ mtimeMs: NOW - 19, ctimeMs: NOW - 5000 }, false],
    [{ mtimeMs: NOW - 5000, ctimeMs: NOW - 19 }, false],
    [{ mtimeMs: NOW, ctimeMs: NOW }, false],
    [{ ctimeMs: NOW + 3_600_000 }, false],
  ] as const) {
    const ledger = openLedger(undefined);
    ledger.learn("/a", stamp(change), DIGEST, NOW);
    assert.equal(ledger.find("/a", stamp(change)) !== undefined, trusted, JSON.stringify(change));
    assert.equal(ledger.encode() !== undefined, trusted);
  }
});

test("S17: a damaged ledger is an empty one: cut, flipped, junk, of another version", () => {
  const ledger = openLedger(undefined);
  for (let n = 0; n < 20; n++) ledger.learn(`/file${n}`, stamp({ ino: n }), digestOf(String(n)), NOW, { diffId: LAYER, offset: 512 * n });
  const bytes = Buffer.from(ledger.encode() as Uint8Array);
  const usable = (damaged: Buffer) => {
    const found = openLedger(damaged, () => true);
    return Array.from({ length: 20 }, (_, n) => found.find(`/file${n}`, stamp({ ino: n }))).some((one) => one !== undefined);
  };
  assert.ok(usable(bytes));
  for (let length = 0; length < bytes.length; length += 7) assert.ok(!usable(bytes.subarray(0, length)), `cut at ${length}`);
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] as number) ^ 1;
    assert.ok(!usable(flipped), `flipped at ${at}`);
  }
  for (const junk of [Buffer.alloc(0), Buffer.alloc(1000), Buffer.concat([bytes, Buffer.from("x")])]) assert.ok(!usable(junk));
});

test("rows of files that nobody asks for any more go when they are most of it", () => {
  const ledger = openLedger(undefined);
  for (let n = 0; n < 12_000; n++) ledger.learn(`/old${n}`, stamp({ ino: n }), digestOf(String(n)), NOW);
  const first = ledger.encode();
  const second = openLedger(first);
  for (let n = 0; n < 100; n++) assert.ok(second.find(`/old${n}`, stamp({ ino: n })));
  second.learn("/new", stamp(), DIGEST, NOW);
  const third = openLedger(second.encode());
  assert.ok(third.find("/old99", stamp({ ino: 99 })));
  assert.ok(third.find("/new", stamp()));
  assert.equal(third.find("/old100", stamp({ ino: 100 })), undefined);
  const busy = openLedger(first);
  for (let n = 0; n < 3000; n++) busy.find(`/old${n}`, stamp({ ino: n }));
  busy.learn("/new", stamp(), DIGEST, NOW);
  assert.ok(openLedger(busy.encode()).find("/old11999", stamp({ ino: 11_999 })), "several builds share a folder");
});

const ALL = "FROM scratch\nCOPY . /\n";
/** Longer than the time in which a file that was just written is not trusted. */
const rest = () => new Promise((resolve) => setTimeout(resolve, 40));

test("C12: content with the same size and time is built anew", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { a: "one", b: "two" });
  utimesSync(join(dir, "a"), 1e9, 1e9);
  await rest();
  await bench.build(dir, ALL);
  assert.equal((await bench.build(dir, ALL)).cached.length, 1);
  writeFileSync(join(dir, "a"), "uno");
  utimesSync(join(dir, "a"), 1e9, 1e9);
  const { text, done } = await bench.build(dir, ALL);
  assert.equal(done.length, 1);
  assert.equal(await text("/a"), "uno");
});

test("C12: a file that changes again and again within a tick is always the one that is in the image", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { a: "0000" });
  for (let round = 0; round < 25; round++) {
    const now = String(round).padStart(4, "0");
    writeFileSync(join(dir, "a"), now);
    const { text } = await bench.build(dir, ALL);
    assert.equal(await text("/a"), now);
  }
});

test("a warm build reads no file, not even once", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`f${n}`, `content ${n}`])));
  await rest();
  const { digest } = await bench.build(dir, ALL);
  // Were they read, it would be noticed.
  const before = readdirSync(dir).map((name) => statSync(join(dir, name)).atimeMs);
  const again = await bench.build(dir, ALL);
  assert.equal(again.cached.length, 1);
  assert.equal(again.digest, digest);
  assert.deepEqual(
    readdirSync(dir).map((name) => statSync(join(dir, name)).atimeMs),
    before,
  );
});

test("one changed file among many: the others come from last time's layer, and a damaged one is passed over", async () => {
  const files = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`f${n}`, `content ${n} `.repeat(50)]));
  for (const damage of ["none", "bit", "cut", "gone"]) {
    await using bench = new Workbench();
    const dir = bench.folder("context", files);
    await rest();
    const { result } = await bench.build(dir, ALL);
    const layer = result.built.layers[0];
    assert(layer);
    const path = (await bench.store).pathOf(layer.diffId);
    chmodSync(path, 0o644);
    if (damage === "gone") unlinkSync(path);
    else if (damage === "cut") truncateSync(path, layer.blob.size / 2);
    else if (damage === "bit") {
      const bytes = readFileSync(path);
      const at = bytes.indexOf("content 99 ") + 3;
      const fd = openSync(path, "r+");
      writeSync(fd, "X", at);
      closeSync(fd);
    }
    writeFileSync(join(dir, "f7"), "changed");
    await rest();
    const { text, done } = await bench.build(dir, ALL);
    assert.equal(done.length, 1);
    assert.equal(await text("/f7"), "changed", damage);
    assert.equal(await text("/f99"), files["f99"], damage);
    assert.equal(await text("/f149"), files["f149"], damage);
  }
});

test("a ledger that was wrong about a file makes no wrong key and is put right", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { a: "one", sub: { b: "two" } });
  await rest();
  await bench.build(dir, ALL);
  const scratch = join(bench.storeDir, "scratch");
  const name = readdirSync(scratch).find((one) => one.startsWith("ledger-")) as string;
  // As if the stamp had not told that the content changed.
  const wrong = openLedger(undefined);
  const { size, mtimeMs, ctimeMs, ino } = statSync(join(dir, "a"));
  wrong.learn("/a", { size, mtimeMs, ctimeMs, ino }, digestOf("other"), Date.now() + 60_000);
  writeFileSync(join(scratch, name), wrong.encode() as Uint8Array);
  writeFileSync(join(dir, "sub/b"), "three");
  await rest();
  const second = await bench.build(dir, ALL);
  assert.equal(await second.text("/a"), "one");
  const third = await bench.build(dir, ALL);
  assert.equal(await third.text("/a"), "one");
  assert.equal(third.digest, second.digest);
  assert.equal((await bench.build(dir, ALL)).cached.length, 1);
});

test("two folders of one build, one's name the beginning of the other's, keep their files apart", async () => {
  await using bench = new Workbench();
  const one = bench.folder("app", { file: "one", b: { file: "of app/b" } });
  const two = bench.folder("app-b", { file: "two" });
  await rest();
  const dockerfile = "FROM scratch\nCOPY . /one/\nCOPY --from=two . /two/\n";
  const request = { contexts: { two: { kind: "dir", path: two } as const } };
  await bench.build(one, dockerfile, request);
  const { cached } = await bench.build(one, dockerfile, request);
  assert.equal(cached.length, 2);
  writeFileSync(join(two, "file"), "owt");
  const { text } = await bench.build(one, dockerfile, request);
  assert.equal(await text("/two/file"), "owt");
  assert.equal(await text("/one/b/file"), "of app/b");
  renameSync(join(two, "file"), join(two, "other"));
  assert.equal(await (await bench.build(one, dockerfile, request)).get("/two/file"), undefined);
});
