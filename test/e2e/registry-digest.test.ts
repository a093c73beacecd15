/** Images that a registry has by their digest alone: build, push and copy set no tag, and what they tell is what the registry has. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Ran, run } from "../golden/run.ts";
import { program } from "../program.ts";
import { startOwnRegistry, type TestRegistry } from "../registries.ts";
import { hasRegistry, startRegistry } from "../registry.ts";
import { ask } from "../suites/distribution-requests.ts";

const nought = await program();
const registries: readonly (readonly [string, TestRegistry])[] = [
  ["nought's registry", await startOwnRegistry()],
  ...(hasRegistry ? [["docker-registry", await startRegistry()] as const] : []),
];
after(async () => {
  for (const [, one] of registries) await one.close();
});
nought.write({
  "ctx/Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY . /\nCOPY <<E /arch\n$TARGETARCH\nE\n",
  "ctx/words": "words ".repeat(9_000),
});

const told = (...words: string[]): Promise<Ran> => run(nought.command, words, { cwd: nought.dir, env: nought.env });
async function out(...words: string[]): Promise<string> {
  const ran = await told(...words);
  assert.equal(ran.status, 0, `${words.join(" ")}: ${ran.stderr}`);
  return ran.stdout;
}
const file = (name: string) => readFileSync(join(nought.dir, name), "utf8");
const ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
const NONE = `sha256:${"0".repeat(64)}`;

for (const [kind, { host }] of registries) {
  /** What is there by digest is there, and no tag is. */
  const there = async (repository: string, digest: string) => {
    assert.equal((await ask(host, "GET", `/v2/${repository}/manifests/${digest}`, { accept: ACCEPT })).status, 200, digest);
    const { status, json } = await ask(host, "GET", `/v2/${repository}/tags/list`);
    // Debian's registry knows no repository without a tag.
    assert.deepEqual(status === 404 ? [] : (json().tags ?? []), []);
    assert.equal(await out("pull", "-q", `${host}/${repository}@${digest}`), `${host}/${repository}@${digest}\n`);
  };

  test(`${kind}: build -o push-by-digest=true tells the digest that the registry has`, async () => {
    for (const [repository, ...words] of [
      ["one", "-o", `type=image,name=${host}/one,push-by-digest=true,name-canonical=true,push=true`],
      ["two", "-t", `${host}/two`, "-o", "type=registry,push-by-digest=true,compression=zstd"],
      ["three", "-t", `${host}/three`, "-o", "type=registry,push-by-digest=true", "--platform", "linux/amd64,linux/arm64"],
    ] as const) {
      await out("build", "-q", ...words, "--metadata-file", "md", "--digest-file", "digest", "ctx");
      const md = JSON.parse(file("md")) as Record<string, string>;
      assert.equal(md["containerimage.digest"], file("digest"));
      await there(repository, file("digest"));
    }
    const archive = await told("build", "-o", "type=oci,dest=x.tar,push-by-digest=true", "ctx");
    assert.match(archive.stderr, /type=oci cannot be pushed/);
    const tagged = await told("build", "-o", `type=registry,name=${host}/one:x,push-by-digest=true`, "ctx");
    assert.equal(tagged.status, 2);
    assert.match(tagged.stderr, /can't push tagged ref .*\/one:x by digest/);
  });

  test(`${kind}: what --push told is what the registry has, though the store has its layers plain`, async () => {
    for (const platforms of ["linux/amd64", "linux/amd64,linux/arm64"]) {
      await out("build", "-q", "--platform", platforms, "-t", `${host}/said:1`, "--push", "--metadata-file", "md", "ctx");
      const { status, bytes } = await ask(host, "GET", "/v2/said/manifests/1", { accept: ACCEPT });
      assert.equal(status, 200);
      const { "containerimage.digest": digest } = JSON.parse(file("md")) as Record<string, string>;
      assert.equal((await out("copy", "-q", `docker://${host}/said@${digest}`, "dir:said")).trim(), digest);
      assert.equal(file("said/manifest.json"), bytes.toString());
    }
  });

  test(`${kind}: push NAME@DIGEST sends the very manifest of the store, packed or plain`, async () => {
    await out("build", "-q", "-t", `${host}/pushed:1`, "ctx");
    const plain = (await out("images", "--digests", "--format", "{{.Digest}}", `${host}/pushed:1`)).trim();
    assert.match(await out("push", `${host}/plain@${plain}`), new RegExp(`\\n${plain.slice(7, 19)}: digest: ${plain} size: \\d+\\n$`));
    await there("plain", plain);
    await out("push", "-q", "--digestfile", "digest", `${host}/pushed:1`);
    assert.notEqual(file("digest"), plain);
    assert.match(await out("push", `${host}/packed@${file("digest")}`), /: Mounted from pushed\n/);
    await there("packed", file("digest"));
    const none = await told("push", `${host}/plain@${NONE}`);
    assert.equal(none.status, 1);
    assert.match(none.stderr, /does not exist locally with the digest/);
    assert.match((await told("push", `${host}/plain:1@${plain}`)).stderr, /give a tag, or a digest/);
  });

  test(`${kind}: copy to docker://NAME@DIGEST: stored as it is or packed, whichever the digest says; no other`, async () => {
    const plain = (await out("images", "--digests", "--format", "{{.Digest}}", `${host}/pushed:1`)).trim();
    for (const digest of [plain, file("digest")]) {
      assert.equal(await out("copy", `${host}/pushed:1`, `docker://${host}/copied@${digest}`), `${digest}\n`);
      assert.equal(await out("copy", `docker://${host}/copied@${digest}`, `docker://${host}/again@${digest}`), `${digest}\n`);
    }
    for (const from of [`${host}/pushed:1`, `docker://${host}/pushed:1`]) {
      const other = await told("copy", from, `docker://${host}/copied@${NONE}`);
      assert.equal(other.status, 2);
      assert.match(other.stderr, /the image that is copied has the digest/);
    }
  });
}
