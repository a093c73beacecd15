import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { sampleImage } from "../../test/sample-image.ts";
import { failing, NAME, readBlob, type Script, SECRET, scripted, who, withoutSecret } from "../../test/scripted-registry.ts";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { createTask } from "../task/task.ts";
import type { Repository } from "./face.ts";
import { judgeRealm } from "./realm.ts";

const task = createTask();
const image = await sampleImage();
const layer = image.layers[0] as Descriptor;

const served = withoutSecret(image);
const read = (place: Repository, what = layer) => readBlob(place, what);

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
