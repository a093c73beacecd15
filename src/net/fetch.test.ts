import assert from "node:assert/strict";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Failure } from "../kit/error.ts";
import { createTask } from "../task/task.ts";
import { isInnerAddress } from "./address.ts";
import { createConnections } from "./connections.ts";
import { type FetchOptions, fetchUrl, nameFromUrl } from "./fetch.ts";
import { nextHop } from "./hop.ts";

async function serving<T>(listener: RequestListener, use: (base: string, server: Server) => Promise<T>): Promise<T> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, server);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function get(url: string, options: FetchOptions = {}) {
  const chunks: Uint8Array[] = [];
  const notes: string[] = [];
  const task = createTask((event) => event.type === "note" && notes.push(event.text));
  const fetched = await fetchUrl(url, { write: (chunk) => void chunks.push(chunk) }, { env: {}, retryMs: 1, ...options }, task);
  return { ...fetched, text: Buffer.concat(chunks).toString(), notes };
}

const failing = (code: string, about: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === code && about.test(error.message);

test("a body arrives with its digest, ETag and Last-Modified", async () => {
  await serving(
    (_, response) =>
      response
        .writeHead(200, {
          etag: 'W/"abc"',
          "last-modified": "Tue, 15 Nov 1994 12:45:26 GMT",
          "content-disposition": 'attachment; filename="../../x.txt"',
        })
        .end("hello\n"),
    async (base) => {
      const got = await get(`${base}/dir/a%20b.txt?q=1`);
      assert.equal(got.text, "hello\n");
      assert.equal(got.sha256, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
      assert.deepEqual([got.etag, got.lastModified, got.proposedName, got.size], ['"abc"', 784903526, "x.txt", 6]);
    },
  );
});

test("a body compressed on the way is unpacked, as docker's client does", async () => {
  await serving(
    (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("plain")),
    async (base) => assert.equal((await get(base)).text, "plain"),
  );
});

test("an unchanged ETag answers notModified", async () => {
  await serving(
    (request, response) => response.writeHead(request.headers["if-none-match"] === '"1"' ? 304 : 200, { etag: '"1"' }).end(),
    async (base) => assert.equal((await get(base, { etag: '"1"' })).notModified, true),
  );
});

test("names come from the URL's path only", () => {
  assert.equal(nameFromUrl("http://h/a/b.tar.gz?x=/y"), "b.tar.gz");
  assert.equal(nameFromUrl("http://h/a/dir/"), "dir");
  assert.equal(nameFromUrl("http://h/"), "__unnamed__");
  assert.equal(nameFromUrl("http://h/a%2f..%2f.."), "__unnamed__");
  assert.equal(nameFromUrl("http://h/a%20b"), "a b");
});

test("C13: a checksum that differs is DIGEST; the right one passes", async () => {
  await serving(
    (_, response) => response.end("hello\n"),
    async (base) => {
      await assert.rejects(get(base, { sha256: "0".repeat(64) }), failing("DIGEST", /digest mismatch for http:.* \(expected: sha256:000/));
      await get(base, { sha256: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" });
    },
  );
});

test("C13: an endless body stops at the limit", async () => {
  await serving(
    (_, response) => {
      const more = () => response.destroyed || response.write(Buffer.alloc(65536), more);
      more();
    },
    async (base) => assert.rejects(get(base, { limit: 1 << 20 }), failing("LIMIT", /larger than 1048576 bytes/)),
  );
});

test("C13: a declared length above the limit is refused before the body", async () => {
  await serving(
    (_, response) => response.writeHead(200, { "content-length": "99999" }).flushHeaders(),
    async (base) => assert.rejects(get(base, { limit: 100 }), failing("LIMIT", /larger/)),
  );
});

test("R13: redirects are followed ten times, relative ones too, and no further", async () => {
  await serving(
    (request, response) => {
      const left = Number((request.url ?? "").slice(1));
      if (left > 0) response.writeHead(302, { location: `/${left - 1}` }).end();
      else response.end("there");
    },
    async (base) => {
      assert.equal((await get(`${base}/10`)).text, "there");
      await assert.rejects(get(`${base}/11`), failing("NETWORK", /more than 10 redirects/));
    },
  );
});

test("C13/R13: a redirect to another scheme is refused", async () => {
  for (const location of ["file:///etc/passwd", "ftp://h/x", "gopher://h"]) {
    await serving(
      (_, response) => response.writeHead(302, { location }).end(),
      async (base) => assert.rejects(get(base), failing("NETWORK", /only http and https/)),
    );
  }
});

test("C13/R13: a redirect never leads from https to http, nor from a public host to an inner one", () => {
  const secure = nextHop("https://example.com/a");
  assert.throws(() => nextHop("http://example.com/b", secure), failing("NETWORK", /redirects from https/));
  for (const inner of [
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://10.1.2.3/",
    "https://0x7f.1/",
    "https://[::ffff:127.0.0.1]/",
    "https://169.254.169.254/",
  ]) {
    assert.throws(() => nextHop(inner, secure), failing("NETWORK", /inner address/), inner);
  }
  assert.equal(nextHop("https://other.example/x", secure).url.host, "other.example");
  assert.equal(nextHop("https://example.com/c", nextHop("http://example.com/")).url.protocol, "https:");
  assert.deepEqual(["localhost", "8.8.8.8", "172.32.0.1", "2001:db8::1"].map(isInnerAddress), [false, false, false, false]);
});

test("C13: credentials go to the first origin only and never into messages (K07)", async () => {
  const seen: (string | undefined)[] = [];
  await serving(
    (request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(404).end();
    },
    async (second) =>
      serving(
        (request, response) => {
          seen.push(request.headers.authorization);
          response.writeHead(307, { location: second }).end();
        },
        async (base) => {
          const url = base.replace("://", "://user:s3cret@");
          await assert.rejects(get(url), (error: Error) => /status 404/.test(error.message) && !error.message.includes("s3cret"));
          assert.deepEqual(seen, ["Basic dXNlcjpzM2NyZXQ=", undefined]);
        },
      ),
  );
});

test("R02: a busy server is asked again, three times at most", async () => {
  let asked = 0;
  await serving(
    (_, response) => response.writeHead(++asked < 3 ? 503 : 200).end("ok"),
    async (base) => assert.equal((await get(base)).text, "ok"),
  );
  asked = -10;
  await serving(
    (_, response) => response.writeHead(++asked < 3 ? 500 : 200).end(),
    async (base) => assert.rejects(get(base), failing("NETWORK", /invalid response status 500/)),
  );
  assert.equal(asked, -7);
});

test("R06/R08: a cut body and a silent server are NETWORK", async () => {
  await serving(
    (_, response) => {
      response.writeHead(200, { "content-length": "10" }).write("abc");
      setTimeout(() => response.destroy(), 20);
    },
    async (base) => assert.rejects(get(base), failing("NETWORK", /broke after 3 bytes of 10/)),
  );
  await serving(
    () => {},
    async (base) => assert.rejects(get(base, { stallMs: 50 }), failing("NETWORK", /no byte for 0.05 seconds/)),
  );
  await serving(
    (_, response) => void response.write("abc"),
    async (base) => assert.rejects(get(base, { stallMs: 700 }), failing("NETWORK", /broke after 3 bytes \(no byte for too long\)/)),
  );
});

test("R01: nobody listens", async () => {
  await assert.rejects(get("http://127.0.0.1:1/x"), failing("NETWORK", /127\.0\.0\.1:1\/x: connection refused/));
});

test("R21: proxy variables are honoured", async () => {
  await serving(
    (request, response) => response.end(`${request.url} ${request.headers["proxy-authorization"]}`),
    async (base) => {
      const got = await get("http://example.invalid/x", { env: { http_proxy: base.replace("://", "://u:p@") } });
      assert.equal(got.text, "http://example.invalid/x Basic dTpw");
    },
  );
});

test("a cancelled task stops the download", async () => {
  const stop = new AbortController();
  await serving(
    (_, response) => void response.write("abc"),
    async (base) => {
      const sink = { write: () => stop.abort() };
      await assert.rejects(fetchUrl(base, sink, { env: {} }, createTask(undefined, stop.signal)), failing("INTERRUPTED", /interrupted/));
    },
  );
});

test("shared connections are used again", async () => {
  using connections = createConnections();
  const sockets = new Set<unknown>();
  await serving(
    (request, response) => {
      sockets.add(request.socket);
      if (request.url === "/moved") response.writeHead(302, { location: "/there" }).end();
      else response.end("ok");
    },
    async (base) => {
      for (let n = 0; n < 5; n++) assert.equal((await get(base, { connections })).text, "ok");
      assert.equal(sockets.size, 1);
      assert.equal((await get(`${base}/moved`, { connections })).text, "ok");
    },
  );
});
