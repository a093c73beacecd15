import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { createTask } from "../task/task.ts";
import { ghaObjects } from "./gha.ts";
import { objectsCache } from "./objects-cache.ts";
import { inOrder, readText, sampleCache } from "./testing/blobs.ts";
import { createWeb } from "./web.ts";

const tokenFor = (...scopes: { Scope: string; Permission: number }[]) =>
  `e30.${Buffer.from(JSON.stringify({ ac: JSON.stringify(scopes) })).toString("base64url")}.signature`;
const TOKEN = tokenFor({ Scope: "refs/heads/topic", Permission: 3 }, { Scope: "refs/heads/main", Permission: 1 });

/** The cache service, version 2, and the storage it sends its clients to: entries that are written once. */
async function service() {
  const entries = new Map<string, { bytes: Buffer; whole: boolean }>();
  const log: string[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const body = Buffer.concat(pieces);
      const url = new URL(request.url ?? "", "http://x");
      const json = (status: number, value: object) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
      if (url.pathname.startsWith("/storage/")) {
        const key = decodeURIComponent(url.pathname.slice("/storage/".length));
        log.push(`${request.method} ${key}`);
        if (url.searchParams.get("sig") !== "signed" || request.headers.authorization !== undefined) return response.writeHead(403).end();
        if (request.method === "PUT") {
          if (request.headers["x-ms-blob-type"] !== "BlockBlob") return response.writeHead(400).end();
          entries.set(key, { bytes: body, whole: false });
          return response.writeHead(201).end();
        }
        const bytes = entries.get(key)?.bytes ?? Buffer.alloc(0);
        return response.writeHead(200, { "content-length": bytes.length }).end(bytes);
      }
      const method = url.pathname.split("/").at(-1) ?? "";
      if (request.headers.authorization?.startsWith("Bearer e30.") !== true) return json(401, { msg: "who" });
      const { key, restore_keys: keys = [], size_bytes: size } = JSON.parse(body.toString("utf8"));
      log.push(`${method} ${key}`);
      const at = (name: string) => `http://${request.headers.host}/storage/${encodeURIComponent(name)}?sig=signed`;
      switch (method) {
        case "CreateCacheEntry":
          if (entries.has(key)) return json(409, { code: "already_exists", msg: "cache entry with the same key already exists" });
          return json(200, { ok: true, signed_upload_url: at(key) });
        case "FinalizeCacheEntryUpload": {
          const entry = entries.get(key);
          if (entry?.bytes.length !== Number(size)) return json(400, { msg: "size" });
          entry.whole = true;
          return json(200, { ok: true, entry_id: "1" });
        }
        default: {
          const names = [...entries].filter(([, one]) => one.whole).map(([name]) => name);
          const found = names.find((name) => name === key) ?? names.findLast((name) => keys.some((one: string) => name.startsWith(one)));
          return json(200, found ? { ok: true, signed_download_url: at(found), matched_key: found } : { ok: false });
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return {
    entries,
    log,
    open: (token = TOKEN, scope = "buildkit") => objectsCache(ghaObjects({ url, token, scope }, createWeb({}, 1))),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("a cache of a job is written under BuildKit's keys, a new number each time, and read as it was written", async () => {
  await using github = await service();
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
  await using github = await service();
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
  await using github = await service();
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
