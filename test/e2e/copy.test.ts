/** `nought copy` between every two kinds of places, compared with skopeo where it is installed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { assertWhole } from "../builds.ts";
import { finished, program } from "../program.ts";
import { startOwnRegistry, type TestRegistry } from "../registries.ts";
import { hasRegistry, startRegistry } from "../registry.ts";
import { ask } from "../suites/distribution-requests.ts";

const nought = await program();
// The program runs beside this process, which serves: it must not be waited for without giving way.
const own = await startOwnRegistry();
const other: TestRegistry = hasRegistry ? await startRegistry() : await startOwnRegistry();
after(async () => {
  await own.close();
  await other.close();
});
const hasSkopeo = spawnSync("skopeo", ["--version"]).status === 0;

const run = (...args: string[]) => nought.aside(args);

async function copy(...args: string[]): Promise<string> {
  const ran = await run("copy", "--quiet", ...args);
  assert.equal(ran.status, 0, `copy ${args.join(" ")}: ${ran.stderr}`);
  return ran.stdout.trim();
}

/** skopeo, of which nothing is asked but to copy. */
async function skopeo(...args: string[]): Promise<void> {
  const { spawn } = await import("node:child_process");
  const all = ["--insecure-policy", "copy", "--quiet", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", ...args];
  const ran = await finished(spawn("skopeo", all, { cwd: nought.dir, env: nought.env, stdio: "pipe" }));
  assert.equal(ran.status, 0, ran.stderr);
}

/** All blobs of a layout, by name, and what its index lists. */
function layoutOf(path: string): { blobs: Map<string, string>; listed: unknown } {
  const folder = join(nought.dir, path, "blobs", "sha256");
  const blobs = new Map(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name), "latin1")]),
  );
  const index = JSON.parse(readFileSync(join(nought.dir, path, "index.json"), "utf8")) as { manifests: unknown };
  return { blobs, listed: index.manifests };
}

nought.write({
  "ctx/Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY big /\nCOPY <<E /arch\n$TARGETARCH\nE\n",
  "ctx/big": Buffer.alloc(3_000_000, "big"),
});

test("an image with several platforms goes the whole round and stays what it is", async () => {
  assert.equal((await run("build", "-q", "--platform", "linux/amd64,linux/arm64", "-t", "multi:1", "ctx")).status, 0);
  const digest = await copy("multi:1", `docker://${own.host}/a/multi:1`);
  const steps: readonly (readonly [string, string])[] = [
    [`docker://${own.host}/a/multi:1`, `docker://${other.host}/b/multi:2`],
    [`docker://${other.host}/b/multi:2`, "oci:layout:tag"],
    ["oci:layout:tag", "oci-archive:archive.tar:tag"],
    ["oci-archive:archive.tar:tag", `docker://${other.host}/c/multi:3`],
    [`docker://${other.host}/c/multi:3`, `docker://${other.host}/d/multi:4`],
    [`docker://${other.host}/d/multi@${digest}`, "store:back:1"],
    ["back:1", "oci:last"],
  ];
  for (const [from, to] of steps) assert.equal(await copy(from, to), digest, `${from} to ${to}`);
  const [first, last] = [layoutOf("layout"), layoutOf("last")];
  assert.deepEqual(last.blobs, first.blobs);
  await assertWhole(nought.env["NOUGHT_STORE"] as string, "after the round");
});

test("the same bytes as skopeo copies, each reading what the other wrote", { skip: !hasSkopeo }, async () => {
  await skopeo(`docker://${own.host}/a/multi:1`, "oci:by-skopeo:tag");
  assert.deepEqual(layoutOf("by-skopeo"), layoutOf("layout"));
  await skopeo("oci-archive:archive.tar:tag", `docker://${own.host}/s/multi:1`);
  await copy(`docker://${own.host}/s/multi:1`, "oci:after-skopeo:tag");
  assert.deepEqual(layoutOf("after-skopeo"), layoutOf("layout"));
});

test("docker's manifests become the OCI's in a layout, which skopeo reads; the image ID stays", async () => {
  await copy("--platform", "linux/amd64", `docker://${own.host}/a/multi:1`, "oci:single:x");
  const index = layoutOf("single").listed as { digest: string }[];
  const manifest = JSON.parse(layoutOf("single").blobs.get(index[0]?.digest.slice(7) ?? "") as string) as {
    mediaType: string;
    config: { mediaType: string; digest: string };
    layers: { mediaType: string; digest: string }[];
  };
  // The same image as docker pushes it.
  const docker = {
    ...manifest,
    mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    config: { ...manifest.config, mediaType: "application/vnd.docker.container.image.v1+json" },
    layers: manifest.layers.map((one) => ({ ...one, mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip" })),
  };
  const put = await ask(
    own.host,
    "PUT",
    "/v2/a/multi/manifests/docker",
    { "content-type": docker.mediaType },
    Buffer.from(JSON.stringify(docker)),
  );
  assert.equal(put.status, 201, put.bytes.toString());
  await copy(`docker://${own.host}/a/multi:docker`, `docker://${other.host}/docker:1`);
  const kept = await ask(other.host, "GET", "/v2/docker/manifests/1", { accept: docker.mediaType });
  assert.equal(kept.bytes.toString(), JSON.stringify(docker), "between registries it stays what it is");
  await copy(`docker://${other.host}/docker:1`, "oci:from-docker:x");
  assert.deepEqual(layoutOf("from-docker"), layoutOf("single"));
  await copy(`docker://${other.host}/docker:1`, "oci-archive:from-docker.tar:x");
  if (hasSkopeo) await skopeo("oci-archive:from-docker.tar:x", "oci:again:x");
});

test("dir: is a folder with a file for each part, as skopeo's; each reads what the other wrote", async () => {
  const digest = await copy("oci:layout:tag", "dir:parts");
  const files = readdirSync(join(nought.dir, "parts"));
  assert.ok(files.includes("version") && files.includes("manifest.json"));
  assert.equal(files.filter((name) => /^[0-9a-f]{64}\.manifest\.json$/.test(name)).length, 2, files.join(" "));
  assert.equal(await copy("dir:parts", `docker://${own.host}/from-dir:1`), digest);
  assert.equal(await copy(`docker://${own.host}/from-dir:1`, "dir:parts"), digest, "again, over what is there");
  assert.deepEqual(readdirSync(join(nought.dir, "parts")), files);
  assert.equal(await copy("dir:parts", "store:from-dir:1"), digest);
  if (hasSkopeo) {
    await skopeo("dir:parts", "dir:parts-again");
    await skopeo("oci:layout:tag", "dir:by-skopeo-too");
    for (const folder of ["parts-again", "by-skopeo-too"]) {
      const names = readdirSync(join(nought.dir, folder));
      assert.deepEqual(names, files);
      for (const name of names)
        assert.deepEqual(readFileSync(join(nought.dir, folder, name)), readFileSync(join(nought.dir, "parts", name)), name);
      assert.equal(await copy(`dir:${folder}`, "store:from-dir:2"), digest);
    }
  }
  // Another image takes the place of the first one, of which nothing stays; a part that was changed is found out.
  const single = await copy("--platform", "linux/arm64", "dir:parts", "dir:parts-again");
  const rest = readdirSync(join(nought.dir, "parts-again")).filter((name) => /^[0-9a-f]{64}/.test(name));
  const { config, layers } = JSON.parse(readFileSync(join(nought.dir, "parts-again/manifest.json"), "utf8")) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  assert.deepEqual(rest, [...new Set([config, ...layers].map((one) => one.digest.slice(7)))].sort());
  assert.equal(await copy("dir:parts-again", "store:from-dir:3"), single);
  const layer = join(nought.dir, "parts-again", layers[0]?.digest.slice(7) as string);
  const bytes = readFileSync(layer);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  writeFileSync(layer, bytes);
  const spoiled = await run("copy", "dir:parts-again", `docker://${own.host}/spoiled:1`);
  assert.equal(spoiled.status, 4, spoiled.stderr);
});

test("a docker archive takes the platform asked for, and comes back as an image", async () => {
  await copy("--platform", "linux/arm64", `docker://${own.host}/a/multi:1`, "docker-archive:one.tar:one:1");
  const loaded = await run("load", "-i", "one.tar");
  assert.match(loaded.stdout, /Loaded image: one:1/);
  assert.equal((await run("image", "inspect", "--format", "{{.Architecture}}", "one:1")).stdout.trim(), "arm64");
  const digest = await copy("docker-archive:one.tar:one:1", `docker://${other.host}/one:1`);
  const got = await ask(other.host, "GET", "/v2/one/manifests/1", { accept: "application/vnd.oci.image.manifest.v1+json" });
  assert.equal(got.headers.get("docker-content-digest"), digest);
});

test("blobs that the target has are neither sent nor fetched; those of a repository beside are mounted", async () => {
  const { startFaultyProxy } = await import("../faulty-proxy.ts");
  const proxy = await startFaultyProxy({ upstream: own.host, seed: 1, rate: 0 });
  try {
    await copy(`docker://${proxy.host}/a/multi:1`, `docker://${proxy.host}/beside/multi:1`);
    const asked = proxy.seen.map((one) => one.url);
    assert.ok(asked.some((url) => url.includes("mount=sha256")));
    assert.equal(asked.filter((url) => url.includes("?digest=") || url.includes("&digest=")).length, 0, "nothing was uploaded");
    const before = proxy.seen.length;
    await copy(`docker://${proxy.host}/a/multi:1`, `docker://${proxy.host}/beside/multi:1`);
    assert.ok(
      proxy.seen.slice(before).every((one) => !one.url.includes("/blobs/")),
      "no blob was touched",
    );
  } finally {
    await proxy.stop();
  }
});

test("`cp` copies images where a transport is named, and files of containers else", async () => {
  const ran = await run("cp", "--quiet", `docker://${own.host}/a/multi:1`, "oci:by-cp:tag");
  assert.equal(ran.status, 0, ran.stderr);
  assert.deepEqual(layoutOf("by-cp"), layoutOf("layout"));
  assert.equal((await run("cp", "store:multi:1", "oci:by-cp2:tag")).status, 0);
  assert.match((await run("cp", "ctx/big", "oci:/x")).stderr, /oci/);
});

test("an image is looked at where it is: manifest and configuration come, no layer and no store", async () => {
  const { startFaultyProxy } = await import("../faulty-proxy.ts");
  const proxy = await startFaultyProxy({ upstream: own.host, seed: 1, rate: 0 });
  const name = `docker://${proxy.host}/a/multi:1`;
  try {
    const arm = await run("image", "inspect", "--platform", "linux/arm64", "--format", "{{.Architecture}} {{len .RootFS.Layers}}", name);
    assert.equal(arm.stdout, "arm64 2\n", arm.stderr);
    const history = await run("history", "--no-trunc", "--format", "{{.CreatedBy}}", name);
    assert.match(history.stdout, /^COPY <<E \/arch.*\nCOPY \/?big \//);
    const raw = await run("manifest", "get", name);
    assert.deepEqual(Buffer.from(raw.stdout), (await ask(own.host, "GET", "/v2/a/multi/manifests/1")).bytes);
    const { layers } = JSON.parse(
      (await ask(own.host, "GET", `/v2/a/multi/manifests/${JSON.parse(raw.stdout).manifests[0].digest}`)).bytes.toString(),
    ) as {
      layers: { digest: string }[];
    };
    for (const { digest } of layers) assert.ok(!proxy.seen.some((one) => one.url.includes(digest)), "a layer was asked for");
    assert.equal((await run("image", "inspect", `docker://${own.host}/none:1`)).status, 1);
  } finally {
    await proxy.stop();
  }
});

test("lists of manifests by hand: in the store and in a registry, where blobs are mounted", async () => {
  const { startFaultyProxy } = await import("../faulty-proxy.ts");
  for (const arch of ["amd64", "arm64"]) {
    assert.equal((await run("build", "-q", "--platform", `linux/${arch}`, "-t", `one-${arch}:1`, "ctx")).status, 0);
    await copy(`one-${arch}:1`, `docker://${own.host}/one:${arch}`);
  }
  type List = { manifests: { digest: string; platform: Record<string, string>; annotations?: Record<string, string> }[] };
  const read = async (name: string) => JSON.parse((await run("manifest", "inspect", name)).stdout) as List;
  const good = async (...args: string[]) => {
    const ran = await run("manifest", ...args);
    assert.equal(ran.status, 0, `${args.join(" ")}: ${ran.stderr}`);
    return ran.stdout.trim();
  };
  await good("create", "list:1", "one-amd64:1");
  assert.equal((await run("manifest", "create", "list:1", "one-amd64:1")).status, 1, "not without --amend");
  await good("add", "list:1", "one-arm64:1", "one-amd64:1");
  await good("annotate", "list:1", "linux/arm64", "--variant", "v8", "--os-features", "a,b", "--annotation", "x=y");
  const list = (await read("list:1")).manifests;
  assert.deepEqual(
    list.map((one) => one.platform),
    [
      { architecture: "amd64", os: "linux" },
      { architecture: "arm64", os: "linux", "os.features": ["a", "b"], variant: "v8" },
    ],
  );
  assert.deepEqual(list[1]?.annotations, { x: "y" });
  const digest = await good("push", "--purge", "list:1", `docker://${own.host}/by-hand:1`);
  const pushed = await ask(own.host, "GET", "/v2/by-hand/manifests/1");
  assert.equal(pushed.headers.get("docker-content-digest"), digest);
  assert.deepEqual((JSON.parse(pushed.bytes.toString()) as List).manifests[1]?.annotations, { x: "y" });
  assert.equal((await run("manifest", "get", "list:1")).status, 1, "--purge took the name away");

  const proxy = await startFaultyProxy({ upstream: own.host, seed: 1, rate: 0 });
  try {
    const name = (rest: string) => `docker://${proxy.host}/${rest}`;
    await good("create", name("there:1"), name("one:amd64"), name("one:arm64"));
    assert.ok(proxy.seen.some((one) => one.url.includes("mount=sha256")));
    assert.ok(!proxy.seen.some((one) => /uploads\/.*digest=/.test(one.url)), "nothing was uploaded");
    assert.equal((await read(name("there:1"))).manifests.length, 2);
    await good("remove", name("there:1"), "linux/amd64");
    assert.deepEqual(
      (await read(name("there:1"))).manifests.map((one) => one.platform["architecture"]),
      ["arm64"],
    );
  } finally {
    await proxy.stop();
  }
  assert.match((await run("manifest", "add", "one-amd64:1", "one-arm64:1")).stderr, /is an image, not a list/);
});

test("lists of images that only a registry has, as docker and podman make them", async () => {
  for (const arch of ["amd64", "arm64"])
    await copy("--platform", `linux/${arch}`, `docker://${own.host}/a/multi:1`, `docker://${own.host}/parts:${arch}`);
  const name = `${own.host}/parts:1`;
  const good = async (...words: string[]) => {
    const ran = await run("manifest", ...words);
    assert.equal(ran.status, 0, ran.stderr);
    return ran.stdout;
  };
  // docker
  assert.equal(
    await good("create", "--insecure", name, `${own.host}/parts:amd64`, `${own.host}/parts:arm64`),
    `Created manifest list ${name}\n`,
  );
  await good("annotate", "--variant", "v8", name, `${own.host}/parts:arm64`);
  await good("push", "--insecure", "--purge", name);
  assert.equal((await run("manifest", "exists", name)).status, 1);
  type Told = { Ref: string; Descriptor: { digest: string; platform: object }; Raw: string; OCIManifest: object }[];
  const told = JSON.parse(await good("inspect", "-v", name)) as Told;
  assert.deepEqual(
    told.map((one) => one.Descriptor.platform),
    [
      { architecture: "amd64", os: "linux" },
      { architecture: "arm64", os: "linux", variant: "v8" },
    ],
  );
  for (const { Ref, Descriptor, Raw, OCIManifest } of told) {
    assert.equal(Ref, `${name}@${Descriptor.digest}`);
    assert.deepEqual(JSON.parse(Buffer.from(Raw, "base64").toString()), OCIManifest);
    assert.equal(Buffer.from(Raw, "base64").toString(), await good("inspect", `${own.host}/parts@${Descriptor.digest}`));
  }
  // podman
  await good("create", "mine");
  assert.equal((await run("images")).stderr, "", "a list of nothing is not damaged");
  assert.match(await good("get", "mine"), /"manifests":\[\]/);
  await good("add", "--all", "--arch", "riscv64", "--annotation", "a=b", "mine", `docker://${own.host}/parts:amd64`);
  await good("annotate", "--index", "--annotation", "of=all", "mine");
  await good("exists", "mine");
  const index = JSON.parse(await good("inspect", "mine")) as {
    manifests: { platform: object; annotations: object }[];
    annotations: object;
  };
  assert.deepEqual(
    [index.annotations, index.manifests.map((one) => [one.platform, one.annotations])],
    [{ of: "all" }, [[{ os: "linux", architecture: "riscv64" }, { a: "b" }]]],
  );
  await good("push", "--all", "--rm", "mine", `docker://${own.host}/mine:1`);
  assert.equal((await run("manifest", "exists", "mine")).status, 1);
  assert.match(
    (await run("manifest", "create", "other", "127.0.0.1:1/x:1")).stderr,
    /x:1 is not in the local store, and its registry says: .*refused/,
  );
});

test("a registry is searched by its catalogue; one that shows none says so", async () => {
  assert.equal((await run("search", `${own.host}/by-ha`)).stdout, `${own.host}/by-hand\n`);
  assert.deepEqual(JSON.parse((await run("search", "--json", "--limit", "1", `${own.host}/multi`)).stdout), [`${own.host}/a/multi`]);
  assert.equal((await run("search", `${own.host}/no-such-thing`)).stdout, "");
  const { createServer } = await import("node:http");
  const closed = createServer((request, response) => {
    response.writeHead(request.url === "/v2/" ? 200 : 404, { "content-type": "application/json" });
    response.end("{}");
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => closed.once("listening", resolve));
  const { port } = closed.address() as { port: number };
  const ran = await run("search", `127.0.0.1:${port}/x`);
  closed.close();
  assert.equal(ran.status, 1);
  assert.match(ran.stderr, /does not let its repositories be listed/);
});

test("mistakes: what is not there, several to choose from, a transport that is not known", async () => {
  for (const [args, status, text] of [
    [["nowhere:1", "oci:x"], 1, /No such image: nowhere:1/],
    [[`docker://${own.host}/none:1`, "oci:x"], 1, /manifest for .* not found/],
    [["oci:layout:other", "store:x"], 1, /no image other/],
    [["docker:/x", "store:x"], 2, /named docker:\/\/NAME/],
    [["oci:layout:tag", "oci:/proc/nought"], 7, /could not create \/proc\/nought/],
    [["docker-daemon:x:1", "store:x"], 1, /the transport docker-daemon: is not supported[^]*docker save NAME \| nought load/],
    [["containers-storage:x:1", "oci:x"], 1, /containers-storage: is not supported[^]*podman save/],
    [["dir:nothing", "store:x"], 1, /nothing does not exist/],
    [["dir:.", "store:x"], 1, /holds no image: it has no manifest.json/],
    [["dir:layout", "store:x"], 1, /holds no image[^]*name it oci:layout/],
    [["oci:layout:tag", "dir:."], 1, /is not empty and no image in skopeo's dir: form/],
    [["oci:layout:tag", `docker://${own.host}/x@sha256:${"0".repeat(64)}`], 2, /has the digest/],
    [["docker-archive:one.tar:two", "store:x"], 1, /no image .*two/],
  ] as const) {
    const ran = await run("copy", ...args);
    assert.equal(ran.status, status, ran.stderr);
    assert.match(ran.stderr, text);
  }
  assert.equal((await run("image", "inspect", "x")).status, 1, "nothing was named");
});
