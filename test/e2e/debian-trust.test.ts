import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packaged } from "../../src/base/testing/shop.ts";
import { testKey } from "../../src/debian/testing/keys.ts";
import { DAY, TestMirror, type TestSuite } from "../../src/debian/testing/mirror.ts";
import { program } from "../program.ts";

const nought = await program();
const utc = (time: number) => new Date(time).toUTCString().replace("GMT", "UTC");

/** What is done to the mirror, and the words and exit code that follow. */
interface Fault {
  readonly name: string;
  readonly spoil: (mirror: TestMirror, packages: TestSuite) => void | Promise<void>;
  readonly exit: number;
  readonly about: RegExp;
}

const dist = (mirror: TestMirror, path: string) => join(mirror.dir, "dists/bookworm", path);

function flip(path: string, at: (bytes: Buffer) => number): void {
  const bytes = readFileSync(path);
  const place = at(bytes);
  bytes[place] = (bytes[place] as number) ^ 1;
  writeFileSync(path, bytes);
}

const FAULTS: readonly Fault[] = [
  {
    name: "D04: a byte of the signed text",
    spoil: (mirror) => flip(dist(mirror, "InRelease"), (bytes) => bytes.indexOf("Label: Test") + 8),
    exit: 4,
    about: /InRelease: the signature by \w+ does not fit the text/,
  },
  {
    name: "D04: a byte of the signature",
    spoil: (mirror) => flip(dist(mirror, "InRelease"), (bytes) => bytes.indexOf("BEGIN PGP SIGNATURE") + 80),
    exit: 4,
    about: /InRelease: /,
  },
  {
    name: "D02: the signature left out",
    spoil: (mirror, suite) => mirror.suite("bookworm", { ...suite, signature: "none" }),
    exit: 4,
    about: /it is not signed/,
  },
  {
    name: "D03: a key that nobody trusts",
    spoil: async (mirror, suite) => mirror.suite("bookworm", { ...suite, keys: [await testKey()] }),
    exit: 4,
    about: /no signature by a trusted key/,
  },
  {
    name: "D07: an expired suite",
    spoil: (mirror, suite) =>
      mirror.suite("bookworm", { ...suite, release: { Date: utc(Date.now() - 9 * DAY), "Valid-Until": utc(Date.now() - 2 * DAY) } }),
    exit: 4,
    about: /it was valid until .* 2 days ago/,
  },
  {
    name: "D08: another suite under the name",
    spoil: (mirror, suite) => mirror.suite("bookworm", { ...suite, release: { Suite: "sid", Codename: "sid" } }),
    exit: 4,
    about: /signed file of sid, not of bookworm/,
  },
  {
    name: "D09: a byte of the index",
    spoil: (mirror) => flip(dist(mirror, "main/binary-amd64/Packages.gz"), (bytes) => bytes.length - 5),
    exit: 4,
    about: /Packages\.gz: its sha256 is/,
  },
  {
    name: "D14: a byte of a package",
    spoil: (mirror) => flip(join(mirror.dir, "pool/main/h/hello/hello_1.0_amd64.deb"), (bytes) => bytes.length - 9),
    exit: 4,
    about: /hello_1\.0_amd64\.deb: its sha256 is/,
  },
];

test("a tampered index, package, signature, or an expired file: exit 4, one line of words, nothing written; without the fault the same image", async () => {
  await using mirror = new TestMirror();
  const suite: TestSuite = {
    packages: [await packaged("hello", { files: [{ path: "./usr/bin/hello", text: "#!/bin/sh\n", mode: 0o755 }] } as never)],
    signedAt: Date.now() - 1000,
  };
  await mirror.suite("bookworm", suite);
  const keyring = join(mirror.base, "test.gpg");
  writeFileSync(keyring, (await mirror.ownKey()).publicKey);
  nought.write({ "recipe.yaml": "packages: [hello]\nsuite: bookworm\n" });
  const build = () => nought.run(["base", "build", "recipe.yaml", "-q", "-t", "app", "--mirror", mirror.url, "--keyring", keyring]);
  const empty = () => rmSync(nought.env["NOUGHT_STORE"] ?? "", { recursive: true, force: true });
  const first = build();
  assert.equal(first.status, 0, first.stderr);
  assert.match(first.stdout, /^sha256:[0-9a-f]{64}\n$/);
  for (const { name, spoil, exit, about } of FAULTS) {
    empty();
    await mirror.suite("bookworm", suite);
    await spoil(mirror, suite);
    const { status, stdout, stderr } = build();
    assert.equal(status, exit, `${name}: ${stderr}`);
    assert.match(stderr, about, name);
    assert.ok(!/\bat .*\.ts:\d+|undefined|\[object/.test(stderr), `${name}: ${stderr}`);
    assert.equal(stdout, "", name);
    assert.equal(nought.out("image", "ls", "-q"), "", name);
    const debs = join(nought.env["NOUGHT_STORE"] ?? "", "debian/debs");
    assert.deepEqual(existsSync(debs) ? readdirSync(debs) : [], [], name);
    await mirror.suite("bookworm", suite);
    assert.deepEqual({ ...build(), stderr: "" }, { ...first, stderr: "" }, name);
  }
});
