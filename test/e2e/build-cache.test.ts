/** --cache-to and --cache-from as a whole program: fresh machines that start warm from a registry, a folder, or an image. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, cpSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, request as forward, get } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { S3_KEYS, startBucket } from "../../src/buildcache/testing/bucket.ts";
import { startCacheService, TOKEN } from "../../src/buildcache/testing/cache-service.ts";
import { whyNot } from "../../src/sandbox/testing/box.ts";
import { assertWhole } from "../builds.ts";
import { startFaultyProxy } from "../faulty-proxy.ts";
import { BUSYBOX } from "../golden/case.ts";
import { program, type Ran } from "../program.ts";
import { startOwnRegistry } from "../registries.ts";
import { noRegistry, startRegistry } from "../registry.ts";

const skip = whyNot();
const nought = await program();
const registry = await startOwnRegistry();
after(() => registry.close());

const RUNS = `FROM scratch AS base
COPY --chmod=755 busybox /bin/busybox
SHELL ["/bin/busybox", "sh", "-c"]
FROM base AS builder
RUN busybox mkdir /out && busybox head -c 300000 /dev/urandom > /out/random
COPY source /source
RUN busybox cat /source > /out/made && busybox head -c 100000 /dev/urandom > /out/noise
FROM base
RUN busybox echo hello > /greeting
COPY --from=builder /out/made /made
RUN busybox cat /made > /last
`;

/** Writes a context; the result is its name. */
function context(name: string, dockerfile = RUNS, source = "source\n"): string {
  nought.write({ [`${name}/Dockerfile`]: dockerfile, [`${name}/source`]: source });
  copyFileSync(BUSYBOX, join(nought.dir, name, "busybox"));
  return name;
}

/** Builds through the faulty proxy. */
const FAULTY_BUILDS = Number(process.env.NOUGHT_FAULTY_BUILDS ?? 3);

/** A machine of its own: a store that is empty at first. */
class Machine {
  readonly store: string;
  constructor(name: string) {
    this.store = join(nought.dir, "..", `store-${name}`);
  }

  /** Runs nought without stopping this process, in which a registry may be. */
  async run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    const child = nought.start(args, { NOUGHT_STORE: this.store, ...env });
    child.stdin?.end();
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      stdout += chunk;
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr += chunk;
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), 120_000);
    const status = await new Promise<number>((resolve) => child.once("close", (code) => resolve(code ?? 137)));
    clearTimeout(timer);
    return { status, stdout, stderr };
  }

  /** A build that must succeed: its image ID, the steps it performed and those it found. */
  async build(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Built> {
    const ran = await this.run(["build", "--network=none", "--progress=plain", "--iidfile", "iid", ...args], env);
    assert.equal(ran.status, 0, ran.stderr);
    const labels = new Map([...ran.stderr.matchAll(/^#(\d+) (\[(?!internal).*)$/gm)].map((found) => [found[1], found[2] as string]));
    const steps = (word: string) =>
      [...ran.stderr.matchAll(new RegExp(`^#(\\d+) ${word}`, "gm"))].flatMap((found) => labels.get(found[1]) ?? []);
    return { id: readFileSync(join(nought.dir, "iid"), "utf8"), done: steps("DONE"), cached: steps("CACHED"), said: ran.stderr };
  }
}

interface Built {
  readonly id: string;
  readonly done: readonly string[];
  readonly cached: readonly string[];
  readonly said: string;
}

const runs = (built: Built) => built.done.filter((label) => label.includes("RUN"));
/** A registry behind something that tells what was asked for: `GET /v2/app/blobs/sha256:…`. */
interface Watched extends AsyncDisposable {
  readonly host: string;
  readonly log: string[];
}

async function watch(upstream: string): Promise<Watched> {
  const log: string[] = [];
  const server = createServer((request, response) => {
    log.push(`${request.method} ${request.url}`);
    const [hostname, port] = upstream.split(":");
    const { method, url: path, headers } = request;
    const onward = forward({ hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Blobs that were read, each once, in order of digest. */
const blobsRead = (log: readonly string[]) =>
  [...new Set(log.flatMap((line) => /^GET \S*\/blobs\/(sha256:[0-9a-f]{64})/.exec(line)?.[1] ?? []))].sort();

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

async function manifestOf(host: string, name: string, tag: string): Promise<Manifest> {
  const accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
  return new Promise((resolve, reject) => {
    get(`http://${host}/v2/${name}/manifests/${tag}`, { headers: { accept } }, (answer) => {
      let all = "";
      answer.on("data", (chunk: Buffer) => {
        all += chunk;
      });
      answer.on("end", () => resolve(JSON.parse(all) as Manifest));
    }).on("error", reject);
  });
}

test("a fresh machine with the registry's cache executes no step and downloads no layer that nobody reads", { skip }, async () => {
  const dir = context("fresh");
  const first = await new Machine("fresh-1").build(["--cache-to", `type=registry,ref=${registry.host}/fresh:cache,mode=max`, dir]);
  assert.equal(runs(first).length, 4);
  const cache = await manifestOf(registry.host, "fresh", "cache");
  await using proxy = await watch(registry.host);
  const name = `${proxy.host}/fresh`;
  const from = ["--cache-from", `type=registry,ref=${name}:cache`];
  const second = await new Machine("fresh-2").build([...from, "-o", `type=registry,name=${name}:app`, dir]);
  assert.deepEqual(second.done, [], second.said);
  assert.equal(second.id, first.id, "the same image, made of another machine's steps");
  assert.deepEqual(blobsRead(proxy.log), [cache.config.digest], "of all blobs the cache's own document alone");
  const image = await manifestOf(registry.host, "fresh", "app");
  assert(image.layers.every((layer) => cache.layers.some((one) => one.digest === layer.digest)));
  assert(cache.layers.length > image.layers.length, "the builder's layers are in the cache");
  // Into the store comes what the image holds, and nothing of the builder.
  proxy.log.length = 0;
  const third = new Machine("fresh-3");
  const kept = await third.build(["-t", "fresh", "--cache-from", `${name}:cache`, dir]);
  assert.deepEqual(kept.done, []);
  assert.equal(kept.id, first.id);
  assert.deepEqual(blobsRead(proxy.log), [cache.config, ...image.layers].map((one) => one.digest).sort());
  await assertWhole(third.store, "a store that was filled from a cache");
  // What was used is known here from now on, without the cache.
  const again = await third.build(["--target", "base", dir]);
  assert.deepEqual(again.done, []);
});

test("a cache in another repository of the registry: its layers are mounted; in another registry, they pass through", {
  skip,
}, async () => {
  const dir = context("mounted");
  const first = await new Machine("mounted-1").build(["--cache-to", `type=registry,ref=${registry.host}/mounted-cache:1,mode=max`, dir]);
  const cache = await manifestOf(registry.host, "mounted-cache", "1");
  await using proxy = await watch(registry.host);
  const from = ["--cache-from", `${proxy.host}/mounted-cache:1`];
  const second = new Machine("mounted-2");
  const built = await second.build([...from, "-o", `type=registry,name=${proxy.host}/mounted:app`, dir]);
  assert.equal(built.id, first.id);
  assert.deepEqual(blobsRead(proxy.log), [cache.config.digest]);
  const { layers } = await manifestOf(registry.host, "mounted", "app");
  const mounted = proxy.log.filter((line) => /^POST .*mount=/.test(line));
  assert.equal(mounted.length, layers.length, proxy.log.join("\n"));
  const other = await startOwnRegistry();
  try {
    proxy.log.length = 0;
    const third = new Machine("mounted-3");
    const to = [
      "--cache-to",
      `type=registry,ref=${other.host}/mounted:cache,mode=max`,
      "-o",
      `type=registry,name=${other.host}/mounted:app`,
    ];
    assert.equal((await third.build([...from, ...to, dir])).id, first.id);
    assert.deepEqual(blobsRead(proxy.log), [cache.config, ...cache.layers].map((one) => one.digest).sort());
    assert.deepEqual(readdirSync(join(third.store, "blobs/sha256")), [], "nothing of it stays here");
    const warm = await new Machine("mounted-4").build(["--cache-from", `${other.host}/mounted:cache`, dir]);
    assert.deepEqual([warm.id, warm.done], [first.id, []]);
  } finally {
    await other.close();
  }
});

test("a changed source: only what comes after it is executed, on layers that come when a process needs them", { skip }, async () => {
  const dir = context("changed");
  const cache = `${registry.host}/changed:cache`;
  await new Machine("changed-1").build(["--cache-to", `type=registry,ref=${cache},mode=max`, dir]);
  nought.write({ "changed/source": "another\n" });
  const second = new Machine("changed-2");
  const both = ["--cache-from", cache, "--cache-to", `type=registry,ref=${cache},mode=max`];
  const built = await second.build(["-t", "changed", ...both, dir]);
  assert.deepEqual(built.done.map(stepOf), ["COPY source", "RUN busybox", "COPY --from=builder", "RUN busybox"]);
  assert.deepEqual(built.cached.map(stepOf), ["COPY --chmod=755", "RUN busybox", "RUN busybox"]);
  await assertWhole(second.store, "a store with layers of a cache and layers on top of them");
  // The cache was renewed: another machine finds all of it.
  assert.deepEqual((await new Machine("changed-3").build(["--cache-from", cache, dir])).done, []);
});

/** `[builder 3/4] COPY source /source` is `COPY source`. */
const stepOf = (label: string) =>
  label
    .replace(/^\[[^\]]*\] /, "")
    .split(" ")
    .slice(0, 2)
    .join(" ");

test("mode=min holds the layers of the result: enough for an unchanged build, and stages before it are made anew when they change", {
  skip,
}, async () => {
  const dir = context("min");
  const cache = join(nought.dir, "min-cache");
  const first = await new Machine("min-1").build(["-t", "min", "--cache-to", `type=local,dest=${cache}`, dir]);
  const image = JSON.parse((await new Machine("min-1").run(["image", "inspect", "min"])).stdout)[0];
  assert.equal(documentsOf(cache).manifest.layers.length, image.RootFS.Layers.length);
  const second = new Machine("min-2");
  const again = join(nought.dir, "min-cache-again");
  const warm = await second.build(["-t", "min", "--cache-from", `type=local,src=${cache}`, "--cache-to", `type=local,dest=${again}`, dir]);
  assert.deepEqual([warm.id, warm.done, warm.cached.length], [first.id, [], 7]);
  assert.equal((await second.run(["cat", "min", "/last"])).stdout, "source\n");
  await assertWhole(second.store, "a store that was filled from a small cache");
  assert.deepEqual(documentsOf(again).config, documentsOf(cache).config, "a cache that is written anew says the same");
  nought.write({ "min/source": "another\n" });
  const changed = await new Machine("min-3").build(["--cache-from", `type=local,src=${cache}`, dir]);
  assert.deepEqual(changed.done.map(stepOf), ["RUN busybox", "COPY source", "RUN busybox", "COPY --from=builder", "RUN busybox"]);
  assert.deepEqual(changed.cached.map(stepOf), ["COPY --chmod=755", "RUN busybox"]);
  // A stage that is the same in the end stops what comes after it from being made anew.
  nought.write({ "min/source": "source\n" });
  const text = readFileSync(join(nought.dir, "min/Dockerfile"), "utf8");
  nought.write({ "min/Dockerfile": text.replace("/dev/urandom > /out/noise", "/dev/zero > /out/noise") });
  const same = await new Machine("min-4").build(["--cache-from", `type=local,src=${cache}`, dir]);
  assert.deepEqual(same.done.map(stepOf), ["RUN busybox", "COPY source", "RUN busybox"]);
  assert.equal(same.id, first.id);
});

/** The documents of the first cache of a layout, and a way to put others in their place. */
function documentsOf(dir: string) {
  const read = (digest: string) => JSON.parse(readFileSync(join(dir, "blobs", digest.replace(":", "/")), "utf8"));
  const write = (value: object) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    writeFileSync(join(dir, "blobs", digest.replace(":", "/")), bytes);
    return { digest, size: bytes.length };
  };
  const index = JSON.parse(readFileSync(join(dir, "index.json"), "utf8"));
  const manifest = read(index.manifests[0].digest);
  const config = read(manifest.config.digest);
  return {
    index,
    manifest,
    config,
    replace(other: object): void {
      Object.assign(manifest.config, write(other));
      Object.assign(index.manifests[0], write(manifest));
      writeFileSync(join(dir, "index.json"), JSON.stringify(index));
    },
  };
}

test("an image with its cache inside: found with type=registry, and the same image again", { skip }, async () => {
  const dir = context("inline");
  const name = `${registry.host}/inline:1`;
  const args = ["--cache-to", "type=inline", "-o", `type=registry,name=${name}`, dir];
  const first = await new Machine("inline-1").build(args);
  const { config } = await manifestOf(registry.host, "inline", "1");
  assert.equal(config.digest, first.id);
  await using proxy = await watch(registry.host);
  const second = await new Machine("inline-2").build(["--cache-from", `type=registry,ref=${proxy.host}/inline:1`, ...args]);
  assert.deepEqual(second.done, []);
  assert.equal(second.id, first.id);
  assert.deepEqual(blobsRead(proxy.log), [config.digest]);
  // Whoever builds on it does not carry its cache on.
  nought.write({ "on-inline/Dockerfile": `FROM ${name}\nCOPY Dockerfile /d\n` });
  const third = new Machine("inline-3");
  await third.build(["-t", "on-inline", "-o", "type=oci,tar=false,dest=on-inline-image", "on-inline"]);
  assert.equal(documentsOf(join(nought.dir, "on-inline-image")).config["moby.buildkit.cache.v0"], undefined);
});

test("several caches: each gives what it has, one that is not there or cannot be read is a note", { skip }, async () => {
  const [one, two] = [context("several-1"), context("several-2", RUNS, "other\n")];
  const caches = [1, 2].map((n) => join(nought.dir, `several-cache-${n}`)) as [string, string];
  await new Machine("several-1").build(["--target", "builder", "--cache-to", `type=local,dest=${caches[0]},mode=max`, one]);
  await new Machine("several-2").build(["--cache-to", `type=local,dest=${caches[1]},mode=max`, two]);
  const from = [`type=local,src=${caches[0]}`, `type=local,src=${caches[1]}`, "127.0.0.1:1/none", `${registry.host}/never:written`];
  const third = await new Machine("several-3").build([...from.flatMap((text) => ["--cache-from", text]), one]);
  // The greeting of the second cache stands on the same base; the rest of its image does not fit.
  assert.match(third.said, /NOTE: the build cache at 127\.0\.0\.1:1\/none:latest cannot be read: /);
  assert.match(third.said, /NOTE: there is no build cache at \S*\/never:written yet/);
  const greeting = third.cached.some((label) => label.endsWith("> /greeting"));
  assert.equal(greeting, true, third.said);
});

test("a cache that cannot be written fails the build, or is a note with ignore-error=true; the image stands either way", {
  skip,
}, async () => {
  const dir = context("broken", "FROM scratch\nCOPY source /s\n");
  const machine = new Machine("broken");
  const to = "type=registry,ref=127.0.0.1:1/no:cache";
  const failed = await machine.run(["build", "-t", "broken:1", "--cache-to", to, dir]);
  assert.equal(failed.status, 6, failed.stderr);
  assert.match(failed.stderr, /127\.0\.0\.1:1\/.*connection refused/);
  const ran = await machine.run(["build", "-t", "broken:2", "--progress=plain", "--cache-to", `${to},ignore-error=true`, dir]);
  assert.equal(ran.status, 0, ran.stderr);
  assert.match(ran.stderr, /NOTE: the build cache could not be written to 127\.0\.0\.1:1\/no:cache: /);
  assert.equal((await machine.run(["images", "-q", "broken"])).stdout.trim().split("\n").length, 2);
});

test("what was done before a build failed is in the store, whatever made it fail", { skip }, async () => {
  const dir = context("failed", `${RUNS}RUN busybox false\n`);
  const machine = new Machine("failed");
  const failing = await machine.run(["build", "--network=none", dir]);
  assert.equal(failing.status, 8, failing.stderr);
  nought.write({ "failed/Dockerfile": RUNS });
  const unwritten = await machine.run(["build", "--network=none", "--cache-to", "127.0.0.1:1/no:cache", dir]);
  assert.equal(unwritten.status, 6, unwritten.stderr);
  const after = await machine.build(["--cache-to", "type=inline", dir]);
  assert.deepEqual(after.done, []);
  const both = ["--platform=linux/amd64,linux/arm64", "-o", "type=oci,dest=failed.tar"];
  nought.write({ "failed/Dockerfile": "FROM scratch\nCOPY source /a\nCOPY source /b\n" });
  const index = await machine.run(["build", ...both, "--cache-to", "127.0.0.1:1/no:cache", dir]);
  assert.equal(index.status, 6, index.stderr);
  assert.deepEqual((await machine.build([...both, dir])).done, []);
});

test("a cache of another platform gives what is the same there, and nothing else", { skip }, async () => {
  const text =
    "FROM scratch AS files\nCOPY source /s\nFROM scratch\nARG TARGETARCH\nCOPY --from=files /s /s\nCOPY <<E /arch\n$TARGETARCH\nE\n";
  const dir = context("platform", text);
  const cache = join(nought.dir, "platform-cache");
  await new Machine("platform-1").build(["--platform=linux/arm64", "--cache-to", `type=local,dest=${cache},mode=max`, dir]);
  const second = await new Machine("platform-2").build(["--platform=linux/amd64", "--cache-from", `type=local,src=${cache}`, dir]);
  assert.deepEqual([second.cached.map(stepOf), second.done.map(stepOf)], [["COPY source", "COPY --from=files"], ["COPY <<E"]]);
  const cold = await new Machine("platform-3").build(["--platform=linux/amd64", dir]);
  assert.equal(second.id, cold.id);
  const both = ["--platform=linux/amd64,linux/arm64", "-o", `type=registry,name=${registry.host}/platform:1`, "--cache-to"];
  await new Machine("platform-4").build([...both, `type=inline`, dir]);
  const warm = await new Machine("platform-5").build([
    ...both,
    `type=registry,ref=${registry.host}/platform:cache`,
    "--cache-from",
    `${registry.host}/platform:1`,
    dir,
  ]);
  assert.deepEqual(warm.done, [], warm.said);
});

test("with SOURCE_DATE_EPOCH the same image comes from a cache, from another machine and from files of another time", {
  skip,
}, async () => {
  const dir = context("epoch");
  const text = readFileSync(join(nought.dir, dir, "Dockerfile"), "utf8").replaceAll("/dev/urandom", "/bin/busybox");
  nought.write({ [`${dir}/Dockerfile`]: text });
  const cache = join(nought.dir, "epoch-cache");
  const env = { SOURCE_DATE_EPOCH: "1700000000" };
  const first = await new Machine("epoch-1").build(["--cache-to", `type=local,dest=${cache},mode=max`, dir], env);
  utimesSync(join(nought.dir, dir, "source"), 1_600_000_000, 1_600_000_000);
  const second = await new Machine("epoch-2").build(["--cache-from", `type=local,src=${cache}`, dir], env);
  const cold = await new Machine("epoch-3").build([dir], env);
  assert.deepEqual(second.done, []);
  assert.deepEqual([second.id, cold.id], [first.id, first.id]);
  // Without it the keys are others.
  const without = await new Machine("epoch-4").build(["--cache-from", `type=local,src=${cache}`, dir]);
  assert.deepEqual(without.cached, []);
});

test("no secret and no build argument is in a cache, packed or unpacked", { skip }, async () => {
  const dir = context(
    "secret",
    RUNS.replace("RUN busybox echo hello", "ARG A\nRUN --mount=type=secret,id=s busybox test -s /run/secrets/s; busybox echo hello"),
  );
  const cache = join(nought.dir, "secret-cache");
  const marker = "marker-of-a-secret";
  const args = ["--secret", "id=s,env=SECRET", "--build-arg", `A=${marker}-in-an-argument`];
  await new Machine("secret").build([...args, "--cache-to", `type=local,dest=${cache},mode=max,compression=uncompressed`, dir], {
    SECRET: marker,
  });
  const blobs = readdirSync(join(cache, "blobs/sha256"));
  assert(blobs.length > 5);
  for (const name of blobs) assert(!readFileSync(join(cache, "blobs/sha256", name)).includes(marker), name);
});

test("S26: a cache whose layer is gone, or has other bytes than it says, is told of and left alone; the image is right", {
  skip,
}, async () => {
  const dir = context("lies");
  const first = await new Machine("lies-1").build(["--cache-to", "type=local,dest=lies-cache,mode=max", dir]);
  const cache = join(nought.dir, "lies-cache");
  const spoil: Record<string, (documents: ReturnType<typeof documentsOf>, copy: string) => void> = {
    gone: ({ manifest }, copy) => {
      for (const layer of manifest.layers) rmSync(join(copy, "blobs", layer.digest.replace(":", "/")));
    },
    "other bytes": ({ manifest }, copy) => {
      for (const layer of manifest.layers) {
        const path = join(copy, "blobs", layer.digest.replace(":", "/"));
        chmodSync(path, 0o644);
        writeFileSync(path, Buffer.alloc(layer.size));
      }
    },
    "another's layer": ({ config, replace }) => {
      // The largest is the one that every process needs.
      const [one, two] = [...config.layers].sort((a, b) => b.annotations.size - a.annotations.size);
      [one.annotations.diffID, two.annotations.diffID] = [two.annotations.diffID, one.annotations.diffID];
      replace(config);
    },
  };
  for (const [what, change] of Object.entries(spoil)) {
    const copy = join(nought.dir, `lies-${what.replaceAll(/\W/g, "-")}`);
    cpSync(cache, copy, { recursive: true });
    change(documentsOf(copy), copy);
    const machine = new Machine(`lies-${what.replaceAll(/\W/g, "-")}`);
    // A changed source makes a process want the layers below.
    nought.write({ [`${dir}/source`]: `${what}\n` });
    const built = await machine.build(["-t", "lies", "--cache-from", `type=local,src=${copy}`, dir]);
    assert.match(built.said, /NOTE: a build cache does not hold what it says \(.*\); building without it/, what);
    assert.notEqual(built.id, first.id);
    const shown = await machine.run(["cat", "lies", "/last"]);
    assert.equal(shown.stdout, `${what}\n`, shown.stderr);
    await assertWhole(machine.store, what);
  }
});

test("a prune beside a build that takes its layers from a cache", { skip }, async () => {
  const dir = context("prune");
  const cache = `${registry.host}/prune:cache`;
  const first = await new Machine("prune-1").build(["--cache-to", `type=registry,ref=${cache},mode=max`, dir]);
  const machine = new Machine("prune-2");
  const over = new AbortController();
  const pruning = (async () => {
    for (let n = 0; !over.signal.aborted && n < 200; n++) {
      const ran = await machine.run(n % 2 ? ["image", "prune", "-af"] : ["builder", "prune", "-af"]);
      assert.equal(ran.status, 0, ran.stderr);
    }
  })();
  try {
    for (let n = 0; n < 3; n++) {
      const to = `type=registry,ref=${registry.host}/prune:again${n},mode=max,compression=zstd,force-compression=true`;
      const built = await machine.build(["-t", `prune:${n}`, "--cache-from", cache, "--cache-to", to, dir]);
      assert.equal(built.id, first.id);
    }
  } finally {
    over.abort();
    await pruning;
  }
  await assertWhole(machine.store, "a store that was pruned meanwhile");
  const last = await new Machine("prune-3").build(["--cache-from", `${registry.host}/prune:again2`, dir]);
  assert.deepEqual(last.done, []);
});

test("through a network that breaks everything a cache never makes a build wrong, nor fail where it may not", { skip }, async () => {
  const text = RUNS.replaceAll("/dev/urandom", "/bin/busybox");
  const dir = context("faulty", text);
  const cache = "faulty:cache";
  const env = { SOURCE_DATE_EPOCH: "1700000000" };
  const first = await new Machine("faulty").build(["--cache-to", `type=registry,ref=${registry.host}/${cache},mode=max`, dir], env);
  for (let seed = 1; seed <= FAULTY_BUILDS; seed++) {
    const proxy = await startFaultyProxy({ upstream: registry.host, seed, rate: 0.3, holdMs: 1000 });
    try {
      const machine = new Machine(`faulty-${seed}`);
      const to = `type=registry,ref=${proxy.host}/faulty:again,mode=max,ignore-error=true`;
      const built = await machine.build(["-t", "faulty", "--cache-from", `${proxy.host}/${cache}`, "--cache-to", to, dir], env);
      assert.equal(built.id, first.id, `seed ${seed}: ${built.said}`);
      await assertWhole(machine.store, `seed ${seed}`);
    } finally {
      await proxy.stop();
    }
  }
});

test("Debian's docker-registry keeps both forms of a cache", { ...noRegistry, ...(skip ? { skip } : {}) }, async () => {
  const debian = await startRegistry();
  try {
    const dir = context("debian");
    for (const form of ["image-manifest=true", "image-manifest=false", "oci-mediatypes=false"]) {
      const cache = `${debian.host}/debian:${form.replace("=", "-")}`;
      await new Machine("debian-1").build(["--cache-to", `type=registry,ref=${cache},mode=max,${form}`, dir]);
      rmSync(new Machine("debian-2").store, { recursive: true, force: true });
      const warm = await new Machine("debian-2").build(["--cache-from", cache, "-o", `type=registry,name=${debian.host}/debian:app`, dir]);
      assert.deepEqual(warm.done, [], form);
    }
  } finally {
    await debian.close();
  }
});

test("a bucket, and the cache of a job of GitHub Actions: what the one machine wrote warms the other", { skip }, async () => {
  const dir = context("services");
  await using bucket = await startBucket();
  await using service = await startCacheService();
  const { accessKeyId, secretAccessKey } = S3_KEYS;
  const env = {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: "here-1",
    ACTIONS_RESULTS_URL: service.url.href,
    ACTIONS_RUNTIME_TOKEN: TOKEN,
  };
  const s3 = `type=s3,bucket=box,endpoint_url=${bucket.endpoint.origin},use_path_style=true,prefix=app/,name=main`;
  const to = ["--cache-to", `${s3},mode=max`, "--cache-to", "type=gha,mode=max"];
  const first = await new Machine("services-1").build([...to, dir], env);
  assert(bucket.objects.has("/box/app/manifests/main"));
  for (const [n, from] of [s3, "type=gha"].entries()) {
    const warm = await new Machine(`services-from-${n}`).build(["--cache-from", from, dir], env);
    assert.deepEqual([warm.id, warm.done], [first.id, []], warm.said);
    assert(!warm.said.includes(secretAccessKey) && !warm.said.includes(TOKEN));
  }
});

test("flags that make no sense are refused before anything is built, and no message holds a key", () => {
  nought.write({ "flags/Dockerfile": "FROM scratch\nCOPY Dockerfile /\n" });
  for (const [flag, value, about] of [
    ["--cache-to", "type=azblob,name=x", /type=azblob: nought keeps build caches in registries, folders, S3 and GitHub Actions/],
    ["--cache-to", "type=tape", /type "tape" is none of registry, local, inline, gha, s3/],
    ["--cache-to", "ref=a", /needs type=/],
    ["--cache-to", "type=registry,ref=a,mode=most", /mode "most" is none of min, max/],
    ["--cache-to", "type=registry,ref=a,image-manifest=true,oci-mediatypes=false", /needs oci-mediatypes=true/],
    ["--cache-to", "type=registry,ref=a,compression=estargz", /nought writes uncompressed, gzip and zstd/],
    ["--cache-to", "type=registry", /needs ref=NAME/],
    ["--cache-to", "type=local", /needs dest=FOLDER/],
    ["--cache-to", "type=local,dest=x,ignore-error=perhaps", /ignore-error=perhaps is neither true nor false/],
    ["--cache-from", "type=local,dest=x", /needs src=FOLDER/],
    ["--cache-from", "type=inline", /is read with type=registry,ref=IMAGE/],
    ["--cache-from", "type=registry,ref=a,mode=max", /unknown attribute mode/],
    ["--cache-to", "type=s3,region=x,secret_access_key=marker", /type=s3 needs bucket/],
    ["--cache-to", "type=s3,bucket=b,region=x,access_key_id=a,secret_access_key=marker,what=marker", /unknown attribute what/],
    ["--cache-to", "type=s3,bucket=b,region=x,secret_access_key=marker,marker", /field 5 has no =/],
    ["--cache-to", "type=s3,bucket=b/../c,region=x,secret_access_key=marker", /bucket is no name/],
    ["--cache-to", "type=gha,url=ftp://marker/,token=marker", /url of a cache is not an address/],
  ] as const) {
    const ran = nought.run(["build", flag, value, "flags"]);
    assert.match(ran.stderr, about, value);
    assert(ran.status > 0, value);
    assert.doesNotMatch(ran.stderr, /marker/);
  }
  const outside = nought.run(["build", "--progress=plain", "--cache-to", "type=gha", "--cache-from", "type=gha", "flags"]);
  assert.equal(outside.status, 0, outside.stderr);
  assert.match(outside.stderr, /NOTE: a build cache of type=gha is left out: this is no job of GitHub Actions/);
});
