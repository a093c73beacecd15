import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packaged } from "../../src/base/testing/shop.ts";
import { TestMirror } from "../../src/debian/testing/mirror.ts";
import { program } from "../program.ts";

const nought = await program();
const kept = (folder: string) => {
  const path = join(nought.env["NOUGHT_STORE"] ?? "", "debian", folder);
  return existsSync(path) ? readdirSync(path).length : 0;
};

test("packages that bases were made of: counted by system df, spared by until, removed by builder prune and system prune", async () => {
  await using mirror = new TestMirror();
  await mirror.suite("bookworm", { packages: [await packaged("hello", { files: [{ path: "./usr/hello", text: "hello\n" }] } as never)] });
  const keyring = join(mirror.base, "test.gpg");
  writeFileSync(keyring, (await mirror.ownKey()).publicKey);
  nought.write({ "recipe.yaml": "packages: [hello]\nsuite: bookworm\n" });
  const build = () => nought.out("base", "build", "recipe.yaml", "-q", "-t", "app", "--mirror", mirror.url, "--keyring", keyring);
  const digest = build();
  assert.match(nought.out("system", "df"), /^Package Cache +3 +0 +\S+B +\S+B \(100%\)$/m);
  assert.match(nought.out("builder", "prune", "-f", "--filter", "until=1h"), /^Total:\s+0B\n$/);
  assert.deepEqual([kept("debs"), kept("index"), kept("suites")], [1, 1, 1]);
  assert.match(nought.out("builder", "prune", "-f", "--filter", "type=regular"), /^Total:\s+0B\n$/);
  assert.equal(kept("debs"), 1);
  assert.match(nought.out("builder", "prune", "-f"), /^Packages and package indexes: 3 removed, \S+B\nTotal:\s+\S+B\n$/);
  assert.deepEqual([kept("debs"), kept("index"), kept("suites")], [0, 0, 0]);
  assert.ok(!nought.out("system", "df").includes("Package Cache"));
  assert.equal(build(), digest, "what is gone is fetched again");
  assert.match(nought.out("system", "prune", "-f"), /^Deleted packages and package indexes: 3\n\nTotal reclaimed space: \S+B\n$/m);
  assert.equal(kept("debs"), 0);
  assert.notEqual(nought.out("images", "-q"), "", "the image stays");
});

test("a reserved name stands for itself whatever registries are searched, and an image that is there asks nobody", async () => {
  nought.write({
    "search.conf": 'unqualified-search-registries = ["127.0.0.1:9"]\n',
    "own/Dockerfile": "FROM nought/tmp:bookworm\nCOPY Dockerfile /\n",
  });
  const env = { CONTAINERS_REGISTRIES_CONF: join(nought.dir, "search.conf") };
  const first = nought.run(["build", "-q", "own"], { env });
  assert.equal(first.status, 0, first.stderr);
  // Nothing of what registries are said to be is even read.
  writeFileSync(join(nought.dir, "search.conf"), "this is no TOML");
  assert.deepEqual(nought.run(["build", "-q", "own"], { env }), first);
});
