/** `nought login` at a registry whose token server gives identity tokens: kept in the place of the password, and asked with from then on. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Ran, run } from "../golden/run.ts";
import { program } from "../program.ts";
import { sampleImage } from "../sample-image.ts";
import { type Script, scripted } from "../scripted-registry.ts";

const nought = await program();
const WHO = { username: "someone", password: "marker-77aa01" } as const;
const IDENTITY = "identity-token-31c";
const file = join(nought.env["HOME"] as string, ".docker/config.json");

/** A registry that lets in who has the token of its token server, which knows one password and one identity token. */
function lockedBy(log: string[]): Script {
  return (asked, response, request) => {
    if (!asked.url.startsWith("/token")) {
      if (request.headers.authorization === "Bearer let-me-in") return false;
      const challenge = `Bearer realm="http://${request.headers.host}/token",service="here"`;
      response.writeHead(401, { "www-authenticate": challenge }).end();
      return true;
    }
    let body = "";
    request.on("data", (piece: Buffer) => (body += piece.toString()));
    request.on("end", () => {
      const form = new URLSearchParams(asked.method === "POST" ? body : asked.url.split("?")[1]);
      const basic = `Basic ${Buffer.from(`${WHO.username}:${WHO.password}`).toString("base64")}`;
      const byPassword = asked.method === "GET" && request.headers.authorization === basic;
      const byIdentity = asked.method === "POST" && form.get("refresh_token") === IDENTITY && form.get("grant_type") === "refresh_token";
      log.push(byPassword ? `password offline=${form.get("offline_token")}` : byIdentity ? `identity ${form.get("scope")}` : "nobody");
      const given = { token: "let-me-in", expires_in: 300, ...(form.get("offline_token") === "true" ? { refresh_token: IDENTITY } : {}) };
      response.writeHead(byPassword || byIdentity ? 200 : 401).end(JSON.stringify(byPassword || byIdentity ? given : {}));
    });
    return true;
  };
}

const told = (...words: string[]): Promise<Ran> => run(nought.command, words, { cwd: nought.dir, env: nought.env });

test("K05: an identity token takes the place of the password, which is kept nowhere", async () => {
  const log: string[] = [];
  const registry = await scripted(await sampleImage({ compression: "gzip" }), lockedBy(log));
  try {
    const login = await run(nought.command, ["login", "-u", WHO.username, "--password-stdin", registry.host], {
      cwd: nought.dir,
      env: nought.env,
      input: Buffer.from(`${WHO.password}\n`),
    });
    assert.equal(login.stdout, "Login Succeeded\n", login.stderr);
    assert.deepEqual(log.splice(0), ["password offline=true"]);
    // Docker's own form; podman reads no entry without a user.
    assert.deepEqual((JSON.parse(readFileSync(file, "utf8")) as { auths: object }).auths, {
      [registry.host]: { auth: Buffer.from(`${WHO.username}:`).toString("base64"), identitytoken: IDENTITY },
    });
    const pulled = await told("pull", "-q", `${registry.host}/app:1`);
    assert.equal(pulled.status, 0, pulled.stderr);
    assert.deepEqual([...new Set(log.splice(0))], ["identity repository:app:pull"]);
    assert.ok(!`${login.stderr}${pulled.stdout}${pulled.stderr}`.includes(IDENTITY));
    assert.equal((await told("logout", registry.host)).stdout, `Removing login credentials for ${registry.host}\n`);
    assert.equal((await told("pull", "-q", `${registry.host}/app:1`)).status, 5);
  } finally {
    await registry.close();
  }
});

test("K04: without an identity token the password is kept, and a wrong one is not", async () => {
  const log: string[] = [];
  const locked = lockedBy(log);
  const registry = await scripted(undefined, (asked, response, request) =>
    locked({ ...asked, url: asked.url.replace("offline_token=true", "") }, response, request),
  );
  try {
    const login = (password: string) =>
      run(nought.command, ["login", "-u", WHO.username, "--password-stdin", registry.host], {
        cwd: nought.dir,
        env: nought.env,
        input: Buffer.from(password),
      });
    assert.equal((await login("wrong")).status, 5);
    assert.equal((await login(WHO.password)).status, 0);
    const { auths } = JSON.parse(readFileSync(file, "utf8")) as { auths: object };
    assert.deepEqual(auths, { [registry.host]: { auth: Buffer.from(`${WHO.username}:${WHO.password}`).toString("base64") } });
  } finally {
    await registry.close();
  }
});
