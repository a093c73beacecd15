import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Failure } from "../../kit/error.ts";
import { formatReference, parseReference } from "../../oci/reference.ts";
import { certificatesFor } from "./certificates.ts";
import { readConfiguration } from "./files.ts";
import { locate } from "./locate.ts";
import { candidates } from "./short-names.ts";

async function within(
  files: Readonly<Record<string, string>>,
  use: (root: string, env: NodeJS.ProcessEnv) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "nought-conf-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    await use(root, { HOME: join(root, "home") });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Where a name is had by one configuration: `host/repository`, marked where it is a mirror or insecure. */
async function places(conf: string, name: string): Promise<string[]> {
  let found: string[] = [];
  await within({ "etc/containers/registries.conf": conf }, async (root, env) => {
    const merged = await readConfiguration(env, root);
    found = locate(parseReference(name), merged).map(
      (one) =>
        `${one.host}/${one.repository}${one.mirror ? " mirror" : ""}${one.insecure ? " insecure" : ""}${one.serves === "all" ? "" : ` ${one.serves}`}`,
    );
  });
  return found;
}

test("without a word a registry is its host, and docker.io the host it means", async () => {
  assert.deepEqual(await places("", "ghcr.example:5000/a/b"), ["ghcr.example:5000/a/b"]);
  assert.deepEqual(await places("", "alpine"), ["registry-1.docker.io/library/alpine"]);
});

test("the longest prefix decides; locations take its place; prefixes end where parts end", async () => {
  const conf = `
[[registry]]
prefix = "a.example"
location = "one.example"
insecure = true
[[registry]]
prefix = "a.example/team"
location = "two.example/mirror/of"
[[registry]]
location = "c.example"
insecure = true
[[registry]]
prefix = "*.wild.example"
location = "wild.test"
`;
  assert.deepEqual(await places(conf, "a.example/x"), ["one.example/x insecure"]);
  assert.deepEqual(await places(conf, "a.example/team/x"), ["two.example/mirror/of/x"]);
  assert.deepEqual(await places(conf, "a.example/teamwork/x"), ["one.example/teamwork/x insecure"]);
  assert.deepEqual(await places(conf, "a.example:5000/x"), ["a.example:5000/x"]);
  assert.deepEqual(await places(conf, "c.example/x"), ["c.example/x insecure"]);
  assert.deepEqual(await places(conf, "c.example.org/x"), ["c.example.org/x"]);
  assert.deepEqual(await places(conf, "sub.wild.example/a/x"), ["wild.test/a/x"]);
  assert.deepEqual(await places(conf, "wild.example/x"), ["wild.example/x"]);
  assert.deepEqual(await places(conf, "notwild.example/x"), ["notwild.example/x"]);
});

test("mirrors come first, in their order, with what they serve; docker.io can have some", async () => {
  const conf = `
[[registry]]
prefix = "docker.io"
location = "docker.io"
mirror-by-digest-only = false
  [[registry.mirror]]
  location = "127.0.0.1:5000/hub"
  insecure = true
  [[registry.mirror]]
  location = "mirror.example"
  pull-from-mirror = "digest-only"
`;
  assert.deepEqual(await places(conf, "alpine"), [
    "127.0.0.1:5000/hub/library/alpine mirror insecure",
    "mirror.example/library/alpine mirror digest-only",
    "registry-1.docker.io/library/alpine",
  ]);
});

test("a blocked registry is AUTH, with the rule and its files", async () => {
  await assert.rejects(places('[[registry]]\nlocation = "bad.example"\nblocked = true\n', "bad.example/x"), (error: unknown) => {
    return error instanceof Failure && error.code === "AUTH" && /blocked/.test(error.message) && /registries\.conf/.test(error.hint ?? "");
  });
});

test("drop-ins change what came before; the user's file stands for the system's; variables name others", () =>
  within(
    {
      "etc/containers/registries.conf": 'unqualified-search-registries = ["system.example"]\n',
      "etc/containers/registries.conf.d/10-a.conf": '[aliases]\none = "a.example/one"\ntwo = "a.example/two"\n',
      "etc/containers/registries.conf.d/20-b.conf": '[aliases]\none = "b.example/one"\ntwo = ""\n',
      "etc/containers/registries.conf.d/30-c.ignored": "not TOML at all [",
      "named.conf": 'unqualified-search-registries = ["named.example"]\n',
      "own.conf": '[[registry]]\nlocation = "own.example"\ninsecure = true\ntoken-servers = ["tokens.example"]\n',
    },
    async (root, env) => {
      const first = await readConfiguration(env, root);
      assert.deepEqual(first.search, ["system.example"]);
      assert.deepEqual([...first.aliases], [["one", "b.example/one"]]);
      mkdirSync(join(root, "home/.config/containers"), { recursive: true });
      writeFileSync(join(root, "home/.config/containers/registries.conf"), 'unqualified-search-registries = ["user.example"]\n');
      assert.deepEqual((await readConfiguration(env, root)).search, ["user.example"]);
      const named = { ...env, CONTAINERS_REGISTRIES_CONF: join(root, "named.conf"), NOUGHT_REGISTRY_CONF: join(root, "own.conf") };
      const second = await readConfiguration(named, root);
      assert.deepEqual(second.search, ["named.example"]);
      assert.deepEqual(second.files, [join(root, "named.conf"), join(root, "own.conf")]);
      assert.deepEqual(locate(parseReference("own.example/x"), second)[0]?.tokenServers, ["tokens.example"]);
      await assert.rejects(
        readConfiguration({ CONTAINERS_REGISTRIES_CONF: join(root, "no") }, root),
        (error: unknown) => error instanceof Failure && error.code === "NOT_FOUND",
      );
      assert.deepEqual((await readConfiguration({ CONTAINERS_REGISTRIES_CONF: "/dev/null", HOME: "/nowhere" }, root)).files, ["/dev/null"]);
    },
  ));

test("short names: an alias, else the registries to search, else docker's reading; full names are themselves", async () => {
  const of = (text: string, conf: { search?: string[]; aliases?: [string, string][] } = {}) =>
    candidates(text, { search: conf.search ?? [], rules: [], aliases: new Map(conf.aliases ?? []), files: [] }).map(formatReference);
  assert.deepEqual(of("alpine:3"), ["docker.io/library/alpine:3"]);
  assert.deepEqual(of("alpine:3", { search: ["a.example", "docker.io"] }), ["a.example/alpine:3", "docker.io/library/alpine:3"]);
  assert.deepEqual(of("alpine:3", { search: ["a.example"], aliases: [["alpine", "b.example/x/alpine"]] }), ["b.example/x/alpine:3"]);
  assert.deepEqual(of("me/app", { search: ["a.example"] }), ["a.example/me/app"]);
  assert.deepEqual(of("c.example/me/app", { search: ["a.example"] }), ["c.example/me/app"]);
  assert.deepEqual(of("localhost/app", { search: ["a.example"] }), ["localhost/app"]);
  assert.deepEqual(of("docker.io/alpine", { search: ["a.example"] }), ["docker.io/library/alpine"]);
  assert.throws(
    () => of("x", { aliases: [["x", "y"]] }),
    (error: unknown) => error instanceof Failure && /not registry\/repository/.test(error.message),
  );
});

test("a file that makes no sense says where and why", async () => {
  for (const [conf, about] of [
    ["[[registry]\n", /not valid TOML/],
    ["[registries.search]\nregistries = ['a']\n", /version 1/],
    ['[[registry]]\nprefix = "a.example"\n', /no location/],
    ['[[registry]]\nlocation = "https://a.example"\n', /must not have a scheme/],
    ['[[registry]]\nlocation = "a.example/../b"\n', /not host/],
    ['[[registry]]\nlocation = "a.example"\ninsecure = "yes"\n', /insecure is not true or false/],
    ['registry = "a"\n', /\[\[registry\]\]/],
    ['unqualified-search-registries = "a"\n', /no list of strings/],
    ['[[registry]]\nlocation = "a.example"\n[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "never"\n', /pull-from-mirror/],
  ] as const) {
    await assert.rejects(
      places(conf, "x.example/a"),
      (error: unknown) => error instanceof Failure && about.test(error.message) && error.exit === 1,
      conf,
    );
  }
});

test("certificates are taken from the folder of the very host and port", () =>
  within(
    {
      "etc/containers/certs.d/a.example:5000/ca.crt": "CA",
      "etc/docker/certs.d/b.example/ca.crt": "DOCKER",
      "etc/docker/certs.d/b.example/client.cert": "CERT",
      "etc/docker/certs.d/b.example/client.key": "KEY",
      "etc/containers/certs.d/c.example/client.cert": "CERT",
    },
    async (root, env) => {
      assert.deepEqual(certificatesFor("a.example:5000", env, root), { ca: ["CA"] });
      assert.equal(certificatesFor("a.example", env, root), undefined);
      assert.deepEqual(certificatesFor("b.example", env, root), { ca: ["DOCKER"], cert: "CERT", key: "KEY" });
      assert.throws(
        () => certificatesFor("c.example", env, root),
        (error: unknown) => error instanceof Failure && /go together/.test(error.message),
      );
    },
  ));
