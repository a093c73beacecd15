/** Bases whose registry lies, breaks off, stalls or goes away while a build reads their layers. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertTidy, assertWhole } from "../builds.ts";
import { type Ran, run } from "../golden/run.ts";
import { program } from "../program.ts";
import { type Sample, sampleImage } from "../sample-image.ts";
import { type Script, scripted } from "../scripted-registry.ts";

const nought = await program();
let stores = 0;

interface Tried extends Ran {
  readonly host: string;
  /** How often a layer was asked for. */
  readonly asked: number;
  readonly store: string;
  readonly seconds: number;
}

/** Builds with a Dockerfile, in which BASE is the image, in a registry with a script for its layers. */
async function tryBuild(image: Sample, script: Script, lines: string, ...args: string[]): Promise<Tried> {
  const isLayer = (url: string) => image.layers.some((layer) => url.endsWith(layer.digest));
  const registry = await scripted(image, (asked, response, request) => isLayer(asked.url) && script(asked, response, request));
  const store = join(nought.dir, "..", `store${++stores}`);
  nought.write({ "ctx/Dockerfile": lines.replaceAll("BASE", `${registry.host}/app:1`), "ctx/file": "a file\n" });
  const from = Date.now();
  try {
    const ran = await run(nought.command, ["build", "--progress", "plain", ...args, "ctx"], {
      cwd: nought.dir,
      env: { ...nought.env, NOUGHT_STORE: store },
    });
    const asked = registry.log.filter(({ method, url }) => method === "GET" && isLayer(url)).length;
    return { ...ran, host: registry.host, asked, store, seconds: (Date.now() - from) / 1000 };
  } finally {
    await registry.close();
  }
}

const packed = await sampleImage({ compression: "gzip", layers: [{ "etc/": "", "etc/passwd": "root:x:0:0::/:\n" }, { hello: "hello\n" }] });
const [first, second] = packed.layers as [Sample["layers"][0], Sample["layers"][0]];
const holds = (store: string, digest: string) => existsSync(join(store, "blobs/sha256", digest.slice(7)));

test("a layer with other bytes is fetched once more, and then it is the step's failure, with its line and the name of the image", async () => {
  const lies: Script = ({ url, method }, response) => {
    if (method !== "GET" || !url.endsWith(first.digest)) return false;
    response.end(Buffer.alloc(first.size, "x"));
    return true;
  };
  for (const [lines, line, args] of [
    ["FROM BASE\nCOPY file /x\n", /2 \| >>> COPY file \/x/, ["-o", "type=tar,dest=never.tar"]],
    ["FROM BASE\nCOPY --link file /x\n", /1 \| >>> FROM /, ["-t", "never"]],
  ] as const) {
    const ran = await tryBuild(packed, lies, lines, ...args);
    assert.equal(ran.status, 4, ran.stderr);
    assert.match(ran.stderr, line);
    assert.match(ran.stderr, new RegExp(`ERROR: .*${first.digest}`));
    assert.match(ran.stderr, new RegExp(`${ran.host}/app:1`));
    assert.equal(holds(ran.store, first.digest), false);
    assert.equal(existsSync(join(nought.dir, "never.tar")), false);
    await assertWhole(ran.store, "a lie");
    assertTidy(ran.store, "a lie");
  }
  let once = false;
  const spoiled = await tryBuild(
    packed,
    (asked, response, request) => !once && (once = lies(asked, response, request) === true),
    "FROM BASE\nCOPY file /x\n",
  );
  assert.equal(spoiled.status, 0, spoiled.stderr);
  assert.match(spoiled.stderr, /NOTE: .*; trying once more\n/);
  assert.equal(spoiled.asked, 3);
});

test("a diffID that is not the layer's is found when the layer is first looked into", async () => {
  const image = await sampleImage({
    compression: "gzip",
    editConfig: (config) => ({ ...config, rootfs: { type: "layers", diff_ids: [`sha256:${"1".repeat(64)}`] } }),
  });
  const ran = await tryBuild(image, () => false, "FROM BASE\nCOPY file /x\n", "-t", "never");
  assert.equal(ran.status, 4, ran.stderr);
  assert.match(ran.stderr, />>> COPY file \/x/);
  await assertWhole(ran.store, "a diffID");
});

test("a line that is cut goes on where it broke", async () => {
  const cut: Script = ({ method, headers }, response) => {
    if (method !== "GET" || headers.range) return false;
    response.writeHead(200, { "content-length": String(second.size) });
    response.write(Buffer.from(packed.blobs.get(second.digest) as Buffer).subarray(0, 40), () => response.destroy());
    return true;
  };
  const ran = await tryBuild(
    packed,
    (asked, response, request) => asked.url.endsWith(second.digest) && cut(asked, response, request),
    "FROM BASE\nCOPY file /x\n",
    "-t",
    "cut",
  );
  assert.equal(ran.status, 0, ran.stderr);
  assert.match(ran.stderr, /going on at byte 40/);
  assert.equal(ran.asked, 3);
});

test("a layer that the registry has not, and a registry that is gone when the layer is needed", async () => {
  const lacks = await tryBuild(
    packed,
    (_, response) => {
      response.writeHead(404).end("{}");
      return true;
    },
    "FROM BASE\nCOPY file /x\n",
  );
  assert.equal(lacks.status, 1, lacks.stderr);
  assert.match(lacks.stderr, new RegExp(`blob sha256:[0-9a-f]{64} is not in ${lacks.host}/app`));
  const gone = await tryBuild(packed, (_, response) => Boolean(response.destroy()), "FROM BASE\nCOPY file /x\n");
  assert.equal(gone.status, 6, gone.stderr);
  assert.match(gone.stderr, new RegExp(`ERROR: ${gone.host}/app:1: `));
  assert.match(gone.stderr, />>> (?:COPY file \/x|FROM )/);
  await assertWhole(gone.store, "gone");
});

test("a step that fails does not wait for a layer on its way, and neither does Ctrl-C", async () => {
  // Some bytes, and then nothing for longer than anybody waits.
  const stalls: Script = ({ method, url }, response) => {
    if (method !== "GET" || !url.endsWith(second.digest)) return false;
    response.writeHead(200, { "content-length": String(second.size) });
    response.write(Buffer.from(packed.blobs.get(second.digest) as Buffer).subarray(0, 40));
    return true;
  };
  const lines = "FROM scratch AS fails\nCOPY nothing /\nFROM BASE\nCOPY --from=fails / /\n";
  const ran = await tryBuild(packed, stalls, lines, "-t", "never");
  assert.equal(ran.status, 1, ran.stderr);
  assert.match(ran.stderr, />>> COPY nothing \//);
  assert.ok(ran.seconds < 15, `${ran.seconds} seconds`);
  assert.equal(holds(ran.store, second.digest), false);

  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGKILL", null],
  ] as const) {
    const registry = await scripted(packed, stalls);
    const store = join(nought.dir, "..", `store${++stores}`);
    nought.write({ "ctx/Dockerfile": `FROM ${registry.host}/app:1\nCOPY file /x\n` });
    const child = nought.start(["build", "-t", "never", "ctx"], { NOUGHT_STORE: store });
    child.stdin?.end();
    child.stdout?.resume();
    child.stderr?.resume();
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const asked = () => registry.log.some(({ url, method }) => method === "GET" && url.endsWith(second.digest));
    for (let n = 0; !asked() && n < 400; n++) await new Promise((resolve) => setTimeout(resolve, 25));
    child.kill(signal);
    assert.equal(await ended, code);
    await registry.close();
    await run(nought.command, ["image", "prune", "-f"], { cwd: nought.dir, env: { ...nought.env, NOUGHT_STORE: store } });
    await assertWhole(store, signal);
    assertTidy(store, signal);
    assert.deepEqual(readdirSync(join(store, "blobs/sha256")).includes(second.digest.slice(7)), false);
  }
});
