import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { Failure } from "../../kit/error.ts";
import { credentialIn, readAuthFile } from "./auth-file.ts";
import { dropCredential, keepCredential } from "./keep.ts";
import { keyFit } from "./keys.ts";
import { createSource } from "./source.ts";

const SECRET = "marker-77aa";
const signal = new AbortController().signal;
const basic = (user: string, password: string) => ({ auth: Buffer.from(`${user}:${password}`).toString("base64") });

async function within(use: (home: string, env: NodeJS.ProcessEnv) => Promise<void> | void): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "nought-credentials-"));
  try {
    mkdirSync(join(home, ".docker"));
    await use(home, { HOME: home, PATH: `${join(home, "bin")}${delimiter}${process.env["PATH"]}` });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function put(home: string, document: unknown, file = ".docker/config.json", mode = 0o600): string {
  const path = join(home, file);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, typeof document === "string" ? document : JSON.stringify(document), { mode });
  chmodSync(path, mode);
  return path;
}

const find = (env: NodeJS.ProcessEnv, registry: string, repository = "app", notes: string[] = [], helperMs = 5_000) =>
  createSource({ env, signal, warn: (text) => notes.push(text), helperMs }).find(registry, repository);

test("K06: which key is whose", () => {
  const fits = (key: string, registry: string, repository = "a/b") => keyFit(key, registry, repository);
  assert.equal(fits("registry.example", "registry.example"), 1);
  assert.equal(fits("Registry.Example", "registry.example"), 1);
  assert.equal(fits("https://registry.example/v1/", "registry.example"), 1);
  assert.equal(fits("registry.example/v2/", "registry.example"), 1);
  assert.equal(fits("registry.example/a", "registry.example"), 2);
  assert.equal(fits("registry.example/a/b", "registry.example"), 3);
  assert.equal(fits("registry.example/a/bb", "registry.example"), 0);
  assert.equal(fits("registry.example/a/b/c", "registry.example"), 0);
  assert.equal(fits("registry.example:5000", "registry.example"), 0);
  assert.equal(fits("registry.example", "registry.example:5000"), 0);
  assert.equal(fits("example", "registry.example"), 0);
  assert.equal(fits("registry.example", "registry.example.evil.org"), 0);
  assert.equal(fits("evilregistry.example", "registry.example"), 0);
  assert.equal(fits("", "registry.example"), 0);
  for (const key of ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"])
    for (const registry of ["docker.io", "registry-1.docker.io"]) assert.equal(fits(key, registry, "library/x"), 1, key);
});

test("credentials come from docker's file and podman's, the longest key first", () =>
  within(async (home, env) => {
    assert.equal(await find(env, "registry.example"), undefined);
    put(home, { auths: { "registry.example": basic("docker", "one"), "registry.example/team": basic("team", "a:b:c") } });
    assert.deepEqual(await find(env, "registry.example"), { kind: "password", username: "docker", password: "one" });
    assert.deepEqual(await find(env, "registry.example", "team/app"), { kind: "password", username: "team", password: "a:b:c" });
    put(home, { auths: { "registry.example": { identitytoken: "t0ken" } } }, ".config/containers/auth.json");
    assert.deepEqual(await find(env, "registry.example"), { kind: "identity", token: "t0ken" });
    const named = put(home, { auths: { other: { username: "u", password: "p" } } }, "elsewhere.json");
    assert.equal(await find({ ...env, REGISTRY_AUTH_FILE: named }, "registry.example"), undefined);
    assert.deepEqual(await find({ ...env, REGISTRY_AUTH_FILE: named }, "other"), { kind: "password", username: "u", password: "p" });
  }));

test("K01: a file that others can read is warned about; a login keeps links and fields and writes 0600", () =>
  within(async (home, env) => {
    put(home, { auths: { "a.example": basic("a", SECRET) }, HttpHeaders: { x: "y" }, credHelpers: {} }, "real/config.json", 0o644);
    symlinkSync(join(home, "real/config.json"), join(home, ".docker/config.json"));
    const notes: string[] = [];
    await find(env, "a.example", "app", notes);
    assert.match(notes.join(), /others on this machine can read/);
    assert.ok(!notes.join().includes(SECRET));
    assert.deepEqual(await keepCredential("b.example:5000", { kind: "password", username: "b", password: "x" }, env, signal), {
      in: "file",
      path: join(home, ".docker/config.json"),
    });
    assert.ok(lstatSync(join(home, ".docker/config.json")).isSymbolicLink());
    const real = join(home, "real/config.json");
    assert.equal(statSync(real).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse(readFileSync(real, "utf8")), {
      auths: { "a.example": basic("a", SECRET), "b.example:5000": basic("b", "x") },
      HttpHeaders: { x: "y" },
      credHelpers: {},
    });
    assert.equal(await dropCredential("b.example:5000", env, signal), true);
    assert.equal(await dropCredential("b.example:5000", env, signal), false);
    chmodSync(real, 0o400);
    await keepCredential("docker.io", { kind: "password", username: "d", password: "x" }, env, signal);
    assert.deepEqual(Object.keys((JSON.parse(readFileSync(real, "utf8")) as { auths: object }).auths), [
      "a.example",
      "https://index.docker.io/v1/",
    ]);
  }));

test("K02: files that cannot be understood are AUTH, named, and nothing of them is told", () =>
  within(async (home, env) => {
    const bad: unknown[] = [
      `{"auths": {"a.example": "${SECRET}`,
      `"${SECRET}"`,
      "null",
      "[]",
      { auths: SECRET },
      { auths: { "a.example": { auth: `!${SECRET}!` } } },
      { auths: { "a.example": { auth: Buffer.from(SECRET).toString("base64") } } },
      `{"x":"${"y".repeat(2 << 20)}"}`,
    ];
    for (const document of bad) {
      const path = put(home, document);
      await assert.rejects(find(env, "a.example"), (error: unknown) => {
        assert.ok(error instanceof Failure && error.code === "AUTH" && error.exit === 5);
        assert.ok(error.message.includes(path) && !error.message.includes(SECRET), error.message);
        return true;
      });
    }
    for (const nothing of ["", "  \n", "{}", { auths: null }, { auths: { "a.example": {} } }, { auths: { "a.example": null } }]) {
      put(home, nothing);
      assert.equal(await find(env, "a.example"), undefined);
    }
  }));

function helper(home: string, script: string): void {
  mkdirSync(join(home, "bin"), { recursive: true });
  writeFileSync(join(home, "bin/docker-credential-test"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

test("a helper is asked for what it keeps, and given what is to be kept", () =>
  within(async (home, env) => {
    helper(
      home,
      `read server; echo "$1 $server" >> ${home}/log; [ "$1" = get ] && echo '{"ServerURL":"x","Username":"u","Secret":"s"}'; exit 0`,
    );
    const file = put(home, { credHelpers: { "a.example": "test" } });
    assert.deepEqual(await find(env, "a.example"), { kind: "password", username: "u", password: "s" });
    assert.equal(await find(env, "b.example"), undefined);
    assert.deepEqual(await keepCredential("a.example", { kind: "password", username: "u", password: SECRET }, env, signal), {
      in: "helper",
      name: "test",
    });
    assert.ok(!readFileSync(file, "utf8").includes(SECRET));
    assert.equal(await dropCredential("a.example", env, signal), true);
    const log = readFileSync(join(home, "log"), "utf8").split("\n");
    assert.equal(log[0], "get a.example");
    assert.deepEqual(JSON.parse((log[1] as string).slice(6)), { ServerURL: "a.example", Username: "u", Secret: SECRET });
    assert.equal(log[2], "erase a.example");
    put(home, { credsStore: "test" });
    helper(home, `read server; [ "$server" = https://index.docker.io/v1/ ] && echo '{"Username":"<token>","Secret":"t"}'`);
    assert.deepEqual(await find(env, "docker.io"), { kind: "identity", token: "t" });
  }));

test("K03: helpers that are missing, slow, loud or talk nonsense are AUTH; one that has nothing is not", () =>
  within(async (home, env) => {
    put(home, { credHelpers: { "a.example": "test", "evil.example": "../../bin/sh" }, auths: { "a.example": basic("in", "file") } });
    const rejected = (about: RegExp) =>
      assert.rejects(
        find(env, "a.example", "app", [], 700),
        (error: unknown) => error instanceof Failure && error.code === "AUTH" && about.test(error.message),
      );
    await rejected(/not on PATH/);
    helper(home, "sleep 60");
    const began = performance.now();
    await rejected(/no answer within 0.7 seconds/);
    assert.ok(performance.now() - began < 3_000);
    helper(home, "echo hello");
    await rejected(/not JSON/);
    helper(home, "yes | head -c 10000000");
    await rejected(/more than 1048576 bytes/);
    helper(home, "echo some trouble; exit 3");
    await rejected(/failed with 3: some trouble/);
    await assert.rejects(
      find(env, "evil.example"),
      (error: unknown) => error instanceof Failure && /no name of a helper/.test(error.message),
    );
    helper(home, "echo credentials not found in native keychain; exit 1");
    assert.deepEqual(await find(env, "a.example"), { kind: "password", username: "in", password: "file" });
  }));

test("K12: two logins at once lose nothing", () =>
  within(async (home, env) => {
    const here = import.meta.dirname;
    const child = (name: string) =>
      spawn(
        process.execPath,
        [
          "--input-type=module",
          "-e",
          `import { keepCredential } from ${JSON.stringify(join(here, "keep.ts"))};
          const who = { kind: "password", username: "u", password: "p" };
          for (let n = 0; n < 10; n++) await keepCredential("${name}" + n + ".example", who, process.env, new AbortController().signal);`,
        ],
        { env, stdio: ["ignore", "ignore", "inherit"] },
      );
    await Promise.all(["a", "b", "c"].map((name) => new Promise((resolve) => child(name).on("exit", resolve))));
    assert.equal(Object.keys(readAuthFile(join(home, ".docker/config.json"))?.auths ?? {}).length, 30);
    assert.deepEqual(existsSync(join(home, ".docker/held")), false);
  }));

test("K15: a helper sees what it needs of the environment, and no secret of a build", () =>
  within(async (home, env) => {
    put(home, { credsStore: "test" });
    helper(home, `env > ${home}/seen; echo '{"Username":"u","Secret":"s"}'`);
    await find({ ...env, BUILD_SECRET: SECRET, AWS_PROFILE: "work", NPM_TOKEN: SECRET, https_proxy: "http://p" }, "a.example");
    const seen = readFileSync(join(home, "seen"), "utf8");
    assert.ok(!seen.includes(SECRET));
    assert.match(seen, /AWS_PROFILE=work/);
    assert.match(seen, /https_proxy=/);
  }));

test("credentials are read as docker writes them", () =>
  within((home) => {
    const file = readAuthFile(put(home, { auths: { "a.example": { auth: "dTpw" }, "https://a.example/v1/": { auth: "eDp5" } } }));
    assert.ok(file);
    assert.deepEqual(credentialIn(file, "a.example", "x"), { kind: "password", username: "u", password: "p" });
  }));
