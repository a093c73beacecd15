/** `nought registry serve` as a whole program: the store's view, signals, and kills in the middle of pushes. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { program } from "../program.ts";
import { ask, pushImage } from "../suites/distribution-requests.ts";

const nought = await program();

/** Starts a registry and waits for the line that says where it is. */
async function serve(...args: string[]): Promise<{ child: ChildProcess; host: string; ended: Promise<number | string> }> {
  const child = nought.start(["registry", "serve", "--listen", "127.0.0.1:0", "--quiet", ...args]);
  const ended = new Promise<number | string>((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal ?? "")));
  const host = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk) => {
      text += chunk;
      const found = / on (127\.0\.0\.1:\d+)\n/.exec(text);
      if (found) resolve(found[1] as string);
    });
    child.stderr?.on("data", (chunk) => (text += chunk));
    void ended.then((code) => reject(new Error(`it ended with ${code}: ${text}`)));
  });
  return { child, host, ended };
}

test("the store is shown read-only under the names people write, and Ctrl-C ends it", async () => {
  nought.write({ "ctx/Dockerfile": "FROM scratch\nCOPY Dockerfile /\n" });
  nought.out("build", "-q", "-t", "app:1", "-t", "ghcr.example/user/app:2", "ctx");
  const { child, host, ended } = await serve();
  try {
    assert.deepEqual((await ask(host, "GET", "/v2/_catalog")).json().repositories, ["app", "ghcr.example/user/app"]);
    const manifest = await ask(host, "GET", "/v2/app/manifests/1");
    assert.deepEqual(manifest.bytes.toString(), nought.out("manifest", "get", "app:1"));
    assert.deepEqual((await ask(host, "GET", "/v2/library/app/manifests/1")).bytes, manifest.bytes);
    const { layers } = JSON.parse(manifest.bytes.toString()) as { layers: { digest: string; size: number }[] };
    const layer = await ask(host, "GET", `/v2/ghcr.example/user/app/blobs/${layers[0]?.digest}`);
    assert.equal(`sha256:${createHash("sha256").update(layer.bytes).digest("hex")}`, layers[0]?.digest);
    nought.out("tag", "app:1", "later:3");
    assert.equal((await ask(host, "GET", "/v2/later/manifests/3")).status, 200, "names are read anew");
    assert.equal((await ask(host, "PUT", "/v2/app/manifests/1", {}, manifest.bytes)).status, 405);
    assert.equal((await ask(host, "DELETE", "/v2/app/manifests/1")).status, 405);
    child.kill("SIGINT");
    assert.equal(await ended, 130);
  } finally {
    child.kill("SIGKILL");
  }
});

test("an OCI layout is shown as it is", async () => {
  nought.out("save", "app:1", "--format", "oci-dir", "-o", "layout");
  const { child, host } = await serve("layout");
  try {
    assert.equal((await ask(host, "GET", "/v2/app/manifests/1")).bytes.toString(), nought.out("manifest", "get", "app:1"));
    assert.equal((await ask(host, "POST", "/v2/app/blobs/uploads/")).status, 405);
  } finally {
    child.kill("SIGKILL");
  }
});

test("killed at any moment of a push, nothing is under a final name that is not whole", async () => {
  const whole = new Set<string>();
  for (let round = 0; round < 8; round++) {
    const { child, host, ended } = await serve("registry");
    const pushing = (async () => {
      for (let n = 0; ; n++) whole.add((await pushImage(host, "storm", `t${round}-${n % 5}`)).digest);
    })().catch(() => {});
    void ask(host, "POST", "/v2/storm/blobs/uploads/?digest=sha256:00", {}, randomBytes(10_000_000)).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 250));
    child.kill("SIGKILL");
    assert.equal(await ended, "SIGKILL");
    await pushing;
    const blobs = join(nought.dir, "registry", "blobs", "sha256");
    for (const name of readdirSync(blobs))
      assert.equal(
        createHash("sha256")
          .update(readFileSync(join(blobs, name)))
          .digest("hex"),
        name,
      );
  }
  assert.ok(whole.size > 0);
  const { child, host } = await serve("registry");
  try {
    // What was acknowledged is there, and every tag leads to a whole image.
    for (const digest of whole) assert.equal((await ask(host, "HEAD", `/v2/storm/manifests/${digest}`)).status, 200);
    for (const tag of (await ask(host, "GET", "/v2/storm/tags/list")).json().tags) {
      const manifest = JSON.parse((await ask(host, "GET", `/v2/storm/manifests/${tag}`)).bytes.toString());
      for (const part of [manifest.config, ...manifest.layers])
        assert.equal((await ask(host, "HEAD", `/v2/storm/blobs/${part.digest}`)).headers.get("content-length"), String(part.size));
    }
    assert.deepEqual(readdirSync(join(nought.dir, "registry", "uploads")), []);
  } finally {
    child.kill("SIGKILL");
  }
});

test("mistakes are told in one line", async () => {
  const far = nought.run(["registry", "serve", "registry2", "--listen", "0.0.0.0:0"]);
  assert.equal(far.status, 2);
  assert.match(far.stderr, /loopback only/);
  const foreign = nought.run(["registry", "serve", "ctx"]);
  assert.equal(foreign.status, 7);
  assert.match(foreign.stderr, /holds other files/);
  assert.ok(!existsSync(join(nought.dir, "ctx", "blobs")));
  const { child, host } = await serve("registry3");
  try {
    const taken = nought.run(["registry", "serve", "registry4", "--listen", host]);
    assert.equal(taken.status, 6);
    assert.match(taken.stderr, /the port is in use/);
    const twice = nought.run(["registry", "serve", "registry3", "--listen", "127.0.0.1:0"]);
    assert.match(twice.stderr, /served by another process/);
  } finally {
    child.kill("SIGKILL");
  }
});
