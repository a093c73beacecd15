import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { createTask } from "../task/task.ts";
import { objectsCache } from "./objects-cache.ts";
import { type S3Options, s3Objects } from "./s3.ts";
import { signS3 } from "./s3-sign.ts";
import { inOrder, readText, sampleCache } from "./testing/blobs.ts";
import { createWeb } from "./web.ts";

const KEYS = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };

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

/** A bucket that checks every signature as S3 does, by making it once more. */
async function bucket(trouble: (request: IncomingMessage, response: ServerResponse) => boolean = () => false) {
  const objects = new Map<string, Buffer>();
  const log: string[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      log.push(`${method} ${decodeURIComponent(url)}`);
      if (trouble(request, response)) return;
      const body = Buffer.concat(pieces);
      const payload = createHash("sha256").update(body).digest("hex");
      const date = String(headers["x-amz-date"]);
      const time = date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z");
      const range = headers.range === undefined ? {} : { range: headers.range };
      const expected = signS3(
        { method, url: new URL(url, `http://${headers.host}`), headers: range, payload },
        { ...KEYS, ...(headers["x-amz-security-token"] ? { sessionToken: "token" } : {}) },
        "here-1",
        new Date(time),
      );
      if (headers.authorization !== expected.authorization || headers["x-amz-content-sha256"] !== payload)
        return response.writeHead(403).end("<Error><Code>SignatureDoesNotMatch</Code></Error>");
      const name = decodeURIComponent(url);
      if (method === "PUT") {
        objects.set(name, body);
        return response.writeHead(200).end();
      }
      const found = objects.get(name);
      if (!found) return response.writeHead(404).end();
      const from = Number(/^bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0);
      const part = found.subarray(from);
      response.writeHead(headers.range ? 206 : 200, {
        "content-length": part.length,
        ...(headers.range ? { "content-range": `bytes ${from}-${found.length - 1}/${found.length}` } : {}),
      });
      response.end(method === "HEAD" ? undefined : part);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const open = (more: Partial<S3Options> = {}) =>
    objectsCache(
      s3Objects(
        {
          bucket: "box",
          region: "here-1",
          keys: KEYS,
          endpoint,
          pathStyle: true,
          prefix: "some where/",
          manifestsPrefix: "manifests/",
          blobsPrefix: "blobs/",
          names: ["app"],
          ...more,
        },
        createWeb({}, 1),
      ),
    );
  return {
    objects,
    log,
    open,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("a cache in a bucket is laid out as BuildKit's, read as it was written, and sends no blob twice", async () => {
  await using box = await bucket();
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
  await using box = await bucket((_, response) => {
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
