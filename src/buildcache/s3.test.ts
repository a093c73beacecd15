import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { createTask } from "../task/task.ts";
import { signS3 } from "./s3-sign.ts";
import { inOrder, readText, sampleCache } from "./testing/blobs.ts";
import { S3_KEYS as KEYS, startBucket } from "./testing/bucket.ts";

test("a request is signed as in Amazon's example of a GET with a range", () => {
  const headers = signS3(
    {
      method: "GET",
      url: new URL("https://examplebucket.s3.amazonaws.com/test.txt"),
      headers: { range: "bytes=0-9" },
      payload: createHash("sha256").update("").digest("hex"),
    },
    KEYS,
    "us-east-1",
    new Date("2013-05-24T00:00:00Z"),
  );
  assert.match(headers.authorization ?? "", /SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,/);
  assert.match(headers.authorization ?? "", /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/);
});

test("a cache in a bucket is laid out as BuildKit's, read as it was written, and sends no blob twice", async () => {
  await using box = await startBucket();
  const { records, blobs, opened } = sampleCache("one", "two".repeat(1000));
  const task = createTask();
  await using place = box.open({ names: ["app", "app-branch"], keys: { ...KEYS, sessionToken: "token" } });
  assert.equal(await place.read(task), undefined);
  await place.write(records, blobs, task);
  const [first, second] = records.map((one) => one.layer?.blob.digest);
  assert.deepEqual([...box.objects.keys()].sort(), [
    ...[`/box/some where/blobs/${first}`, `/box/some where/blobs/${second}`].sort(),
    "/box/some where/manifests/app",
    "/box/some where/manifests/app-branch",
  ]);
  await place.write(records, blobs, task);
  assert.equal(opened.length, 2);
  const found = await place.read(task);
  assert.deepEqual(found?.records, inOrder(records));
  assert.equal(await readText(found.blobs, records[1]), "two".repeat(1000));
});

test("trouble that passes is waited out, a blob that is not what it should be is refused, and no message holds a key", async () => {
  let refuse = 2;
  await using box = await startBucket((_, response) => {
    if (refuse-- <= 0) return false;
    response.writeHead(503).end();
    return true;
  });
  const notes: string[] = [];
  const task = createTask((event) => event.type === "note" && notes.push(event.text));
  const { records, blobs } = sampleCache("one");
  await using place = box.open();
  await place.write(records, blobs, task);
  assert.equal(notes.length, 2);
  const found = await place.read(task);
  const digest = records[0]?.layer?.blob.digest;
  box.objects.set(`/box/some where/blobs/${digest}`, Buffer.from("eno"));
  await assert.rejects(
    readText(found?.blobs as never, records[0]),
    (error: unknown) => error instanceof Failure && error.code === "DIGEST",
  );
  await using stranger = box.open({ keys: { accessKeyId: "somebody", secretAccessKey: "very secret" } });
  await assert.rejects(stranger.read(task), (error: unknown) => {
    assert(error instanceof Failure);
    assert.equal(error.code, "AUTH");
    assert.doesNotMatch(`${error.message} ${error.hint}`, /secret|somebody/);
    return true;
  });
});
