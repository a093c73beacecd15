/** Build caches where something is different or wrong: other platforms, lies, prunes, broken networks, other services, nonsense. */
import assert from "node:assert/strict";
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { S3_KEYS, startBucket } from "../../src/buildcache/testing/bucket.ts";
import { startCacheService, TOKEN } from "../../src/buildcache/testing/cache-service.ts";
import { context, documentsOf, Machine, nought, RUNS, registry, skip, stepOf } from "../build-cache.ts";
import { assertWhole } from "../builds.ts";
import { startFaultyProxy } from "../faulty-proxy.ts";
import { noRegistry, startRegistry } from "../registry.ts";

/** Builds through the faulty proxy. */
const FAULTY_BUILDS = Number(process.env.NOUGHT_FAULTY_BUILDS ?? 3);

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
