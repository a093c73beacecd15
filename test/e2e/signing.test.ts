/** Signing, verifying, attesting and the policy as whole programs, beside cosign and skopeo where they are. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { noughtCommand } from "../golden/nought.ts";
import { type Ran, run } from "../golden/run.ts";
import { peer } from "../peers.ts";
import { startOwnRegistry } from "../registries.ts";

const dir = mkdtempSync(join(tmpdir(), "nought-signing-"));
const asked: string[] = [];
const registry = await startOwnRegistry(join(dir, "registry"), false, ({ method, url }) => asked.push(`${method} ${url}`));
after(async () => {
  await registry.close();
  rmSync(dir, { recursive: true, force: true });
});
const { host } = registry;
const command = await noughtCommand();
const env = { PATH: process.env.PATH, HOME: join(dir, "home"), NOUGHT_STORE: join(dir, "store"), COSIGN_PASSWORD: "pw", LC_ALL: "C.UTF-8" };
mkdirSync(join(dir, "home"));

/** Runs nought in a folder of its own. */
const tried = (args: readonly string[], more: NodeJS.ProcessEnv = {}, input?: string): Promise<Ran> =>
  run(command, args, { cwd: dir, env: { ...env, ...more }, ...(input === undefined ? {} : { input: Buffer.from(input) }) });
async function nought(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await tried(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** A peer, or undefined after the test was skipped with the reason. */
async function peerOr(t: TestContext, name: string, version?: string): Promise<((...args: string[]) => Promise<Ran>) | undefined> {
  const found = await peer(name, version);
  if (typeof found === "string") {
    t.skip(found);
    return undefined;
  }
  return (...args) => run(found, args, { cwd: dir, env: { ...process.env, COSIGN_PASSWORD: "pw", NO_COLOR: "1" } });
}

await nought("key", "generate");
await nought("key", "generate", "-o", "other");
writeFileSync(join(dir, "predicate.json"), '{"found":[]}');
const context = join(dir, "context");
mkdirSync(context);

/** An image of its own in the registry. Gives its name and what it is called by its digest. */
async function image(name: string): Promise<{ readonly tag: string; readonly pinned: string; readonly digest: string }> {
  writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY word /\n");
  writeFileSync(join(context, "word"), `${name}\n`);
  const tag = `${host}/${name}:1`;
  await nought("build", "-q", "-t", tag, context);
  await nought("push", "-q", "--digestfile", "digest", tag);
  const digest = readFileSync(join(dir, "digest"), "utf8");
  return { tag, digest, pinned: `${host}/${name}@${digest}` };
}

/** A policy file that wants a signature by a key for this registry, and nothing from elsewhere. */
function policy(name: string, requirement: object): string {
  writeFileSync(join(dir, name), JSON.stringify({ default: [{ type: "reject" }], transports: { docker: { [host]: [requirement] } } }));
  return join(dir, name);
}
const byKey = (key: string, type = "matchRepository") => ({
  type: "sigstoreSigned",
  keyPath: join(dir, `${key}.pub`),
  signedIdentity: { type },
});

test("a pair of keys is made for its owner alone, and not overwritten unasked", async () => {
  assert.equal(statSync(join(dir, "cosign.key")).mode & 0o777, 0o600);
  const { status, stderr } = await tried(["key", "generate"]);
  assert.equal(status, 1);
  assert.match(stderr, /^ERROR: cosign\.key is there already\n/);
  await nought("generate-key-pair", "--output-key-prefix", "piped");
  const piped = await tried(["key", "generate", "-f", "-o", "piped"], { COSIGN_PASSWORD: undefined }, "from standard input\n");
  assert.equal(piped.status, 0, piped.stderr);
  assert.doesNotMatch(piped.stderr, /WARNING/);
  const empty = await tried(["key", "generate", "-o", "empty"], { COSIGN_PASSWORD: undefined });
  assert.match(empty.stderr, /^WARNING! The password is empty/);
  const { tag } = await image("piped");
  assert.equal((await tried(["sign", "--key", "piped.key", tag], { COSIGN_PASSWORD: "from standard input" })).status, 0);
  const wrong = await tried(["sign", "--key", "piped.key", tag], { COSIGN_PASSWORD: "other" });
  assert.deepEqual([wrong.status, /the password does not open this key/.test(wrong.stderr)], [1, true]);
});

test("sign and verify: both forms, annotations, keys from the environment, exit code 4 with reasons", async () => {
  const { tag, pinned, digest } = await image("signed");
  const before = await tried(["verify", "--key", "cosign.pub", tag]);
  assert.equal(before.status, 4);
  assert.match(before.stderr, /the repository has no signature of it\nSIGNATURE: /);
  assert.equal(await nought("sign", "--key", "cosign.key", "-a", "env=prod", pinned), `Signed: ${pinned}\n`);
  assert.equal(await nought("sign", "--key", "cosign.key", "-a", "env=prod", pinned), `Signed before, in the same words: ${pinned}\n`);
  const key = readFileSync(join(dir, "cosign.pub"), "utf8");
  const { status, stdout, stderr } = await tried(["verify", "--key", "env://PUB", "-a", "env=prod", tag], { PUB: key });
  assert.equal(status, 0, stderr);
  const said = JSON.parse(stdout) as { critical: { identity: object; image: object; type: string }; optional: object }[];
  assert.deepEqual(said.map(({ critical }) => critical.type).sort(), [
    "cosign container image signature",
    "https://sigstore.dev/cosign/sign/v1",
  ]);
  for (const { critical, optional } of said) {
    assert.deepEqual(critical.identity, { "docker-reference": `${host}/signed` });
    assert.deepEqual(critical.image, { "docker-manifest-digest": digest });
    assert.deepEqual(optional, { env: "prod" });
  }
  assert.match(stderr, /The specified annotations were verified\.[^]*No transparency log was asked/);
  for (const args of [
    ["--key", "other.pub"],
    ["--key", "cosign.pub", "-a", "env=test"],
  ]) {
    const refused = await tried(["verify", ...args, tag]);
    assert.equal(refused.status, 4);
    assert.match(refused.stderr, /no signature holds\n {2}- bundle sha256:[^\n]*\n {2}- signature sha256:/);
  }
});

test("what was signed along is printed as the value it is, and harmless for a terminal", async () => {
  const { tag } = await image("loud");
  const loud = "\u001b[2J\u009b2J\u202eevil";
  await nought("sign", "--key", "cosign.key", "-a", `note=${loud}`, tag);
  const said = await nought("verify", "--key", "cosign.pub", tag);
  assert.doesNotMatch(said, /[\u001b\u009b\u202e]/);
  for (const { optional } of JSON.parse(said) as { optional: { note: string } }[]) assert.equal(optional.note, loud);
  const { status, stderr } = await tried(["verify", "--key", "cosign.pub", "-a", `note=${loud}!`, tag]);
  assert.equal(status, 4);
  assert.doesNotMatch(stderr, /[\u001b\u009b\u202e]/);
});

test("what cannot be signed is said: no key, a log, a store's image, a place without signatures", async () => {
  const { tag } = await image("unsigned");
  for (const [args, status, why] of [
    [["sign", tag], 2, /sign needs a key/],
    [["sign", "--key", "cosign.key", "--tlog-upload", tag], 1, /does not speak to transparency logs[^]*cosign sign --key/],
    [["sign", "--key", "awskms://x", tag], 1, /keys of awskms are not supported/],
    [["sign", "--key", "cosign.pub", tag], 1, /a private key is wanted/],
    [["sign", "--key", "cosign.key", "oci:folder"], 1, /signatures are kept in registries[^]*Push the image first/],
    [["sign", "--key", "cosign.key", `${host}/unsigned:2`], 1, /the registry has no such image[^]*`nought push` the image first/],
    [["verify", "--key", "nothing.pub", tag], 1, /nothing\.pub: no such file/],
    [["attest", "--key", "cosign.key", tag], 2, /--predicate FILE/],
    [["attest", "--key", "cosign.key", "--predicate", "predicate.json", "--type", "no such", tag], 2, /neither a URI nor one of/],
  ] as const) {
    const ran = await tried(args);
    assert.equal(ran.status, status, ran.stderr);
    assert.match(ran.stderr, why);
  }
  assert.equal((await tried(["sign", "--key", "cosign.key", "--tlog-upload=false", tag])).status, 0);
});

test("attest and verify-attestation: statements by type, in both forms", async () => {
  const { tag, pinned, digest } = await image("attested");
  assert.equal(
    await nought("attest", "--key", "cosign.key", "--predicate", "predicate.json", "--type", "vuln", pinned),
    `Attested: ${pinned}\n`,
  );
  const lines = (await nought("verify-attestation", "--key", "cosign.pub", "--type", "vuln", "--format", "text", tag)).trim().split("\n");
  assert.equal(lines.length, 2);
  for (const line of lines) {
    const { subject, predicate } = JSON.parse(line) as { subject: unknown; predicate: unknown };
    assert.deepEqual(subject, [{ name: `${host}/attested`, digest: { sha256: digest.slice(7) } }]);
    assert.deepEqual(predicate, { found: [] });
  }
  const other = await tried(["verify-attestation", "--key", "cosign.pub", "--type", "spdxjson", tag]);
  assert.equal(other.status, 4);
  assert.match(other.stderr, /it is of the type https:\/\/cosign\.sigstore\.dev\/attestation\/vuln\/v1/);
});

test("an index is signed by itself, and with --recursive all that it lists", async () => {
  const [one, two] = [await image("part/one"), await image("part/two")];
  const list = `${host}/part/list:1`;
  await nought("manifest", "create", list, one.tag, two.tag);
  await nought("manifest", "push", list);
  assert.equal((await nought("sign", "--key", "cosign.key", list)).split("\n").length - 1, 1);
  assert.equal((await tried(["verify", "--key", "cosign.pub", `${host}/part/list@${one.digest}`])).status, 4);
  assert.equal((await nought("sign", "--key", "cosign.key", "-r", list)).split("\n").length - 1, 3);
  assert.equal((await tried(["verify", "--key", "cosign.pub", `${host}/part/list@${one.digest}`])).status, 0);
});

test("a policy lets in what is signed: pull, bases, COPY --from, run and copy; layers of the rest are never asked for", async () => {
  const { tag } = await image("base");
  const wanted = policy("wanted.json", byKey("cosign"));
  await nought("rmi", "-f", tag);
  writeFileSync(join(context, "Dockerfile.from"), `FROM ${tag}\nCOPY word /more\n`);
  writeFileSync(join(context, "Dockerfile.copy"), `FROM scratch\nCOPY --from=${tag} /word /more\n`);
  const ways = [
    ["pull", tag],
    ["build", "-f", join(context, "Dockerfile.from"), context],
    ["build", "-f", join(context, "Dockerfile.copy"), context],
    ["create", tag, "/x"],
    ["copy", `docker://${tag}`, "oci:copied"],
  ];
  asked.length = 0;
  for (const [word = "", ...rest] of ways) {
    const { status, stderr } = await tried([word, "--policy", wanted, ...rest]);
    assert.equal(status, word === "create" ? 125 : 4, `${word}: ${stderr}`);
    assert.match(stderr, new RegExp(`${tag} is not allowed by policy .*wanted\\.json: scope ${host}, rule 1, sigstoreSigned`));
  }
  assert.deepEqual(
    asked.filter((one) => one.includes("/blobs/")),
    [],
  );
  assert.equal((await tried(["verify", "--policy", wanted, tag])).status, 4);
  await nought("sign", "--key", "cosign.key", tag);
  assert.match(await nought("verify", "--policy", wanted, tag), /@sha256:\w{64} is allowed by policy .*: scope [\d.:]+, sigstoreSigned\n$/);
  for (const [word = "", ...rest] of ways) {
    const { status, stderr } = await tried([word, "--policy", wanted, ...rest]);
    assert.equal(status, 0, `${word}: ${stderr}`);
    await tried(["rm", "-f", "-a"]);
    await tried(["rmi", "-f", tag]);
  }
});

test("policies: of the environment and the user, reject, GPG, a damaged file", async () => {
  const { tag } = await image("policies");
  await nought("rmi", "-f", tag);
  const refused = async (file: string, why: RegExp, more: NodeJS.ProcessEnv = {}) => {
    const { status, stderr } = await tried(["pull", ...(file === "" ? [] : ["--policy", file]), tag], more);
    assert.equal(status, 4, stderr);
    assert.match(stderr, why);
  };
  await refused(policy("reject.json", { type: "reject" }), /rule 1, reject\nPOLICY: /);
  await refused(policy("gpg.json", { type: "signedBy", keyType: "GPGKeys", keyPath: "/k" }), /GPG simple signing is not read/);
  await refused("", /not allowed by policy .*reject\.json/, { NOUGHT_POLICY: join(dir, "reject.json") });
  const home = join(dir, "strict-home");
  mkdirSync(join(home, ".config/containers"), { recursive: true });
  writeFileSync(join(home, ".config/containers/policy.json"), '{"default":[{"type":"reject"}],"extra":1}');
  await refused("", /policy\.json: the field "extra" is not known\nPOLICY: A policy that cannot be read allows nothing/, { HOME: home });
  writeFileSync(join(home, ".config/containers/policy.json"), '{"default":[{"type":"reject"}]}');
  await refused("", /scope the default, rule 1, reject/, { HOME: home });
  assert.equal((await tried(["pull", "--policy", policy("any.json", { type: "insecureAcceptAnything" }), tag], { HOME: home })).status, 0);
});

test("cosign verifies what nought signs and attests, in both forms", async (t) => {
  const cosign = await peerOr(t, "cosign", "version");
  if (!cosign) return;
  const { tag, pinned, digest } = await image("for-cosign");
  await nought("sign", "--key", "cosign.key", "-a", "env=prod", pinned);
  await nought("attest", "--key", "cosign.key", "--predicate", "predicate.json", "--type", "slsaprovenance1", pinned);
  const common = ["--key", "cosign.pub", "--insecure-ignore-tlog=true", "--allow-http-registry"];
  for (const form of ["--new-bundle-format=true", "--new-bundle-format=false"]) {
    const verified = await cosign("verify", ...common, form, "-a", "env=prod", tag);
    assert.equal(verified.status, 0, verified.stderr);
    assert.match(verified.stdout, new RegExp(digest));
    assert.notEqual((await cosign("verify", ...common, form, "-a", "env=test", tag)).status, 0);
    const attested = await cosign("verify-attestation", ...common, form, "--type", "slsaprovenance1", tag);
    assert.equal(attested.status, 0, attested.stderr);
  }
  assert.equal((await cosign("public-key", "--key", "cosign.key")).stdout, readFileSync(join(dir, "cosign.pub"), "utf8"));
});

test("nought verifies what cosign signs and attests now, with the keys of either", async (t) => {
  const cosign = await peerOr(t, "cosign", "version");
  if (!cosign) return;
  const { tag, pinned } = await image("by-cosign");
  const common = ["-y", "--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "--allow-http-registry"];
  for (const form of ["--new-bundle-format=true", "--new-bundle-format=false"]) {
    const signed = await cosign("sign", ...common, form, pinned);
    assert.equal(signed.status, 0, signed.stderr);
    const attested = await cosign("attest", ...common, form, "--predicate", "predicate.json", "--type", "https://example.org/v1", pinned);
    assert.equal(attested.status, 0, attested.stderr);
  }
  assert.equal((JSON.parse(await nought("verify", "--key", "cosign.pub", tag)) as unknown[]).length, 2);
  const statements = await nought("verify-attestation", "--key", "cosign.pub", "--type", "https://example.org/v1", tag);
  assert.equal(statements.trim().split("\n").length, 2);
});

test("skopeo and nought let in the same images, by signatures of either", async (t) => {
  const skopeo = await peerOr(t, "skopeo");
  if (!skopeo) return;
  const [plain, ours, tagged, theirs] = [await image("p/plain"), await image("p/ours"), await image("p/tagged"), await image("p/theirs")];
  await nought("sign", "--key", "cosign.key", ours.tag);
  await nought("sign", "--key", "cosign.key", "--sign-container-identity", tagged.tag, tagged.tag);
  mkdirSync(join(dir, "registries.d"));
  writeFileSync(join(dir, "registries.d/all.yaml"), "default-docker:\n  use-sigstore-attachments: true\n");
  writeFileSync(join(dir, "pass"), "pw");
  const open = policy("open.json", { type: "insecureAcceptAnything" });
  const copy = (file: string, ...rest: string[]) =>
    skopeo("--registries.d", join(dir, "registries.d"), "--policy", file, "copy", "-q", "--src-tls-verify=false", ...rest);
  const key = ["--sign-by-sigstore-private-key", "cosign.key", "--sign-passphrase-file", "pass"];
  const signed = await copy(open, "--dest-tls-verify=false", ...key, `docker://${theirs.tag}`, `docker://${theirs.tag}`);
  if (signed.stderr.includes("sigstore disabled")) return t.skip("Debian 12 has built its skopeo without sigstore's signatures");
  assert.equal(signed.status, 0, signed.stderr);
  const files = [
    policy("1.json", byKey("cosign")),
    policy("2.json", byKey("cosign", "matchRepoDigestOrExact")),
    policy("3.json", byKey("cosign", "matchExact")),
    policy("4.json", byKey("other")),
  ];
  let allowed = 0;
  for (const file of files) {
    for (const { tag, pinned } of [plain, ours, tagged, theirs]) {
      for (const name of [tag, pinned]) {
        await tried(["rmi", "-f", name]);
        const mine = (await tried(["pull", "-q", "--policy", file, name])).status === 0;
        const other = (await copy(file, `docker://${name}`, "dir:out")).status === 0;
        assert.equal(mine, other, `${file} ${name}: nought ${mine}, skopeo ${other}`);
        if (mine) allowed++;
      }
    }
  }
  assert.equal(allowed, 12);
});
