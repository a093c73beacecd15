import assert from "node:assert/strict";
import { test } from "node:test";
import { locationAt } from "../../test/registry.ts";
import { sampleImage } from "../../test/sample-image.ts";
import { failing, NAME, readBlob, type Script, SECRET, scripted, who, withoutSecret } from "../../test/scripted-registry.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { createTask } from "../task/task.ts";
import type { Repository } from "./face.ts";

const task = createTask();
const image = await sampleImage();
const layer = image.layers[0] as Descriptor;

const served = withoutSecret(image);
const read = (place: Repository, what = layer) => readBlob(place, what);

test("R13: redirects in a circle, without end, to other schemes are NETWORK", async () => {
  for (const [location, about] of [
    ["", /redirects more than/],
    ["file:///etc/passwd", /only http and https/],
    ["gopher://x/", /only http and https/],
  ] as const) {
    await served(
      ({ kind, url }, response) => kind === "blob" && Boolean(response.writeHead(307, { location: location || url }).end()),
      async (_, place) => assert.rejects(read(place), failing("NETWORK", about)),
    );
  }
});

test("R14: a blob at another host is fetched there, without credentials or cookies", async () => {
  const other = await scripted(image);
  try {
    await served(
      (request, response) => {
        if (request.headers.authorization === undefined)
          return Boolean(response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end());
        if (request.kind !== "blob") return false;
        response.writeHead(307, { location: `http://${other.host}${request.url}?signed=yes`, "set-cookie": `a=${SECRET}` }).end();
        return true;
      },
      async (registry, place) => {
        assert.ok((await read(place)).equals(image.blobs.get(layer.digest) as Buffer));
        assert.ok(registry.log.some((one) => one.headers.authorization?.startsWith("Basic ")));
        assert.ok(other.log.length > 0);
        for (const { headers, url } of other.log) {
          assert.equal(headers.authorization, undefined);
          assert.equal(headers.cookie, undefined);
          assert.match(url, /\?signed=yes$/);
        }
      },
      { who },
    );
  } finally {
    await other.close();
  }
});

test("R16: an upload that goes on at another host gets no credentials there; relative places and queries are kept", async () => {
  const store: Buffer[] = [];
  const other = await scripted(undefined, (_, response, request) => {
    request.on("data", (piece: Buffer) => store.push(piece));
    request.on("end", () => response.writeHead(201).end());
    return true;
  });
  try {
    const bytes = Buffer.from("bytes on their way");
    for (const elsewhere of [true, false]) {
      await served(
        (request, response) => {
          if (request.headers.authorization === undefined)
            return Boolean(response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end());
          if (request.method !== "POST" || !elsewhere) return false;
          response.writeHead(202, { location: `http://${other.host}/put/here?a=b%2Bc&d` }).end();
          return true;
        },
        async (registry, place) => {
          const { digest } = await place.put(bytes);
          const put = (elsewhere ? other : registry).log.find((one) => one.method === "PUT");
          assert.equal(put?.headers.authorization === undefined, elsewhere);
          const query = new URL(put?.url ?? "", "http://x").searchParams;
          assert.equal(query.get("digest"), digest);
          assert.equal(query.get(elsewhere ? "a" : "state"), elsewhere ? "b+c" : "x+y");
        },
        { who, access: "push" },
      );
    }
    assert.equal(Buffer.concat(store).toString(), bytes.toString());
  } finally {
    await other.close();
  }
});

test("R24: what is insecure at one host and port is so nowhere else", async () => {
  const { isLoopback } = await import("./loopback.ts");
  for (const host of ["localhost", "localhost:5000", "a.localhost", "127.0.0.1:1", "127.9.9.9", "[::1]:5000"])
    assert.ok(isLoopback(host), host);
  for (const host of ["localhost.example.org", "127.0.0.1.example.org", "1.127.0.0", "[::2]:1", "registry.example"])
    assert.ok(!isLoopback(host), host);
});

test("R26: a mirror that lacks, fails or lies is passed over; what is asked by digest is the same everywhere", async () => {
  const scripts: readonly Script[] = [
    ({ kind }, response) => kind !== "ping" && Boolean(response.writeHead(404).end()),
    ({ kind }, response) => kind !== "ping" && Boolean(response.writeHead(500).end()),
    ({ kind, method }, response) =>
      kind === "manifest" && method === "HEAD"
        ? false
        : kind !== "ping" && Boolean(response.writeHead(200, { "content-type": image.root.mediaType }).end('{"schemaVersion":2}')),
  ];
  for (const script of scripts) {
    const mirror = await scripted(image, script);
    const main = await scripted(image);
    try {
      await using place = await main.open({ locations: [locationAt(mirror.host, "app", { mirror: true }), locationAt(main.host, "app")] });
      const root = (await place.resolve(NAME, task)) as Descriptor;
      assert.deepEqual(root, image.root);
      assert.ok((await read(place, root)).equals(image.blobs.get(root.digest) as Buffer));
      assert.ok(mirror.log.length > 0);
    } finally {
      await mirror.close();
      await main.close();
    }
  }
});

test("R26: a mirror is asked for what it serves only, and never written to", async () => {
  const mirror = await scripted(image);
  const main = await scripted(image);
  const locations = [locationAt(mirror.host, "app", { mirror: true, serves: "digest-only" }), locationAt(main.host, "app")];
  try {
    await using place = await main.open({ locations });
    await place.resolve(NAME, task);
    assert.equal(place.answeredBy, main.host);
    assert.equal(mirror.log.length, 0);
    await using writing = await main.open({ locations, access: "push" });
    await writing.put(Buffer.from("new"));
    assert.equal(mirror.log.length, 0);
  } finally {
    await mirror.close();
    await main.close();
  }
});

test("R17, R27: lists are read page by page, on the same host only, and come to an end", async () => {
  const page = (n: number) => JSON.stringify({ name: "app", tags: [`t${2 * n}`, `t${2 * n + 1}`] });
  const listing =
    (next: (n: number, host: string) => string | undefined, body: (n: number) => string = page): Script =>
    ({ url, headers }, response) => {
      if (!url.includes("/tags/list")) return false;
      const n = Number(new URL(url, "http://x").searchParams.get("last") ?? 0);
      const link = next(n, headers.host as string);
      response.writeHead(200, link === undefined ? {} : { link: `<${link}>; rel="next"` }).end(body(n));
      return true;
    };
  await served(
    listing((n) => (n < 999 ? `/v2/app/tags/list?n=2&last=${n + 1}` : undefined)),
    async (_, place) => {
      const tags = await place.tags();
      assert.equal(tags.length, 2000);
      assert.deepEqual([tags[0], tags[1999]], ["t0", "t1999"]);
    },
  );
  await served(
    listing((n) => `/v2/app/tags/list?last=${(n + 1) % 3}`),
    async (_, place) => assert.rejects(place.tags(), failing("NETWORK", /circle/)),
  );
  await served(
    listing(() => "http://127.0.0.1:9/v2/app/tags/list"),
    async (_, place) => assert.rejects(place.tags(), failing("NETWORK", /another host/)),
    { who },
  );
  for (const body of ["", '{"tags":null}', "{}"]) {
    await served(
      listing(
        () => undefined,
        () => body,
      ),
      async (_, place) => assert.deepEqual(await place.tags(), []),
    );
  }
  await served(
    listing(
      () => undefined,
      () => '{"tags":[1]}',
    ),
    async (_, place) => assert.rejects(place.tags(), failing("NETWORK", /has no tags/)),
  );
});

test("R21: a proxy of the environment is used, NO_PROXY honoured, and its password told to nobody", async () => {
  const proxied: string[] = [];
  const proxy = await scripted(image, (request) => {
    proxied.push(`${request.url} ${request.headers["proxy-authorization"] ?? ""}`);
    return false;
  });
  try {
    const env = { http_proxy: `http://user:${SECRET}@${proxy.host}` };
    await served(
      () => false,
      async (registry, place) => {
        await place.resolve(NAME, task).catch(() => undefined);
        assert.ok(proxied.length > 0);
        assert.equal(registry.log.length, 0);
      },
      { env, location: { insecure: true } },
    );
    proxied.length = 0;
    await served(
      () => false,
      async (_, place) => {
        assert.deepEqual(await place.resolve(NAME, task), image.root);
        assert.equal(proxied.length, 0);
      },
      { env: { ...env, no_proxy: "127.0.0.1" } },
    );
  } finally {
    await proxy.close();
  }
});
