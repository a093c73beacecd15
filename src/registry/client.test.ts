import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { locationAt } from "../../test/registry.ts";
import { sampleImage } from "../../test/sample-image.ts";
import { NAME, type OpenHow, type Script, type Scripted, scripted } from "../../test/scripted-registry.ts";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { createTask } from "../task/task.ts";
import type { Repository } from "./face.ts";
import { judgeRealm } from "./realm.ts";

const task = createTask();
const SECRET = "marker-5c1f0a";
const who = { kind: "password", username: "user", password: SECRET } as const;
const image = await sampleImage();
const layer = image.layers[0] as Descriptor;
const failing =
  (code: string, about = /./) =>
  (error: unknown) =>
    error instanceof Failure && error.code === code && about.test(error.message);

async function served(
  script: Script,
  use: (registry: Scripted, place: Repository & { notes: readonly string[] }) => Promise<void>,
  how: OpenHow = {},
) {
  const registry = await scripted(image, script);
  try {
    await using place = await registry.open(how);
    await use(registry, place);
    assert.ok(!place.notes.join("\n").includes(SECRET), "A6: no secret in a message");
  } finally {
    await registry.close();
  }
}

async function read(place: Repository, what = layer): Promise<Buffer> {
  await using opened = await place.open(what);
  const pieces: Uint8Array[] = [];
  for await (const piece of opened.read()) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** A registry that gives out tokens itself, each for `uses` requests. */
function withTokens(
  uses: number,
  more: { readonly realm?: (host: string) => string; readonly answer?: (token: string) => object } = {},
): Script & { asked: string[] } {
  let number = 0;
  const left = new Map<string, number>();
  const asked: string[] = [];
  const script: Script = (request, response) => {
    if (request.url.startsWith("/token")) {
      asked.push(`${request.url} ${request.headers.authorization ?? ""}`);
      const token = `token${++number}`;
      left.set(token, uses);
      response.writeHead(200).end(JSON.stringify(more.answer?.(token) ?? { token, expires_in: 300 }));
      return true;
    }
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const good = (left.get(token) ?? 0) > 0;
    left.set(token, (left.get(token) ?? 0) - 1);
    if (good) return false;
    const host = request.headers.host as string;
    const realm = more.realm?.(host) ?? `http://${host}/token`;
    response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}",service="here",scope="repository:app:pull"` }).end("{}");
    return true;
  };
  return Object.assign(script, { asked });
}

test("a token is asked for once, with the rights that are needed, and used as long as it is good", async () => {
  const script = withTokens(100);
  await served(
    script,
    async (_, place) => {
      await place.resolve(NAME, task);
      await read(place);
      assert.equal(script.asked.length, 1);
      const [url = "", header] = (script.asked[0] as string).split(" ");
      assert.deepEqual(
        [...new URL(url, "http://x").searchParams],
        [
          ["service", "here"],
          ["scope", "repository:app:pull"],
          ["account", "user"],
        ],
      );
      assert.equal(header, "Basic");
    },
    { who },
  );
});

test("R11: a token that ends in the middle is renewed once", async () => {
  const script = withTokens(2);
  await served(
    script,
    async (_, place) => {
      for (let n = 0; n < 5; n++) {
        assert.deepEqual(await place.resolve(NAME, task), image.root);
        await read(place);
      }
      assert.equal(script.asked.length, 5);
    },
    { who },
  );
});

test("R11: a right that is lacking is asked for, as the registry names it", () =>
  served(
    (request, response) => {
      if (request.url.startsWith("/token")) {
        response.writeHead(200).end(JSON.stringify({ token: request.url.includes("more") ? "good" : "poor" }));
        return true;
      }
      const host = request.headers.host as string;
      const bearer = `Bearer realm="http://${host}/token",service="here"`;
      if (request.headers.authorization === undefined) return Boolean(response.writeHead(401, { "www-authenticate": bearer }).end());
      if (request.headers.authorization === "Bearer good") return false;
      response.writeHead(403, { "www-authenticate": `${bearer},scope="repository:app:more",error="insufficient_scope"` }).end();
      return true;
    },
    async (_, place) => assert.deepEqual(await place.resolve(NAME, task), image.root),
  ));

test("R11: who is refused with a fresh token is not asked for ever", async () => {
  const script = withTokens(0);
  await served(
    script,
    async (_, place) => {
      await assert.rejects(place.resolve(NAME, task), failing("AUTH"));
      assert.ok(script.asked.length <= 3, String(script.asked.length));
    },
    { who },
  );
});

const BAD_TOKENS: readonly (readonly [string, (response: ServerResponse) => void])[] = [
  ["50 MB", (response) => response.writeHead(200).end(Buffer.alloc(50 << 20, "x"))],
  ["HTML", (response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>log in</html>")],
  ["no token", (response) => response.writeHead(200).end('{"expires_in":60}')],
  ["a token with a line end", (response) => response.writeHead(200).end('{"token":"a\\r\\nx: y"}')],
  ["a negative life", (response) => response.writeHead(200).end('{"token":"a","expires_in":-1}')],
  ["a redirect", (response) => response.writeHead(302, { location: "/elsewhere" }).end()],
  ["404", (response) => response.writeHead(404).end()],
  ["401", (response) => response.writeHead(401).end()],
];
for (const [what, answer] of BAD_TOKENS) {
  test(`R12: a token server that sends ${what} is AUTH or NETWORK, with its address`, () =>
    served(
      (request, response) => {
        if (request.url.startsWith("/token")) answer(response);
        else response.writeHead(401, { "www-authenticate": `Bearer realm="http://${request.headers.host}/token",service="x"` }).end();
        return true;
      },
      async (registry, place) =>
        assert.rejects(place.resolve(NAME, task), (error: unknown) => {
          const { message, code } = error as Failure;
          return (
            (code === "AUTH" || (what === "a redirect" && code === "NETWORK")) &&
            message.includes(`${registry.host}/token`) &&
            !message.includes(SECRET)
          );
        }),
      { who },
    ));
}

test("an identity token is exchanged by POST", () =>
  served(
    (request, response, incoming) => {
      if (request.url.startsWith("/token")) {
        let body = "";
        incoming.on("data", (piece: Buffer) => (body += piece.toString()));
        incoming.on("end", () => {
          const form = new URLSearchParams(body);
          const good = request.method === "POST" && form.get("grant_type") === "refresh_token" && form.get("refresh_token") === SECRET;
          response.writeHead(good ? 200 : 401).end(JSON.stringify({ access_token: "fine", expires_in: 60 }));
        });
        return true;
      }
      if (request.headers.authorization === "Bearer fine") return false;
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${request.headers.host}/token",service="x"` }).end();
      return true;
    },
    async (_, place) => assert.deepEqual(await place.resolve(NAME, task), image.root),
    { who: { kind: "identity", token: SECRET } },
  ));

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

test("R13, R15: what may lead where", () => {
  const verdict = (realm: string, registry: string, allowed: string[] = []) => {
    const found = judgeRealm(new URL(realm), new URL(registry), allowed);
    return found.ask ? (found.password ? "password" : "ask") : "no";
  };
  const https = "https://registry.example.org";
  assert.equal(verdict("https://registry.example.org/token", https), "password");
  assert.equal(verdict("https://auth.example.org/token", https), "password");
  assert.equal(verdict("https://example.org/token", https), "password");
  assert.equal(verdict("https://registry.example.org:8443/token", https), "password");
  assert.equal(verdict("http://registry.example.org/token", https), "no");
  assert.equal(verdict("https://evil.org/token", https), "ask");
  assert.equal(verdict("https://registry.example.org.evil.org/token", https), "ask");
  assert.equal(verdict("https://notexample.org/token", https), "ask");
  assert.equal(verdict("https://org/token", https), "ask");
  assert.equal(verdict("https://tokens.org/token", https, ["tokens.org"]), "password");
  assert.equal(verdict("https://10.0.0.1/token", https), "no");
  assert.equal(verdict("https://[::1]/token", https), "no");
  assert.equal(verdict("https://localhost/token", https), "no");
  assert.equal(verdict("ftp://auth.example.org/token", https), "no");
  assert.equal(verdict("https://user:pass@auth.example.org/token", https), "no");
  assert.equal(verdict("http://127.0.0.1:5000/token", "http://127.0.0.1:5000"), "password");
  assert.equal(verdict("http://127.0.0.1:5001/token", "http://127.0.0.1:5000"), "ask");
  assert.equal(verdict("http://127.0.0.1:5001/token", "http://127.0.0.1:5000", ["127.0.0.1:5001"]), "password");
  assert.equal(verdict("https://1.2.3.5/token", "https://1.2.3.4"), "ask");
});

test("R15: a token server at another port is not told the password, unless it was allowed", async () => {
  const seen: string[] = [];
  const tokens = await scripted(undefined, ({ headers }, response) => {
    seen.push(headers.authorization ?? "nothing");
    response.writeHead(200).end('{"token":"t"}');
    return true;
  });
  try {
    const script: Script = (request, response) => {
      if (request.headers.authorization === "Bearer t") return false;
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${tokens.host}/token",service="x"` }).end();
      return true;
    };
    await served(script, async (_, place) => void (await place.resolve(NAME, task)), { who });
    assert.deepEqual(seen.splice(0), ["nothing"]);
    await served(script, async (_, place) => void (await place.resolve(NAME, task)), { who, location: { tokenServers: [tokens.host] } });
    assert.deepEqual(seen, [`Basic ${Buffer.from(`user:${SECRET}`).toString("base64")}`]);
  } finally {
    await tokens.close();
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
