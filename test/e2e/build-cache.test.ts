/** --cache-to and --cache-from as a whole program: fresh machines that start warm from a registry, a folder, or an image. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { blobsRead, context, documentsOf, Machine, manifestOf, nought, RUNS, registry, runs, skip, stepOf, watch } from "../build-cache.ts";
import { assertWhole } from "../builds.ts";
import { startOwnRegistry } from "../registries.ts";

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
