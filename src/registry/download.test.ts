import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { type Sample, sampleImage } from "../../test/sample-image.ts";
import { failing, NAME, type OpenHow, readBlob, type Script, withScripted } from "../../test/scripted-registry.ts";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { MEDIA } from "../oci/media-type.ts";
import { createTask } from "../task/task.ts";
import type { Repository } from "./face.ts";

const task = createTask();

/** An image whose one layer is large enough to be cut: bytes that do not repeat. */
const noise = Buffer.concat(Array.from({ length: 9_000 }, (_, n) => createHash("sha512").update(String(n)).digest()));
const image: Sample = await sampleImage({ layers: [{ noise: noise.toString("base64") }] });
const layer = image.layers[0] as Descriptor;
const bytes = image.blobs.get(layer.digest) as Buffer;
const isLayer = (url: string) => url.endsWith(layer.digest);

const served = (script: Script, use: Parameters<typeof withScripted>[2], how?: OpenHow) => withScripted(image, script, use, how);

const readLayer = (place: Repository, from?: number, to?: number) => readBlob(place, layer, from, to);

/** Sends the head of an answer and a part of its body, then cuts the line. */
function cut(response: ServerResponse, body: Buffer, at: number, head: Record<string, string | number> = {}, status = 200): true {
  response.writeHead(status, { "content-length": body.length, ...head });
  response.write(body.subarray(0, at), () => response.socket?.resetAndDestroy());
  return true;
}

test("R02: errors that pass are waited out", () =>
  served(
    ({ kind, nth, method }, response) => {
      if (kind === "ping" || nth > 2) return false;
      response.writeHead([500, 502, 503, 504][method === "HEAD" ? 0 : nth] as number).end("no");
      return true;
    },
    async (_, place) => {
      assert.deepEqual(await place.resolve(NAME, task), image.root);
      assert.ok((await readLayer(place)).equals(bytes));
    },
  ));

test("R03: an error that stays is NETWORK, with the number of tries", () =>
  served(
    ({ kind }, response) => kind === "manifest" && Boolean(response.writeHead(500).end("no")),
    async (registry, place) => {
      await assert.rejects(
        place.resolve(NAME, task),
        (error: unknown) => failing("NETWORK", /status 500/)(error) && /Tried 5 times/.test((error as Failure).hint ?? ""),
      );
      assert.equal(registry.log.filter((one) => one.kind === "manifest").length, 5);
    },
  ));

test("R04: Retry-After in any form is waited for; junk is not", async () => {
  const soon = new Date(Date.now() + 1500).toUTCString();
  for (const [header, least] of [
    ["1", 1000],
    [soon, 0],
    ["-1", 0],
    ["junk", 0],
    ["", 0],
    ["1.5", 0],
  ] as const) {
    const began = performance.now();
    await served(
      ({ kind, nth }, response) => kind === "manifest" && nth === 1 && Boolean(response.writeHead(429, { "retry-after": header }).end()),
      async (_, place) => void (await place.resolve(NAME, task)),
    );
    const took = performance.now() - began;
    assert.ok(took >= least * 0.95 && took < least + 3_000, `${header}: ${took} ms`);
  }
});

test("R05: a blob that is cut at twenty places goes on where it broke, by ranges", async () => {
  for (let n = 0; n < 20; n++) {
    const at = Math.floor((bytes.length * n) / 20) + 1;
    await served(
      ({ url, nth }, response) => isLayer(url) && nth === 1 && cut(response, bytes, at),
      async (registry, place) => {
        assert.ok((await readLayer(place)).equals(bytes));
        const again = registry.log.filter((one) => isLayer(one.url))[1];
        assert.match(again?.headers.range ?? "bytes=0", /^bytes=\d+/);
      },
    );
  }
});

test("R06: a blob that ends too early, again and again, is given up", () =>
  served(
    ({ url }, response) => isLayer(url) && cut(response, bytes, 0),
    async (registry, place) => {
      await assert.rejects(readLayer(place), failing("NETWORK", /connection broke/));
      assert.ok(registry.log.filter((one) => isLayer(one.url)).length <= 6);
    },
  ));

test("R06: chunks without an end are a broken line too", () =>
  served(
    ({ url, nth }, response) => {
      if (!isLayer(url) || nth > 1) return false;
      response.writeHead(200);
      response.write(bytes.subarray(0, 1000), () => response.socket?.destroy());
      return true;
    },
    async (_, place) => assert.ok((await readLayer(place)).equals(bytes)),
  ));

const UNHELPFUL: readonly (readonly [string, (response: ServerResponse) => void])[] = [
  ["the whole again", (response) => response.writeHead(200, { "content-length": bytes.length }).end(bytes)],
  [
    "another part",
    (response) => response.writeHead(206, { "content-range": `bytes 5-${bytes.length - 1}/${bytes.length}` }).end(bytes.subarray(5)),
  ],
  ["no range it could read", (response) => response.writeHead(206, { "content-range": "lines 3" }).end(bytes)],
  ["416", (response) => response.writeHead(416).end()],
];
for (const [what, answer] of UNHELPFUL) {
  test(`R07: asked to go on, the server sends ${what}: the blob is right all the same`, () =>
    served(
      ({ url, nth, headers }, response) => {
        if (!isLayer(url)) return false;
        if (nth === 1) return cut(response, bytes, 70_000);
        if (headers.range === undefined) return false;
        answer(response);
        return true;
      },
      async (_, place) => assert.ok((await readLayer(place)).equals(bytes)),
    ));
}

test("R07: a range of another file is DIGEST", () =>
  served(
    ({ url, nth }, response) => {
      if (!isLayer(url)) return false;
      if (nth === 1) return cut(response, bytes, 70_000);
      response.writeHead(206, { "content-range": "bytes 65536-99999/100000" }).end();
      return true;
    },
    async (_, place) =>
      assert.rejects(
        readLayer(place),
        (error: unknown) => error instanceof Failure && (error.code === "DIGEST" || error.code === "NETWORK"),
      ),
  ));

test("R08: a server that says nothing is left; one that is slow but goes on is not", async () => {
  for (const silent of ["after the headers", "before them"]) {
    await served(
      ({ url }, response) => {
        if (!isLayer(url)) return false;
        if (silent === "after the headers") response.writeHead(200, { "content-length": bytes.length }).flushHeaders();
        return true;
      },
      async (_, place) => {
        const began = performance.now();
        await assert.rejects(readLayer(place), failing("NETWORK", /no byte/));
        assert.ok(performance.now() - began < 5_000);
      },
      { stallMs: 100 },
    );
  }
  await served(
    ({ url }, response) => {
      if (!isLayer(url)) return false;
      response.writeHead(200, { "content-length": bytes.length });
      let at = 0;
      const more = () => {
        if (at >= bytes.length) return void response.end();
        response.write(bytes.subarray(at, (at += 100_000)));
        setTimeout(more, 60);
      };
      more();
      return true;
    },
    async (_, place) => assert.ok((await readLayer(place)).equals(bytes)),
    { stallMs: 200 },
  );
});

test("R09: a blob longer than announced is DIGEST, without reading on", async () => {
  await served(
    ({ url }, response) => {
      if (!isLayer(url)) return false;
      response.writeHead(200);
      const pour = () => {
        while (!response.destroyed && response.write(bytes));
        response.once("drain", pour);
      };
      pour();
      return true;
    },
    async (_, place) => assert.rejects(readLayer(place), failing("DIGEST", /more came than/)),
  );
  await served(
    ({ url }, response) =>
      isLayer(url) &&
      Boolean(response.writeHead(200, { "content-length": bytes.length + 1 }).end(Buffer.concat([bytes, Buffer.from("x")]))),
    async (_, place) => assert.rejects(readLayer(place), failing("DIGEST", /announced/)),
  );
});

test("R10: wrong bytes of the right length are DIGEST", () =>
  served(
    ({ url }, response) =>
      isLayer(url) && Boolean(response.writeHead(200, { "content-length": bytes.length }).end(Buffer.alloc(bytes.length))),
    async (_, place) => assert.rejects(readLayer(place), failing("DIGEST", /has the digest/)),
  ));

test("R20: a reset at the first try of any request is got over", async () => {
  for (const kind of ["ping", "manifest", "blob"]) {
    await served(
      (asked, response) => asked.kind === kind && asked.nth === 1 && Boolean(response.socket?.resetAndDestroy() ?? true),
      async (_, place) => {
        assert.deepEqual(await place.resolve(NAME, task), image.root);
        assert.ok((await readLayer(place)).equals(bytes));
      },
    );
  }
});

test("R22: an error's text is trimmed and made harmless", async () => {
  const { gzipSync } = await import("node:zlib");
  const evil = JSON.stringify({ errors: [{ code: "DENIED", message: `\u001b[31mred\n${"x".repeat(1000)}` }] });
  for (const [body, head] of [
    [Buffer.from(evil), {}],
    [gzipSync(evil), { "content-encoding": "gzip" }],
    [Buffer.alloc(10 << 20, "y"), {}],
  ] as const) {
    await served(
      ({ kind }, response) => kind === "manifest" && Boolean(response.writeHead(403, head).end(body)),
      async (_, place) =>
        assert.rejects(place.resolve(NAME, task), (error: unknown) => {
          const { message } = error as Failure;
          // oxlint-disable-next-line no-control-regex
          return failing("AUTH")(error) && message.length < 600 && !/[\u0000-\u001f]/.test(message);
        }),
    );
  }
});

test("R25: a tag that moves between two questions gives one image, not a mixture", () =>
  served(
    ({ kind, method }, response) => {
      if (kind !== "manifest" || method !== "GET") return false;
      // By digest the registry now sends what the tag points to today.
      response.writeHead(200, { "content-type": MEDIA.manifest }).end('{"schemaVersion":2,"new":true}');
      return true;
    },
    async (_, place) => {
      const root = (await place.resolve(NAME, task)) as Descriptor;
      await assert.rejects(place.open(root), failing("DIGEST"));
    },
  ));

test("a part of a blob is asked for by its range, and is all that is read", () =>
  served(
    () => false,
    async (_, place) => {
      assert.ok((await readLayer(place, 1000, 2000)).equals(bytes.subarray(1000, 2000)));
      assert.ok((await readLayer(place, bytes.length - 10)).equals(bytes.subarray(-10)));
    },
  ));

test("an abort ends a download at once", async () => {
  const abort = new AbortController();
  await served(
    ({ url }, response) => {
      if (!isLayer(url)) return false;
      response.writeHead(200, { "content-length": bytes.length }).flushHeaders();
      setTimeout(() => abort.abort(), 50);
      return true;
    },
    async (_, place) => assert.rejects(readLayer(place), (error: unknown) => error instanceof Failure && error.code === "INTERRUPTED"),
    { signal: abort.signal },
  );
});
