/** Bases in registries: what a build asks a registry for, and what it leaves alone. Every request is counted. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { whyNot } from "../../src/sandbox/testing/box.ts";
import { assertWhole } from "../builds.ts";
import { type Ran, run } from "../golden/run.ts";
import { program } from "../program.ts";
import { startOwnRegistry, type TestRegistry } from "../registries.ts";
import { scratchProgram } from "../scratch-program.ts";

const nought = await program();
const cannotRun = process.arch === "x64" ? whyNot() : "the program is for x86-64";

interface Counted extends TestRegistry {
  readonly log: string[];
}

async function counted(): Promise<Counted> {
  const log: string[] = [];
  const registry = await startOwnRegistry(undefined, false, ({ method, url, status }) => log.push(`${method} ${url} ${status}`));
  return { ...registry, log };
}

let one: Counted;
let two: Counted;
let layers: readonly string[] = [];
before(async () => {
  one = await counted();
  two = await counted();
  nought.write({
    "base/Dockerfile": `FROM scratch
COPY passwd /etc/passwd
COPY --chmod=755 program /bin/program
COPY large /large
ENV FROM=base
ENTRYPOINT ["/bin/program"]
`,
    "base/passwd": "root:x:0:0::/:\nsomebody:x:12:34::/:\n",
    "base/program": scratchProgram(),
    // More than what an upload keeps in memory.
    "base/large": noise(3 << 20),
    "tools/Dockerfile": "FROM scratch\nCOPY tool /usr/bin/tool\nCOPY other /other\n",
    "tools/tool": "a tool\n",
    "tools/other": "something else\n",
    "ctx/file": "a file\n",
  });
  await out(at("made"), "build", "-q", "--push", "-t", `${one.host}/base:1`, "base");
  await out(at("made"), "build", "-q", "--push", "-t", `${one.host}/tools:1`, "tools");
  await out(at("made"), "build", "-q", "--push", "--platform", "linux/amd64,linux/arm64", "-t", `${one.host}/many:1`, "tools");
  layers = (await manifestOf(one.host, "base")).layers.map((layer) => layer.digest);
  assert.equal(layers.length, 3);
});
after(async () => {
  await one.close();
  await two.close();
});

/** Bytes that do not pack. */
function noise(size: number): Buffer {
  let state = 1;
  return Buffer.from(Uint8Array.from({ length: size }, () => (state = Math.imul(state, 1_103_515_245) + 12_345) >>> 16));
}

/** The environment with a store of that name. */
const at = (store: string): NodeJS.ProcessEnv => ({ ...nought.env, NOUGHT_STORE: join(nought.dir, "..", store) });
const ran = (env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ran> => run(nought.command, args, { cwd: nought.dir, env });
async function out(env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await ran(env, ...args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** Builds with a Dockerfile; what it printed. Logs are empty before. */
async function build(env: NodeJS.ProcessEnv, lines: string, ...args: string[]): Promise<string> {
  one.log.length = 0;
  two.log.length = 0;
  nought.write({ "ctx/Dockerfile": lines });
  const { status, stderr } = await ran(env, "build", "--progress", "plain", ...args, "ctx");
  assert.equal(status, 0, stderr);
  return stderr;
}

/** Layers of the base that a registry handed out. */
const fetched = ({ log }: Counted) => layers.filter((digest) => log.some((line) => line.startsWith("GET") && line.includes(digest)));
const asked = ({ log }: Counted, what: RegExp) => log.filter((line) => what.test(line));

async function manifestOf(host: string, repository: string): Promise<{ readonly layers: readonly { readonly digest: string }[] }> {
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/1`, {
    headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
  });
  return (await answer.json()) as { layers: { digest: string }[] };
}

/** Pulls an image into a store of its own, and reads a file of it. */
async function fileOf(image: string, path: string): Promise<string> {
  const env = at(`reader-${Math.random()}`);
  await out(env, "pull", "-q", image);
  await assertWhole(env["NOUGHT_STORE"] as string, image);
  return out(env, "image", "cat", image, path);
}

const blobsOf = (env: NodeJS.ProcessEnv) => {
  const dir = join(env["NOUGHT_STORE"] as string, "blobs/sha256");
  return existsSync(dir) ? readdirSync(dir) : [];
};
const has = (env: NodeJS.ProcessEnv, digest: string) => blobsOf(env).includes(digest.slice(7));

test("--push to the registry of the base: manifest and configuration are read, layers are mounted and none is downloaded", async () => {
  const env = at("mounts");
  const lines = `FROM ${one.host}/base:1\nCOPY --link file /app/\nENV A=b\n`;
  const told = await build(env, lines, "--push", "-t", `${one.host}/mounted:1`);
  assert.deepEqual(fetched(one), []);
  assert.equal(asked(one, /^GET .*\/blobs\//).length, 1, "the configuration");
  assert.equal(asked(one, /^GET .*\/manifests\//).length, 1);
  assert.equal(asked(one, /^POST .*mount=.*from=base 201/).length, 3);
  assert.doesNotMatch(told, /\[internal\] pull/);
  assert.equal(await out(env, "images", "-aq"), "", "nothing is named here");
  assert.equal(await fileOf(`${one.host}/mounted:1`, "/app/file"), "a file\n");
  assert.match(await fileOf(`${one.host}/mounted:1`, "/etc/passwd"), /^root:/);
  // The second time the configuration is here, and the digest that is told is the one that the registry has.
  await build(env, lines, "--push", "-t", `${one.host}/mounted:1`, "--metadata-file", "metadata", "--iidfile", "iid");
  assert.equal(asked(one, /^GET .*\/(?:manifests|blobs)\//).length, 1);
  assert.equal(asked(one, /^(?:POST|PUT|PATCH) /).length, 0);
  await assertWhole(env["NOUGHT_STORE"] as string, "mounts");
});

test("--push to another registry: layers go from registry to registry, packed as they are, and the store has none of them", async () => {
  const env = at("streams");
  await build(env, `FROM ${one.host}/base:1\nCOPY --link file /app/\n`, "--push", "-t", `${two.host}/streamed:1`);
  assert.deepEqual(fetched(one), layers);
  assert.ok(!layers.some((digest) => has(env, digest)));
  assert.deepEqual(
    (await manifestOf(two.host, "streamed")).layers.slice(0, 3).map(({ digest }) => digest),
    layers,
  );
  assert.equal(await fileOf(`${two.host}/streamed:1`, "/app/file"), "a file\n");
  // What the target has is not asked for anywhere.
  await build(env, `FROM ${one.host}/base:1\nCOPY --link file /again/\n`, "--push", "-t", `${two.host}/streamed:2`);
  assert.deepEqual(fetched(one), []);
});

test("a step that looks into its base needs the indexes of all layers: they come once, and the base is here under its name then", async () => {
  const env = at("looks");
  const lines = `FROM ${one.host}/base:1\nCOPY --chown=somebody file /app/\n`;
  const told = await build(env, lines, "--push", "-t", `${one.host}/looks:1`);
  assert.deepEqual(fetched(one), layers);
  assert.match(told, new RegExp(`\\[internal\\] pull ${one.host}/base:1\\n`));
  assert.match(await out(env, "images", "--format", "{{.Repository}}:{{.Tag}}"), new RegExp(`^${one.host}/base:1\n$`));
  await build(env, `${lines}COPY --chown=somebody file /other/\n`, "--push", "-t", `${one.host}/looks:2`);
  assert.deepEqual(fetched(one), []);
  assert.equal(asked(one, /\/base\//).length, 0, "what is here is not asked for");
  await build(env, lines, "--pull", "--push", "-t", `${one.host}/looks:3`);
  assert.deepEqual(
    asked(one, /\/base\//).map((line) => line.split(" ")[0]),
    ["HEAD"],
  );
  await assertWhole(env["NOUGHT_STORE"] as string, "looks");
});

test("a build that keeps its image brings all layers, unpacks none of those it only refers to, and needs no registry afterwards", async () => {
  const env = at("keeps");
  const lines = `FROM ${one.host}/base:1\nCOPY --link file /app/\n`;
  await build(env, lines, "-t", "kept");
  assert.deepEqual(fetched(one), layers);
  // The base packed, its three documents' worth, and a layer, configuration and manifest of the build.
  assert.equal(blobsOf(env).length, layers.length + 2 + 3);
  await build(env, `${lines}ENV MORE=1\n`, "-t", "more");
  assert.deepEqual([...one.log, ...two.log], []);
  await out(env, "save", "-o", "kept.tar", "kept");
  if (!cannotRun) assert.match(await out(env, "run", "--rm", "--network", "none", "kept", "few"), /scratch/);
  // A layer that was lost comes again, alone.
  rmSync(join(env["NOUGHT_STORE"] as string, "blobs/sha256", (layers[1] as string).slice(7)));
  await build(env, `${lines}ENV MORE=2\n`, "-t", "more");
  assert.deepEqual(fetched(one), [layers[1]]);
  await assertWhole(env["NOUGHT_STORE"] as string, "keeps");
});

test("RUN needs all layers of its base, and of what it mounts; known to the cache it needs none", {
  skip: cannotRun ?? false,
}, async () => {
  const env = at("runs");
  const lines = `FROM ${one.host}/base:1
RUN --mount=from=${one.host}/tools:1,source=/usr/bin,target=/tools ["/bin/program", "few"]
`;
  const push = ["--network", "none", "--push", "-t", `${one.host}/ran:1`];
  await build(env, lines, ...push);
  assert.deepEqual(fetched(one), layers);
  assert.equal(asked(one, /^GET .*\/tools\/blobs\//).length, 3);
  assert.match(await fileOf(`${one.host}/ran:1`, "/etc/passwd"), /^root:/);
  // Without the names and the layers that came with them, the record of the step is enough.
  await out(env, "rmi", `${one.host}/base:1`, `${one.host}/tools:1`);
  const told = await build(env, lines, ...push);
  assert.match(told, /RUN [^]*CACHED/);
  assert.deepEqual(fetched(one), []);
  await assertWhole(env["NOUGHT_STORE"] as string, "runs");
});

test("COPY --from an image fetches that image alone; what no step of the target needs is not asked for at all", async () => {
  const env = at("copies");
  const lines = `FROM ${one.host}/base:1 AS unused
COPY file /x
FROM ${one.host}/base:1 AS other
FROM scratch
COPY --from=${one.host}/tools:1 /usr/bin/tool /tool
`;
  await build(env, lines, "-o", "type=tar,dest=out.tar");
  assert.equal(asked(one, /\/base\//).length, 0);
  assert.equal(asked(one, /^GET .*\/tools\/blobs\//).length, 3, "two layers and the configuration");
  await build(env, lines, "-o", "type=tar,dest=out.tar");
  assert.deepEqual(one.log, []);
});

test("platforms side by side: each gets its own of an index, and files alone need only what is read", async () => {
  const env = at("many");
  const platforms = ["--platform", "linux/amd64,linux/arm64"];
  await build(env, `FROM ${one.host}/many:1\nCOPY --link file /app/\n`, ...platforms, "--push", "-t", `${one.host}/both:1`);
  assert.equal(asked(one, /^GET .*\/blobs\//).length, 2, "two configurations");
  for (const platform of ["linux/amd64", "linux/arm64"]) {
    const reader = at(`reader ${platform.slice(6)}`);
    await out(reader, "pull", "-q", "--platform", platform, `${one.host}/both:1`);
    assert.equal(await out(reader, "inspect", "-f", "{{.Architecture}}", `${one.host}/both:1`), `${platform.slice(6)}\n`);
  }
  // One platform of the index by itself, then the other, then both: the index is named once and lists what is there.
  const lines = `FROM ${one.host}/many:1\nENV B=c\n`;
  await build(env, lines, "--platform", "linux/arm64", "-t", "arm");
  await build(env, lines, "--platform", "linux/amd64", "-t", "amd");
  await build(env, lines, ...platforms, "-t", "both");
  assert.deepEqual(one.log, []);
  await assertWhole(env["NOUGHT_STORE"] as string, "many");
});

test("a build that fails names no image; a base that came whole is kept for the next try", async () => {
  const env = at("fails");
  nought.write({ "ctx/Dockerfile": `FROM ${one.host}/base:1\nCOPY file /a\nCOPY nothing /b\n` });
  const failed = await ran(env, "build", "-t", "never", "ctx");
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, />>> COPY nothing \/b/);
  assert.doesNotMatch(await out(env, "images"), /never/);
  await assertWhole(env["NOUGHT_STORE"] as string, "fails");
});

test("S14: prune and rmi in a loop beside builds on a base in a registry: what is gone comes again, and nobody loses what he uses", async () => {
  const env = at("pruned");
  const base = `${one.host}/base:1`;
  nought.write({ "ctx/file": "a file\n" });
  nought.write({ "kept/Dockerfile": `FROM ${base}\nCOPY file /app/\nWORKDIR /app/more\n`, "kept/file": "kept\n" });
  nought.write({ "sent/Dockerfile": `FROM ${base}\nCOPY file /app/\nCOPY --from=${one.host}/tools:1 /other /\n`, "sent/file": "sent\n" });
  const over = new AbortController();
  const pruning = (async () => {
    const commands = ["image prune -a -f", "builder prune -a -f", "system prune -a -f", `rmi -f ${base}`];
    for (let turn = 0; !over.signal.aborted; turn++) await ran(env, ...(commands[turn % commands.length] as string).split(" "));
  })();
  const ids = new Set<string>();
  try {
    for (let round = 0; round < 6; round++) {
      const both = await Promise.all([
        ran(env, "build", "-q", "-t", "kept", "kept"),
        ran(env, "build", "-q", "--push", "-t", `${one.host}/sent:1`, "sent"),
      ]);
      for (const { status, stdout, stderr } of both) {
        assert.equal(status, 0, `round ${round}: ${stderr}`);
        ids.add(stdout);
      }
    }
  } finally {
    over.abort();
    await pruning;
  }
  assert.equal(ids.size, 2, "the same images every time");
  await assertWhole(env["NOUGHT_STORE"] as string, "pruned");
  assert.equal(await fileOf(`${one.host}/sent:1`, "/other"), "something else\n");
});
