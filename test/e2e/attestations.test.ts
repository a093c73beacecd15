/** Provenance of whole builds: where it is put, what it tells and what never, and how it travels. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { digestOf } from "../../src/oci/digest.ts";
import { assertWhole } from "../builds.ts";
import { tar } from "../craft-tar.ts";
import { program } from "../program.ts";
import { startOwnRegistry, type TestRegistry } from "../registries.ts";
import { hasRegistry, startRegistry } from "../registry.ts";

const nought = await program();
const store = nought.env["NOUGHT_STORE"] as string;
const own = await startOwnRegistry();
// Debian's keeps no referrers: what refers to an image is listed under a tag there.
const other: TestRegistry = hasRegistry ? await startRegistry() : await startOwnRegistry();
const ARCHIVE = tar({ name: "Dockerfile", body: "FROM scratch\nCOPY a /a\n" }, { name: "a", body: "of an archive" });
const files = createServer((request, response) => void response.end(request.url?.startsWith("/context.tar") ? ARCHIVE : "fetched"));
await new Promise<void>((resolve) => files.listen(0, "127.0.0.1", resolve));
const fileHost = `127.0.0.1:${(files.address() as AddressInfo).port}`;
after(async () => {
  await own.close();
  await other.close();
  files.closeAllConnections();
  files.close();
});

/** Runs nought while this process goes on serving; the output, or a failed test. */
async function run(...args: string[]): Promise<string> {
  return runWith({}, ...args);
}

async function runWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await nought.aside(args, env);
  assert.equal(status, 0, `nought ${args.join(" ")}: ${stderr}`);
  return stdout;
}

interface Entry {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Told {
  readonly manifest: string;
  readonly carrier: string;
  readonly statement: {
    readonly subject: { readonly name: string; readonly digest: { readonly sha256: string } }[];
    readonly predicate: Predicate;
  };
}

interface Predicate {
  readonly buildDefinition: {
    readonly externalParameters: { readonly request: Readonly<Record<string, unknown>> };
    readonly internalParameters: Readonly<Record<string, unknown>>;
    readonly resolvedDependencies: readonly { readonly uri: string; readonly digest: Readonly<Record<string, string>> }[];
  };
  readonly runDetails: { readonly metadata: Readonly<Record<string, unknown>> };
}

/** To the store and to the registry. */
const PUSH = ["-o", "type=image,push=true"];
const referrers = async (name: string) => JSON.parse(await run("referrers", "--json", name)) as Entry[];
const told = async (name: string, ...flags: string[]) => JSON.parse(await run("attestations", ...flags, name)) as Told[];
const manifestOf = async (name: string) => JSON.parse(await run("manifest", "get", name)) as { manifests?: Entry[]; layers?: Entry[] };
const build = (...args: string[]) => run("build", "-q", ...args);

const DOCKERFILE =
  "FROM scratch AS one\nARG FOO\nCOPY a /a\nFROM scratch\nARG TARGETARCH\nCOPY --from=one /a /b\nCOPY <<E /arch\n$TARGETARCH\nE\n";
// What is said of an image stays with it: tests that count build images of their own.
for (const name of ["ctx", "ctx-two", "ctx-docker", "ctx-travel"])
  nought.write({ [`${name}/Dockerfile`]: DOCKERFILE, [`${name}/a`]: name.repeat(2_000) });

test("without a flag nothing is attested, and a push leaves the image alone", async () => {
  await build("-t", `${own.host}/plain:1`, ...PUSH, "ctx");
  assert.deepEqual(await referrers(`${own.host}/plain:1`), []);
  assert.deepEqual(await told(`${own.host}/plain:1`), []);
  assert.equal((await manifestOf(`docker://${own.host}/plain:1`)).manifests, undefined);
});

for (const [kind, registry] of [
  ["with a list of referrers", own],
  [hasRegistry ? "that keeps none (docker-registry)" : "of our own", other],
] as const)
  test(`--provenance --push to a registry ${kind}: the image keeps its digest, the provenance refers to it`, async () => {
    const name = `${registry.host}/pushed`;
    await build("-t", `${name}:bare`, ...PUSH, "ctx");
    await build("-t", `${name}:said`, ...PUSH, "--provenance", "mode=max", "--build-arg", "FOO=bar", "--metadata-file", "md", "ctx");
    const [bare, said] = [await manifestOf(`docker://${name}:bare`), await manifestOf(`docker://${name}:said`)];
    assert.deepEqual(said, bare, "no index, no unknown platform: the same manifest");
    const [entry, ...more] = await referrers(`${name}:said`);
    assert.deepEqual(more, []);
    assert.equal(entry?.artifactType, "application/vnd.in-toto+json");
    assert.equal(entry?.annotations?.["in-toto.io/predicate-type"], "https://slsa.dev/provenance/v1");
    const [one] = await told(`docker://${name}:said`, "--type", "provenance");
    assert.equal(`sha256:${one?.statement.subject[0]?.digest.sha256}`, one?.manifest);
    assert.deepEqual(one?.statement.predicate.buildDefinition.externalParameters.request["args"], { "build-arg:FOO": "bar" });
    // The store has plain layers and so another manifest; pushing from there says the same of the same.
    await run("push", "-q", `${name}:said`);
    assert.equal((await referrers(`${name}:said`)).length, 1);
  });

test("the same build has the same provenance, whatever the folder, the store and the hour", async () => {
  const { rmSync: remove, cpSync } = await import("node:fs");
  cpSync(join(nought.dir, "ctx"), join(nought.dir, "elsewhere"), { recursive: true, preserveTimestamps: true });
  const artifacts: string[] = [];
  for (const [at, context] of ["ctx", "elsewhere"].entries()) {
    const env = { NOUGHT_STORE: join(nought.dir, `store-${at}`), SOURCE_DATE_EPOCH: "1700000000" };
    await runWith(env, "build", "-q", "-t", `same:${at}`, "--provenance=max", context);
    const list = JSON.parse(await runWith(env, "referrers", "--json", `store:same:${at}`)) as Entry[];
    artifacts.push(...list.map((one) => one.digest));
    // Once more: nothing is added.
    await runWith(env, "build", "-q", "-t", `same:${at}`, "--provenance=max", "--no-cache", context);
    assert.deepEqual(JSON.parse(await runWith(env, "referrers", "--json", `store:same:${at}`)), list);
    remove(env.NOUGHT_STORE, { recursive: true, force: true });
  }
  assert.equal(artifacts.length, 2);
  assert.equal(artifacts[0], artifacts[1]);
});

const HIDDEN = ["s3cret-file", "s3cret-arg", "s3cret-user", "s3cret-pass", "s3cret-query", "s3cret-proxy", "s3cret-env"];

test("secrets, secret arguments, proxies and credentials in URLs stand nowhere in a provenance", async () => {
  const url = `http://s3cret-user:s3cret-pass@${fileHost}/file?token=s3cret-query`;
  nought.write({
    "hide/Dockerfile": `FROM scratch\nARG API_TOKEN\nARG REMOTE\nADD ${url} /one\nADD $REMOTE /two\nCOPY a /$API_TOKEN\n`,
    "hide/a": "a",
    secret: "s3cret-file",
  });
  const secrets = ["--secret", "id=file,src=secret", "--secret", "id=variable,env=HELD", "--build-arg", "API_TOKEN=s3cret-arg"];
  const urls = ["--build-arg", `REMOTE=${url}`, "--build-arg", "HTTP_PROXY=http://s3cret-proxy@proxy:1", "--label", `l=${url}`];
  const flags = [...secrets, ...urls];
  const env = { HELD: "s3cret-env", NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" };
  for (const mode of ["min", "max"]) {
    await runWith(
      env,
      "build",
      "-q",
      "-t",
      `hide:${mode}`,
      `--provenance=mode=${mode}`,
      "-o",
      `type=oci,dest=${mode},tar=false`,
      ...flags,
      "hide",
    );
    let bytes = "";
    for (const file of readdirSync(join(nought.dir, mode, "blobs/sha256"))) {
      const text = readFileSync(join(nought.dir, mode, "blobs/sha256", file), "latin1");
      // The image itself holds what its Dockerfile says; it is what is said of it that counts.
      if (!text.includes("in-toto")) continue;
      bytes += text;
      for (const [, data = ""] of text.matchAll(/"data":"([A-Za-z0-9+/=]*)"/g)) bytes += Buffer.from(data, "base64").toString("latin1");
    }
    assert.ok(bytes.includes("https://slsa.dev/provenance/v1"));
    for (const word of HIDDEN) assert.ok(!bytes.includes(word), `${word} in mode=${mode}`);
    assert.ok(bytes.includes('"secrets":[{"id":"file"},{"id":"variable"}]'));
    const sum = digestOf("fetched").slice(7);
    assert.ok(bytes.includes(`{"uri":"http://${fileHost}/file?token=xxxxx","digest":{"sha256":"${sum}"}}`), "what ADD fetched, by its sum");
    assert.equal(bytes.includes("COPY a /"), mode === "max", "the Dockerfile's text is max's alone");
    assert.equal(bytes.includes("build-arg:"), mode === "max");
  }
});

test("bases are named by the manifests that were used", async () => {
  await build("-t", `${own.host}/base:1`, ...PUSH, "ctx");
  const { digest = "" } = JSON.parse(
    await run("image", "inspect", "--format", '{"digest":"{{index .RepoDigests 0}}"}', `${own.host}/base:1`),
  );
  nought.write({ "from/Dockerfile": `FROM ${own.host}/base:1\nCOPY --from=${own.host}/plain:1 /b /c\n` });
  await build("-t", "from:1", "--provenance=true", "from");
  const [one] = await told("from:1");
  const { resolvedDependencies, externalParameters, internalParameters } = (one as Told).statement.predicate.buildDefinition;
  assert.deepEqual(
    resolvedDependencies.map((dependency) => dependency.uri),
    [`pkg:docker/${own.host}/base@1?platform=linux%2Famd64`, `pkg:docker/${own.host}/plain@1?platform=linux%2Famd64`],
  );
  for (const { digest: sums } of resolvedDependencies) assert.match(sums["sha256"] ?? "", /^[0-9a-f]{64}$/);
  assert.ok(digest.includes("sha256:"));
  assert.equal(externalParameters.request["args"], undefined, "min");
  assert.equal(internalParameters["buildConfig"], undefined, "min");
});

const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const withoutGit = spawnSync("git", ["--version"]).status === 0 ? false : "git is not installed";

test("a git context is named by its commit; all that went in is known then", { skip: withoutGit }, async () => {
  nought.write({ "repo/Dockerfile": "FROM scratch\nCOPY a /a\n", "repo/a": "of a repository" });
  const git = (...args: string[]) => {
    const who = ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "init.defaultBranch=main"];
    const ran = spawnSync("git", [...who, ...args], { cwd: join(nought.dir, "repo"), env: nought.env, encoding: "utf8" });
    assert.equal(ran.status, 0, ran.stderr);
    return ran.stdout.trim();
  };
  git("init", "-q");
  git("add", ".");
  git("commit", "-qm", "one");
  await build("-t", "git:1", "--provenance=true", `file://${join(nought.dir, "repo")}#main`);
  const commit = git("rev-parse", "HEAD");
  const { predicate } = (await told("git:1"))[0]?.statement ?? assert.fail("nothing is said");
  assert.deepEqual(predicate.buildDefinition.resolvedDependencies, [
    { uri: "file:repo#main", digest: { gitCommit: commit, sha1: commit } },
  ]);
  assert.deepEqual(predicate.runDetails.metadata["nought_completeness"], { request: false, resolvedDependencies: true });
  assert.ok(!JSON.stringify(predicate).includes(nought.dir), "no path of this machine");
});

test("a context that was fetched is named by its address, without what is secret in it, and its sum", async () => {
  const url = `http://s3cret-user@${fileHost}/context.tar?k=s3cret-query`;
  await build("-t", "fetched:1", "--provenance=true", url);
  const { predicate } = (await told("fetched:1"))[0]?.statement ?? assert.fail("nothing is said");
  const sum = { sha256: digestOf(ARCHIVE).slice(7) };
  assert.deepEqual(predicate.buildDefinition.resolvedDependencies, [{ uri: `http://${fileHost}/context.tar?k=xxxxx`, digest: sum }]);
  assert.deepEqual(predicate.runDetails.metadata["nought_completeness"], { request: false, resolvedDependencies: true });
});

test("several platforms: one provenance refers to each, in the store, in a layout, in an archive and in a registry", async () => {
  const two = ["--platform", "linux/amd64,linux/arm64", "--provenance=mode=max"];
  const name = `${own.host}/two:1`;
  await build(...two, "-t", name, ...PUSH, "ctx-two");
  const index = await manifestOf(`docker://${name}`);
  assert.deepEqual(
    index.manifests?.map((one) => one.platform?.architecture),
    ["amd64", "arm64"],
  );
  for (const where of [name, `store:${name}`]) assert.equal((await referrers(where)).length, 2, where);
  for (const [architecture, at] of [["amd64", 0] as const, ["arm64", 1] as const]) {
    const [one, ...more] = await told(`docker://${name}`, "--platform", `linux/${architecture}`);
    assert.deepEqual(more, []);
    assert.equal(`sha256:${one?.statement.subject[0]?.digest.sha256}`, index.manifests?.[at]?.digest);
    assert.equal(one?.statement.predicate.buildDefinition.externalParameters.request["platform"], `linux/${architecture}`);
  }
  await build(...two, "-t", "two:1", "-o", "type=oci,dest=two,tar=false", "-o", "type=oci,dest=two.tar", "ctx-two");
  const { manifests } = JSON.parse(readFileSync(join(nought.dir, "two/index.json"), "utf8")) as { manifests: Entry[] };
  assert.equal(manifests.length, 3);
  assert.equal(manifests[0]?.annotations?.["org.opencontainers.image.ref.name"], "1");
  for (const one of manifests.slice(1)) {
    assert.equal(one.artifactType, "application/vnd.in-toto+json");
    assert.equal(one.annotations?.["org.opencontainers.image.ref.name"], undefined);
  }
  for (const where of ["oci:two", "oci-archive:two.tar"]) assert.equal((await referrers(where)).length, 2, where);
});

test("M15: --attest-style=index is docker's index; its attestations count for no platform, and stay with every copy", async () => {
  const name = `${own.host}/docker:1`;
  await build("-t", name, ...PUSH, "--provenance=mode=min", "--attest-style=index", "--metadata-file", "md", "ctx-docker");
  const { manifests = [] } = await manifestOf(`docker://${name}`);
  const [image, attestation, ...more] = manifests;
  assert.deepEqual(more, []);
  assert.deepEqual(image?.platform, { architecture: "amd64", os: "linux" });
  assert.deepEqual(attestation?.platform, { architecture: "unknown", os: "unknown" });
  assert.deepEqual(attestation?.annotations, {
    "vnd.docker.reference.digest": image?.digest,
    "vnd.docker.reference.type": "attestation-manifest",
  });
  assert.deepEqual(await referrers(name), []);
  const [one] = await told(`docker://${name}`);
  assert.equal(
    `sha256:${one?.statement.subject[0]?.digest.sha256}`,
    image?.digest,
    "it followed the layers that were packed for the registry",
  );
  assert.equal(one?.statement.subject[0]?.name, `pkg:docker/${own.host}/docker@1?platform=linux%2Famd64`);
  // The store's own form says the same of its own manifest.
  assert.equal((await told(name)).length, 1);
  const md = JSON.parse(readFileSync(join(nought.dir, "md"), "utf8")) as Record<string, { mediaType: string }>;
  assert.equal(md["containerimage.descriptor"]?.mediaType, "application/vnd.oci.image.index.v1+json");
  // The whole round, by digest.
  const root = (await run("copy", "-q", `docker://${name}`, `docker://${other.host}/copied:1`)).trim();
  for (const [from, to] of [
    [`docker://${other.host}/copied:1`, "oci:round:x"],
    ["oci:round:x", "oci-archive:round.tar:x"],
    ["oci-archive:round.tar:x", "store:round:1"],
    ["store:round:1", `docker://${own.host}/round:1`],
  ] as const)
    assert.equal((await run("copy", "-q", from, to)).trim(), root, `${from} to ${to}`);
  assert.deepEqual((await manifestOf(`docker://${own.host}/round:1`)).manifests, manifests);
  // A pull for one platform takes the image alone.
  const env = { NOUGHT_STORE: join(nought.dir, "store-pull") };
  await runWith(env, "pull", "-q", name);
  assert.equal((await runWith(env, "image", "inspect", "--format", "{{.Architecture}}", name)).trim(), "amd64");
  rmSync(env.NOUGHT_STORE, { recursive: true, force: true });
});

test("referrers travel where they are asked to: copy, pull, save as a layout, load", async () => {
  const name = `${own.host}/travel:1`;
  await build("-t", name, ...PUSH, "--provenance=true", "ctx-travel");
  const [entry] = await referrers(name);
  await run("copy", "-q", `docker://${name}`, `docker://${other.host}/without:1`);
  assert.deepEqual(await referrers(`${other.host}/without:1`), []);
  for (const [from, to] of [
    [`docker://${name}`, `docker://${other.host}/with:1`],
    [`docker://${other.host}/with:1`, "oci:with"],
    ["oci:with", "oci-archive:with.tar:x"],
    ["oci-archive:with.tar", "store:with:1"],
    ["store:with:1", `docker://${own.host}/with:2`],
  ] as const) {
    await run("copy", "-q", "--referrers", from, to);
    const found = await referrers(to.replace(/^docker:\/\//, ""));
    assert.deepEqual(
      found.map((one) => one.digest),
      [entry?.digest],
      to,
    );
  }
  const env = { NOUGHT_STORE: join(nought.dir, "store-travel") };
  await runWith(env, "pull", "-q", name);
  assert.equal(await runWith(env, "referrers", `store:${name}`), "");
  await runWith(env, "pull", "-q", "--referrers", name);
  assert.match(await runWith(env, "referrers", `store:${name}`), new RegExp(entry?.digest ?? "none"));
  rmSync(env.NOUGHT_STORE, { recursive: true, force: true });
  assert.match(await runWith(env, "load", "-i", "with.tar"), /^Loaded image ID: sha256:[0-9a-f]{64}\n$/);
  await runWith(env, "image", "prune", "-f");
  rmSync(env.NOUGHT_STORE, { recursive: true, force: true });
});

test("signatures of both forms travel with their image from registry to registry; provenance can be signed over", async () => {
  const env = { COSIGN_PASSWORD: "of the key" };
  const name = `${own.host}/signed:1`;
  await build("-t", name, ...PUSH, "--provenance=true", "ctx-travel");
  await runWith(env, "key", "generate", "-o", "pair");
  await runWith(env, "sign", "--key", "pair.key", name);
  nought.write({ "said.json": await run("attestations", "--type", "provenance", "--predicate", `docker://${name}`) });
  await runWith(env, "attest", "--key", "pair.key", "--type", "slsaprovenance1", "--predicate", "said.json", name);
  await run("verify-attestation", "--key", "pair.pub", "--type", "slsaprovenance1", name);
  assert.deepEqual((await told(`docker://${name}`)).map((one) => (one as Told & { signed: boolean }).signed).sort(), [false, true]);
  const root = (await run("copy", "-q", "--referrers", `docker://${name}`, `docker://${other.host}/signed:2`)).trim();
  const tags = (await run("tags", `${other.host}/signed`)).split("\n");
  assert.ok(tags.includes(`${root.replace(":", "-")}.sig`), "cosign's older form is a tag");
  const types = (await referrers(`${other.host}/signed:2`)).map((one) => one.artifactType).sort();
  assert.deepEqual(types, [BUNDLE, BUNDLE, "application/vnd.in-toto+json"]);
  await run("verify", "--key", "pair.pub", `${other.host}/signed:2`);
  // By way of a store: what came packed goes packed, so that its signature still holds.
  const apart = { NOUGHT_STORE: join(nought.dir, "store-signed") };
  await runWith(apart, "pull", "-q", "--referrers", `${other.host}/signed:2`);
  await runWith(apart, "tag", `${other.host}/signed:2`, `${own.host}/again:1`);
  assert.match(await runWith(apart, "push", `${own.host}/again:1`), /^3 referrers: Pushed$/m);
  await run("verify", "--key", "pair.pub", `${own.host}/again:1`);
  rmSync(apart.NOUGHT_STORE, { recursive: true, force: true });
});

test("a layout with referrers beside its image is one image: to build from, and to serve", async () => {
  await build("-t", "beside:1", "--provenance=true", "-o", "type=oci,dest=beside,tar=false", "ctx");
  nought.write({ "on/Dockerfile": "FROM base\nCOPY a /more\n", "on/a": "more" });
  await build("-t", "on:1", "--provenance=true", "--build-context", "base=oci-layout://beside", "on");
  const [one] = await told("on:1");
  assert.match(one?.statement.predicate.buildDefinition.resolvedDependencies[0]?.uri ?? "", /^pkg:oci\/beside@sha256:[0-9a-f]{64}$/);
  for (const dir of [join(nought.dir, "beside"), store]) {
    const served = await startOwnRegistry(dir, true);
    try {
      const name = dir === store ? `${served.host}/on:1` : `${served.host}/library/beside:1`;
      const tags = (await run("tags", name.slice(0, name.lastIndexOf(":")))).trim();
      assert.equal(tags, "1");
      assert.equal((await referrers(name)).length, 1);
    } finally {
      await served.close();
    }
  }
});

test("in the store a provenance stays as long as its image, and goes with it", async () => {
  const env = { NOUGHT_STORE: join(nought.dir, "store-gc") };
  await runWith(env, "build", "-q", "-t", "gc:1", "--provenance=max", "ctx");
  await runWith(env, "system", "prune", "-f");
  assert.equal((JSON.parse(await runWith(env, "referrers", "--json", "store:gc:1")) as Entry[]).length, 1);
  await assertWhole(env.NOUGHT_STORE, "after a prune beside the image");
  await runWith(env, "rmi", "gc:1");
  await runWith(env, "system", "prune", "-a", "-f");
  assert.deepEqual(readdirSync(join(env.NOUGHT_STORE, "referrers")), []);
  for (const file of readdirSync(join(env.NOUGHT_STORE, "blobs/sha256")))
    assert.ok(!readFileSync(join(env.NOUGHT_STORE, "blobs/sha256", file), "latin1").includes("in-toto"));
});

test("flags that make no sense are refused, and what has no place for attestations says so", async () => {
  const refused = async (words: RegExp, ...args: string[]) => {
    const ran = nought.run(["build", "-q", ...args, "ctx"]);
    assert.notEqual(ran.status, 0);
    assert.match(ran.stderr, words);
  };
  await refused(/it is min or max/, "--provenance=mode=most");
  await refused(/unknown attribute/, "--provenance=nonsense=1");
  await refused(/neither provenance nor sbom/, "--attest", "type=other");
  await refused(/neither referrers nor index/, "--provenance=true", "--attest-style=beside");
  const ran = nought.run(["build", "--progress", "plain", "--provenance=true", "--sbom=true", "-o", "type=tar,dest=x.tar", "ctx"]);
  assert.equal(ran.status, 0);
  assert.match(ran.stderr, /type=tar has no place for attestations/);
  assert.match(ran.stderr, /--sbom is ignored/);
});

test("after all of it the store is whole", () => assertWhole(store, "after attestations"));
