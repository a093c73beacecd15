import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatIdentity, ownIdentity, uniqueToken } from "../kit/liveness.ts";
import { openCache } from "./cache.ts";
import { debianUsage, pruneDebian } from "./prune.ts";
import { TestMirror } from "./testing/mirror.ts";

async function ready(): Promise<TestMirror> {
  const mirror = new TestMirror();
  await mirror.suite("bookworm", { packages: [{ name: "hello", deb: Buffer.alloc(100_000, "x") }] });
  mirror.sources();
  return mirror;
}

async function deb(mirror: TestMirror): Promise<string> {
  using archive = mirror.open();
  const [record] = await archive.packages("amd64", ["hello"], mirror.task);
  assert.ok(record);
  return (await archive.fetchDeb(record, mirror.task)).path;
}

test("what a killed process left half-written is removed; what a living one writes stays", async () => {
  await using mirror = await ready();
  const tmp = join(mirror.cacheDir, "tmp");
  mkdirSync(tmp, { recursive: true });
  const dead = `${formatIdentity({ ...ownIdentity(), pid: 4_194_303, start: 1 })}-1f`;
  const own = uniqueToken();
  for (const name of [dead, own]) writeFileSync(join(tmp, name), "half");
  openCache(mirror.cacheDir);
  assert.deepEqual(readdirSync(tmp), [own]);
});

test("several at once use one cache", async () => {
  await using mirror = await ready();
  const paths = await Promise.all(Array.from({ length: 6 }, () => deb(mirror)));
  assert.equal(new Set(paths).size, 1);
  assert.equal(statSync(paths[0] as string).size, 100_000);
  assert.deepEqual(readdirSync(join(mirror.cacheDir, "tmp")), []);
});

test("only the owner may enter the cache", async () => {
  await using mirror = await ready();
  const path = await deb(mirror);
  for (const one of [mirror.cacheDir, join(mirror.cacheDir, "debs"), path]) assert.equal(statSync(one).mode & 0o077, 0, one);
});

test("the cache is counted and pruned by age; what was seen of suites stays unless all goes", async () => {
  await using mirror = await ready();
  assert.deepEqual(debianUsage(mirror.cacheDir), { files: 0, bytes: 0 });
  const path = await deb(mirror);
  assert.equal(debianUsage(mirror.cacheDir).files, 3);
  assert.deepEqual(pruneDebian(mirror.cacheDir, Date.now() - 60_000), { files: 0, bytes: 0 });
  utimesSync(path, 1, 1);
  assert.deepEqual(pruneDebian(mirror.cacheDir, Date.now() - 60_000), { files: 1, bytes: 100_000 });
  assert.ok(!existsSync(path));
  await deb(mirror);
  assert.equal(pruneDebian(mirror.cacheDir, Date.now() + 60_000).files, 2);
  assert.equal(readdirSync(join(mirror.cacheDir, "suites")).length, 1);
  assert.equal(pruneDebian(mirror.cacheDir).files, 1);
  assert.ok(existsSync(await deb(mirror)));
});
