/** pull and push as whole programs against Debian's docker-registry, beside skopeo. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { program } from "../program.ts";
import { noRegistry, type RunningRegistry, startRegistry, WHO } from "../registry.ts";

const nought = await program();
const skip = "skip" in noRegistry;
const running: RunningRegistry | undefined = skip ? undefined : await startRegistry();
after(() => running?.close());
const host = running?.host ?? "";
const noSkopeo = spawnSync("skopeo", ["--version"]).status !== 0;
const both = skip || noSkopeo ? { skip: "docker-registry or skopeo is not installed" } : {};

nought.write({
  "ctx/Dockerfile": 'FROM scratch\nCOPY . /files/\nCMD ["/files/hello"]\n',
  "ctx/hello": "hello\n",
  "ctx/other": "other\n".repeat(10_000),
});

function skopeo(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("skopeo", args, { encoding: "utf8", cwd: nought.dir, timeout: 60_000 });
  assert.equal(status, 0, stderr);
  return stdout;
}

test("an image is pushed and pulled in docker's words; the second time nothing is sent", noRegistry, () => {
  const name = `${host}/app:1`;
  nought.out("build", "-q", "-t", name, "ctx");
  const pushed = nought.out("push", "--digestfile", "digest", name);
  const digest = readFileSync(join(nought.dir, "digest"), "utf8");
  assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  assert.match(
    pushed,
    new RegExp(`^The push refers to repository \\[${host}/app\\]\n[0-9a-f]{12}: Pushed\n1: digest: ${digest} size: \\d+\n$`),
  );
  assert.match(nought.out("push", name), /: Layer already exists\n/);
  nought.out("rmi", name);
  const pulled = nought.out("pull", name);
  assert.match(
    pulled,
    new RegExp(
      `^1: Pulling from app\n[0-9a-f]{12}: (?:Pull complete|Already exists)\nDigest: ${digest}\nStatus: Downloaded newer image for ${name}\n${name}\n$`,
    ),
  );
  assert.match(nought.out("pull", name), /\nStatus: Image is up to date for /);
  assert.equal(nought.out("pull", "-q", `${host}/app@${digest}`), `${host}/app@${digest}\n`);
});

test("what nought pushed skopeo reads byte for byte, and the other way round, gzip and zstd", both, () => {
  for (const compression of ["gzip", "zstd"]) {
    const name = `${host}/both:${compression}`;
    nought.out("build", "-q", "-t", name, "ctx");
    nought.out("push", "-q", "--compression", compression, "--digestfile", "digest", name);
    const digest = readFileSync(join(nought.dir, "digest"), "utf8");
    assert.equal(skopeo("inspect", "--tls-verify=false", "--format", "{{.Digest}}", `docker://${name}`).trim(), digest);
    skopeo("copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", `docker://${name}`, `docker://${host}/copied:${compression}`);
    nought.out("pull", "-q", `${host}/copied:${compression}`);
    assert.match(nought.out("images", "--digests", "--format", "{{.Digest}}", `${host}/copied:${compression}`), new RegExp(digest));
  }
});

test("an image that is not there, here or there, is told so", noRegistry, () => {
  const pull = nought.run(["pull", `${host}/nothing`]);
  assert.equal(pull.status, 1);
  assert.match(pull.stderr, /manifest for .*\/nothing:latest not found: manifest unknown/);
  const push = nought.run(["push", `${host}/nothing`]);
  assert.equal(push.status, 1);
  assert.match(push.stderr, /An image does not exist locally with the tag: /);
  const refused = nought.run(["pull", "127.0.0.1:1/app"]);
  assert.equal(refused.status, 6);
  assert.match(refused.stderr, /127\.0\.0\.1:1\/.*connection refused/);
});

test("a build pulls its bases and what it copies from, and pushes what it made", noRegistry, () => {
  nought.write({
    "base/Dockerfile": "FROM scratch\nCOPY a /a\nENV WHO=base\n",
    "base/a": "from the base\n",
    "tools/Dockerfile": "FROM scratch\nCOPY b /b\n",
    "tools/b": "from the tools\n",
    "top/Dockerfile": `FROM ${host}/base:1\nCOPY --from=${host}/tools:1 /b /copied\n`,
  });
  for (const name of ["base", "tools"]) {
    nought.out("build", "-q", "-t", `${host}/${name}:1`, name);
    nought.out("push", "-q", `${host}/${name}:1`);
  }
  nought.out("image", "prune", "-af");
  nought.out("builder", "prune", "-af");
  const { status, stderr } = nought.run(["build", "--progress", "plain", "--push", "-t", `${host}/top:1`, "top"]);
  assert.equal(status, 0, stderr);
  assert.match(stderr, new RegExp(`\\[internal\\] load metadata for ${host}/base:1\n`));
  assert.match(stderr, new RegExp(`\\[internal\\] pull ${host}/base:1\n`));
  assert.match(stderr, new RegExp(`pushing manifest for ${host}/top:1@sha256:[0-9a-f]{64} done`));
  assert.equal(nought.out("images", "-q", `${host}/top`), "", "what is pushed is not named here");
  nought.out("pull", "-q", `${host}/top:1`);
  assert.match(nought.out("inspect", "-f", "{{.Config.Env}} {{len .RootFS.Layers}}", `${host}/top:1`), /WHO=base.* 2\n/);
  // What is here is not asked for again, unless --pull says so.
  assert.doesNotMatch(nought.run(["build", "--progress", "plain", "top"]).stderr, /\[internal\] (?:pull|load metadata)/);
  assert.match(nought.run(["build", "--progress", "plain", "--pull", "top"]).stderr, /\[internal\] load metadata for/);
  nought.out("build", "-o", `type=registry,name=${host}/only:1`, "top");
  assert.equal(nought.out("images", "-q", `${host}/only`), "");
  nought.out("pull", "-q", `${host}/only:1`);
  nought.out("build", "-q", "--push", "--load", "-t", `${host}/here-too:1`, "top");
  assert.match(nought.out("images", "-q", `${host}/here-too`), /^[0-9a-f]{12}\n$/);
});

test("a base that no registry has is told in one line", noRegistry, () => {
  nought.write({ "none/Dockerfile": `FROM ${host}/not/there:1\n` });
  const { status, stderr } = nought.run(["build", "none"]);
  assert.equal(status, 1);
  assert.match(stderr, /not\/there:1: not found: neither the local store nor the registry has it/);
});

test("a base whose registry cannot be asked: the name, the reason, and what there is to do without it", () => {
  nought.write({ "away/Dockerfile": "FROM 127.0.0.1:1/base:3\n" });
  const { status, stderr } = nought.run(["build", "away"]);
  assert.equal(status, 6);
  assert.match(stderr, /127\.0\.0\.1:1\/base:3 is not in the local store, and its registry could not be asked: .*connection refused/);
  assert.match(stderr, /nought load[^]*--build-context 127\.0\.0\.1:1\/base:3=docker-image:/);
  assert.match(nought.run(["build", "--pull", "away"]).stderr, /could not be asked[^]*Without --pull what the local store has is taken/);
});

test("login keeps what the registry took, pull uses it, logout forgets it", noRegistry, async () => {
  const locked = await startRegistry({ auth: true });
  try {
    const name = `${locked.host}/secret:1`;
    nought.out("build", "-q", "-t", name, "ctx");
    const stranger = nought.run(["push", name]);
    assert.equal(stranger.status, 5);
    assert.match(stranger.stderr, /nought login 127\.0\.0\.1:/);
    const wrong = nought.run(["login", "-u", WHO.username, "--password-stdin", locked.host], { input: "wrong\n" });
    assert.equal(wrong.status, 5, wrong.stderr);
    assert.equal(existsSync(join(nought.env["HOME"] as string, ".docker/config.json")), false);
    const right = nought.run(["login", "-u", WHO.username, "--password-stdin", locked.host], { input: `${WHO.password}\n` });
    assert.equal(right.stdout, "Login Succeeded\n", right.stderr);
    const file = join(nought.env["HOME"] as string, ".docker/config.json");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    nought.out("push", "-q", name);
    assert.equal(nought.out("tags", `${locked.host}/secret`), "1\n");
    nought.out("pull", "-q", name);
    assert.equal(nought.out("logout", locked.host), `Removing login credentials for ${locked.host}\n`);
    assert.equal(nought.out("logout", locked.host), `Not logged in to ${locked.host}\n`);
    assert.equal(nought.run(["pull", name]).status, 5);
    assert.match(nought.run(["login", locked.host]).stderr, /without a terminal/);
  } finally {
    await locked.close();
  }
});

test("tags are listed, manifests deleted; a registry that keeps tags says how else", noRegistry, () => {
  const name = `${host}/gone:1`;
  nought.out("build", "-q", "-t", name, "ctx");
  nought.out("push", "-q", "--digestfile", "digest", name);
  const digest = readFileSync(join(nought.dir, "digest"), "utf8");
  const tag = nought.run(["delete", name]);
  assert.equal(tag.status, 1);
  assert.match(tag.stderr, new RegExp(`does not take tags away[^]*nought delete ${host}/gone@${digest}`));
  assert.equal(nought.out("delete", `${host}/gone@${digest}`), `Deleted: ${host}/gone@${digest}\n`);
  assert.equal(nought.run(["pull", name]).status, 1);
  assert.equal(nought.out("referrers", `${host}/top:1`), "");
});

test("a registry that deletes nothing, repositories and tags that are not there: said with what to do", noRegistry, async () => {
  const keeps = await startRegistry({ deletes: false });
  try {
    const name = `${keeps.host}/kept:1`;
    nought.out("build", "-q", "-t", name, "ctx");
    nought.out("push", "-q", "--digestfile", "digest", name);
    const digest = readFileSync(join(nought.dir, "digest"), "utf8");
    const kept = nought.run(["delete", `${keeps.host}/kept@${digest}`]);
    assert.equal(kept.status, 1);
    assert.match(kept.stderr, /this registry lets nothing be deleted[^]*REGISTRY_STORAGE_DELETE_ENABLED/);
    for (const [words, about] of [
      [["delete", `${keeps.host}/none:1`], /none:1 is not there\n.*`nought tags /],
      [["delete", `${host}/none@${digest}`], /none@sha256:[0-9a-f]{64} is not there\n/],
      [["tags", `${keeps.host}/none`], /none: the registry knows no such repository.*\n.*`nought search /],
      [["referrers", `${keeps.host}/none:1`], /manifest for .*none:1 not found/],
      [["tags", `${keeps.host}/kept:1`], /wants a repository/],
    ] as const) {
      const ran = nought.run(words);
      assert.match(ran.stderr, about);
      assert.ok(ran.status > 0 && ran.status < 3);
    }
    for (const term of [keeps.host, `${keeps.host}/`, `${keeps.host}/kep`])
      assert.equal(nought.out("search", term), `${keeps.host}/kept\n`);
  } finally {
    await keeps.close();
  }
});

test("create and run pull what the store does not have, unless told never", noRegistry, () => {
  const name = `${host}/started:1`;
  nought.out("build", "-q", "--push", "-t", name, "ctx");
  const never = nought.run(["create", "--pull", "never", name]);
  assert.equal(never.status, 125);
  const made = nought.run(["create", name]);
  assert.equal(made.status, 0, made.stderr);
  assert.match(
    made.stderr,
    /^Unable to find image '.*' locally\n1: Pulling from started\nDigest: sha256:.*\nStatus: Downloaded newer image for /,
  );
  nought.out("rm", made.stdout.trim());
  assert.equal(nought.run(["create", `${host}/nothing:1`]).status, 125);
});

test(
  "of an index only what the platform needs comes; the rest when it is asked for; layers are mounted from repository to repository",
  noRegistry,
  () => {
    for (const platform of ["linux/amd64", "linux/arm64"]) {
      nought.out("build", "-q", "--platform", platform, "-t", `${host}/multi:${platform.slice(6)}`, "--push", "ctx");
    }
    nought.out("build", "-q", "--platform", "linux/amd64,linux/arm64", "-t", `${host}/multi:both`, "--push", "ctx");
    nought.out("image", "prune", "-af");
    nought.out("pull", "-q", "--platform", "linux/arm64", `${host}/multi:both`);
    assert.equal(nought.out("inspect", "-f", "{{.Architecture}}", `${host}/multi:both`), "arm64\n");
    const none = nought.run(["pull", "--platform", "linux/s390x", `${host}/multi:both`]);
    assert.equal(none.status, 1);
    assert.match(none.stderr, /no match for platform linux\/s390x[^]*linux\/amd64/);
    const single = nought.run(["pull", "--platform", "linux/s390x", `${host}/multi:arm64`]);
    assert.match(single.stderr, /is there, but for linux\/arm64, not for the platform linux\/s390x/);
    nought.out("tag", `${host}/multi:both`, `${host}/mounted:1`);
    assert.match(nought.out("push", `${host}/mounted:1`), /: Mounted from multi\n/);
  },
);

test(
  "an index that was pulled for one platform is not made less in its registry; elsewhere the part that is here goes",
  noRegistry,
  async () => {
    const other = await startRegistry();
    try {
      const name = `${host}/kept:all`;
      nought.out("build", "-q", "--platform", "linux/amd64,linux/arm64", "-t", name, "--push", "ctx");
      const before = nought.out("manifest", "get", `docker://${name}`);
      nought.run(["rmi", name]);
      nought.run(["image", "prune", "-af"]);
      nought.out("pull", "-q", name);
      assert.doesNotMatch(nought.out("push", name), /Pushed/);
      assert.equal(nought.out("manifest", "get", `docker://${name}`), before);
      nought.out("tag", name, `${host}/kept:too`);
      nought.out("push", "-q", `${host}/kept:too`);
      assert.equal(nought.out("manifest", "get", `docker://${host}/kept:too`), before);
      nought.out("copy", name, `docker://${host}/kept:copied`);
      assert.equal(nought.out("manifest", "get", `docker://${host}/kept:copied`), before);
      nought.out("copy", name, "store:beside:1");
      assert.equal(nought.out("manifest", "get", "beside:1"), before);
      assert.match(nought.run(["copy", name, "oci:layout"]).stderr, /alone is copied/);
      nought.out("tag", name, `${other.host}/part:1`);
      const pushed = nought.run(["push", `${other.host}/part:1`]);
      assert.match(pushed.stderr, /of 2 manifests in the index 1 are here: sha256:[0-9a-f]{64} alone is copied/);
      const wrong = nought.run(["image", "inspect", "--platform", "linux/arm64", `docker://${other.host}/part:1`]);
      assert.equal(wrong.status, 1);
      assert.match(wrong.stderr, /is for linux\/amd64, not for linux\/arm64/);
    } finally {
      await other.close();
    }
  },
);
