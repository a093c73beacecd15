import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { createTask } from "../task/task.ts";
import { inOrder, readText, sampleCache } from "./testing/blobs.ts";
import { startCacheService, TOKEN, tokenFor } from "./testing/cache-service.ts";

test("a cache of a job is written under BuildKit's keys, a new number each time, and read as it was written", async () => {
  await using github = await startCacheService();
  const task = createTask();
  const { records, blobs, opened } = sampleCache("one", "two");
  await using place = github.open();
  assert.equal(await place.read(task), undefined);
  await place.write(records.slice(0, 1), blobs, task);
  await place.write(records, blobs, task);
  assert.equal(opened.length, 2);
  const names = [...github.entries.keys()];
  assert.deepEqual(
    names.filter((name) => name.startsWith("index-")).map((name) => name.replace(/-[0-9a-f]{8}#/, "-…#")),
    ["index-buildkit-1-…#1", "index-buildkit-1-…#2"],
  );
  assert(names.includes(`buildkit-blob-1-${records[0]?.layer?.blob.digest}`));
  const found = await place.read(task);
  assert.deepEqual(found?.records, inOrder(records));
  assert.equal(await readText(found.blobs, records[1]), "two");
  // Another scope is another cache.
  await using other = github.open(TOKEN, "other");
  assert.equal(await other.read(task), undefined);
});

test("the cache of the branch below is read too, and one that another job is just writing does not stop ours", async () => {
  await using github = await startCacheService();
  const task = createTask();
  const { records, blobs } = sampleCache("one");
  await using main = github.open(tokenFor({ Scope: "refs/heads/main", Permission: 3 }));
  await main.write(records, blobs, task);
  await using topic = github.open();
  assert.deepEqual((await topic.read(task))?.records, inOrder(records));
  await topic.write([], blobs, task);
  const mine = [...github.entries.keys()].at(-1) as string;
  github.entries.set(mine.replace(/#1$/, "#2"), { bytes: Buffer.alloc(0), whole: false });
  await topic.write(records, blobs, task);
  assert(github.entries.get(mine.replace(/#1$/, "#3"))?.whole);
});

test("a token that is none, or may not write, is told without quoting it", async () => {
  await using github = await startCacheService();
  const task = createTask();
  const { records, blobs } = sampleCache("one");
  for (const [token, about] of [
    ["nonsense", /cannot be read/],
    [`e30.${Buffer.from("{}").toString("base64url")}.x`, /names no scopes/],
  ] as const) {
    await using place = github.open(token);
    await assert.rejects(place.read(task), (error: unknown) => {
      assert(error instanceof Failure && error.code === "AUTH");
      assert.match(error.message, about);
      return !error.message.includes(token);
    });
  }
  await using reader = github.open(tokenFor({ Scope: "refs/heads/main", Permission: 1 }));
  await assert.rejects(reader.write(records, blobs, task), /may not write/);
});
