import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { splitClearSigned } from "./clear-signed.ts";
import type { ArchiveOptions } from "./face.ts";
import { clearSign, revoked, testKey } from "./testing/keys.ts";
import { DAY, releaseText, TestMirror } from "./testing/mirror.ts";

const PACKAGES = [{ name: "hello", fields: { Depends: "libhello" } }, { name: "libhello" }];

/** Whether an error is of class 4 and speaks of this. */
const untrusted = (about: RegExp) => (error: unknown) =>
  error instanceof Failure && error.exit === 4 && about.test(error.message) ? true : assert.fail(`${(error as Error).stack}`);

async function names(mirror: TestMirror, options: Partial<ArchiveOptions> = {}): Promise<string[]> {
  using archive = mirror.open(options);
  const { packages } = await archive.resolve({ packages: ["hello"], architecture: "amd64" }, mirror.task);
  return packages.map((one) => one.name);
}

async function ready(): Promise<TestMirror> {
  const mirror = new TestMirror();
  await mirror.suite("bookworm", { packages: PACKAGES });
  mirror.sources();
  return mirror;
}

test("a signed archive is read; what it needs comes first", async () => {
  await using mirror = await ready();
  assert.deepEqual(await names(mirror), ["libhello", "hello"]);
  assert.deepEqual(mirror.notes, []);
});

test("D01: Release with a detached signature, without InRelease", async () => {
  await using mirror = await ready();
  await mirror.suite("bookworm", { packages: PACKAGES, signature: "detached" });
  assert.deepEqual(await names(mirror), ["libhello", "hello"]);
  const file = join(mirror.dir, "dists/bookworm/Release");
  writeFileSync(file, readFileSync(file, "utf8").replace("Label: Test", "Label: Tast"));
  await assert.rejects(names(mirror), untrusted(/Release\.gpg: the signature by .* does not fit the text/));
});

test("D02: unsigned is refused, also where it was signed before; nothing is kept", async () => {
  await using mirror = await ready();
  await mirror.suite("bookworm", { packages: PACKAGES, signature: "none" });
  await assert.rejects(names(mirror), untrusted(/not signed/));
  assert.ok(!existsSync(join(mirror.cacheDir, "suites")));
  await mirror.suite("bookworm", { packages: PACKAGES });
  await names(mirror);
  await mirror.suite("bookworm", { packages: PACKAGES, signature: "none" });
  await assert.rejects(names(mirror), untrusted(/not signed/));
  // Only the owner of the machine can say otherwise, and hears of it.
  mirror.sources(`Types: deb\nURIs: ${mirror.url}\nSuites: bookworm\nComponents: main\nTrusted: yes\n`);
  assert.deepEqual(await names(mirror), ["libhello", "hello"]);
  assert.match(mirror.notes.join(), /not verified.*trusted=yes/);
});

test("D03: a wrong key, an expired key, a revoked key, a signature from the future: none counts", async () => {
  await using mirror = await ready();
  const own = await mirror.ownKey();
  const stranger = await testKey();
  const signed = (keys: Parameters<typeof clearSign>[1]) => mirror.suite("bookworm", { packages: PACKAGES, keys });
  await signed([stranger]);
  await assert.rejects(names(mirror), untrusted(/is not in the keyring/));
  const expired = await testKey({ at: Date.now() - 100 * DAY, expires: (50 * DAY) / 1000 });
  mirror.trust(expired);
  await mirror.suite("bookworm", { packages: PACKAGES, keys: [expired], signedAt: Date.now() - 60 * DAY });
  await assert.rejects(names(mirror), untrusted(/has expired/));
  mirror.trust(await revoked(own));
  await signed([own]);
  await assert.rejects(names(mirror), untrusted(/revoked/));
  mirror.trust(own);
  await mirror.suite("bookworm", { packages: PACKAGES, signedAt: Date.now() + 10 * DAY });
  await assert.rejects(names(mirror), untrusted(/does not count/));
});

test("D03: a subkey, two signatures one of which is good, several keyrings, armored and binary, are accepted", async () => {
  await using mirror = await ready();
  const [own, stranger, sub] = [await mirror.ownKey(), await testKey(), await testKey({ subkey: true })];
  await mirror.suite("bookworm", { packages: PACKAGES, keys: [stranger, own] });
  assert.deepEqual(await names(mirror), ["libhello", "hello"]);
  await mirror.suite("bookworm", { packages: PACKAGES, keys: [sub] });
  const file = join(mirror.base, "own.asc");
  writeFileSync(file, `${own.armored}\n${sub.armored}`);
  assert.deepEqual(await names(mirror, { keyrings: [file] }), ["libhello", "hello"]);
  const block = sub.armored
    .trim()
    .split(/\r?\n/)
    .map((line) => ` ${line === "" ? "." : line}`)
    .join("\n");
  mirror.sources(`Types: deb\nURIs: ${mirror.url}\nSuites: bookworm\nComponents: main\nSigned-By:\n${block}\n`);
  assert.deepEqual(await names(mirror), ["libhello", "hello"]);
  mirror.trust(own, sub);
  const by = (fingerprint: string) =>
    mirror.sources(`Types: deb\nURIs: ${mirror.url}\nSuites: bookworm\nComponents: main\nSigned-By: ${fingerprint}\n`);
  by(sub.fingerprint);
  assert.deepEqual(await names(mirror), ["libhello", "hello"]);
  by(own.fingerprint);
  await assert.rejects(names(mirror), untrusted(/is not the key that Signed-By names/));
});

test("D03: signatures by gpg; with SHA-1 they do not count", {
  skip: spawnSync("gpg", ["--version"]).status === 0 ? false : "gpg is not installed",
}, async () => {
  await using mirror = await ready();
  const home = join(mirror.base, "gpg");
  mkdirSync(home, { mode: 0o700 });
  const gpg = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync("gpg", ["--homedir", home, "--batch", "--quiet", "--passphrase", "", ...args], {
      timeout: 60_000,
    });
    assert.equal(status, 0, stderr.toString());
    return stdout;
  };
  try {
    gpg("--quick-gen-key", "nought", "rsa2048", "sign", "never");
    mirror.put(join(mirror.machine, "usr/share/keyrings/debian-archive-keyring.gpg"), gpg("--export"));
    const file = join(mirror.dir, "dists/bookworm/InRelease");
    const plain = join(mirror.base, "plain");
    writeFileSync(plain, splitClearSigned(readFileSync(file), "x").text);
    for (const hash of ["SHA256", "SHA512"]) {
      gpg("--yes", "--digest-algo", hash, "--output", file, "--clearsign", plain);
      assert.deepEqual(await names(mirror), ["libhello", "hello"]);
    }
    gpg("--yes", "--digest-algo", "SHA1", "--output", file, "--clearsign", plain);
    await assert.rejects(names(mirror), untrusted(/does not count: Insecure message hash algorithm: SHA1/));
    mirror.put(join(mirror.dir, "dists/bookworm/Release"), readFileSync(plain));
    rmSync(file);
    gpg("--yes", "--output", join(mirror.dir, "dists/bookworm/Release.gpg"), "--detach-sign", plain);
    assert.deepEqual(await names(mirror), ["libhello", "hello"]);
  } finally {
    spawnSync("gpgconf", ["--homedir", home, "--kill", "all"], { timeout: 10_000 });
  }
});

test("D04: one byte changed in the text, in the signature, in the first line", async () => {
  await using mirror = await ready();
  const file = join(mirror.dir, "dists/bookworm/InRelease");
  const good = readFileSync(file, "latin1");
  const sign = good.indexOf("-----BEGIN PGP SIGNATURE");
  const at = (index: number) => `${good.slice(0, index)}${good[index] === "a" ? "b" : "a"}${good.slice(index + 1)}`;
  for (const index of [
    3,
    good.indexOf("Hash:") + 1,
    good.indexOf("Origin") + 9,
    good.indexOf("SHA256:") + 12,
    sign - 2,
    sign + 5,
    sign + 60,
    sign + 110,
    good.length - 5,
  ]) {
    writeFileSync(file, at(index), "latin1");
    await assert.rejects(names(mirror), untrusted(/./), `byte ${index}`);
  }
  assert.ok(!existsSync(join(mirror.cacheDir, "suites")));
});

test("D05: text before, between and after; a second block; a web page", async () => {
  const text = releaseText("bookworm", []);
  const good = await clearSign(text, [await testKey()]);
  const split = (bytes: string) => splitClearSigned(Buffer.from(bytes), "InRelease");
  const sign = good.indexOf("-----BEGIN PGP SIGNATURE");
  assert.equal(split(good).text.toString(), text);
  const cases: readonly (readonly [string, RegExp])[] = [
    [`Suite: x\n${good}`, /does not begin/],
    [`${good}Suite: x\n`, /text after the signature/],
    [`${good}${good}`, /text after the signature/],
    [`${good.slice(0, sign)}-----BEGIN PGP SIGNED MESSAGE-----\n${good.slice(sign)}`, /unescaped dash/],
    [good.replace("Hash:", "Comment:"), /only Hash headers/],
    [good.replace(/Hash: \S+/, "$&\nSuite: x"), /only Hash headers/],
    [good.slice(0, sign) + good.slice(sign).replace("\n\n", "\n\n-----BEGIN PGP SIGNATURE-----\n"), /second block/],
    ["<!DOCTYPE html><html>Log in</html>", /a web page/],
    ["", /does not begin/],
  ];
  for (const [bytes, about] of cases) assert.throws(() => split(bytes), untrusted(about));
});

test("D05: dash escapes and Windows line ends are accepted", async () => {
  await using mirror = await ready();
  const file = join(mirror.dir, "dists/bookworm/InRelease");
  const { text } = splitClearSigned(readFileSync(file), "x");
  const odd = `${text.toString()}Description:\n - a dash\nX-Dashed: 1\n`.replace("Description:\n", "Description: - x\n");
  const signed = await clearSign(odd, [await mirror.ownKey()]);
  mirror.put(file, signed.replace(/\r?\n/g, "\r\n"));
  assert.deepEqual(await names(mirror), ["libhello", "hello"]);
  assert.equal(
    splitClearSigned(
      Buffer.from("-----BEGIN PGP SIGNED MESSAGE-----\n\n- -a\n- - b\n-----BEGIN PGP SIGNATURE-----\n-----END PGP SIGNATURE-----"),
      "x",
    ).text.toString(),
    "-a\n- b",
  );
});

test("D06: cut at every twentieth: always refused, never taken for unsigned", async () => {
  await using mirror = await ready();
  const file = join(mirror.dir, "dists/bookworm/InRelease");
  const good = readFileSync(file);
  for (let n = 0; n < 20; n++) {
    writeFileSync(file, good.subarray(0, Math.floor((good.length * n) / 20)));
    await assert.rejects(names(mirror), untrusted(/./), `${n}/20`);
  }
  writeFileSync(file, good);
  assert.deepEqual(await names(mirror), ["libhello", "hello"]);
});

test("D27: no keyring, an empty one, a keybox, rubbish: refused, never passed over", async () => {
  await using mirror = await ready();
  const keyring = join(mirror.machine, "usr/share/keyrings/debian-archive-keyring.gpg");
  const good = readFileSync(keyring);
  writeFileSync(keyring, "");
  await assert.rejects(names(mirror), untrusted(/is empty/));
  writeFileSync(keyring, Buffer.concat([Buffer.from([0, 0, 0, 32, 1, 1, 0, 2]), Buffer.from("KBXf"), Buffer.alloc(20)]));
  await assert.rejects(names(mirror), untrusted(/keybox/));
  writeFileSync(keyring, "rubbish");
  await assert.rejects(names(mirror), untrusted(/cannot be read|holds no key/));
  rmSync(keyring);
  await assert.rejects(names(mirror), untrusted(/no keyring of Debian/));
  await assert.rejects(names(mirror, { keyrings: ["/nonexistent/key.gpg"] }), untrusted(/does not exist/));
  // trusted.gpg.d is where machines without Debian's own package have keys.
  mirror.put(join(mirror.machine, "etc/apt/trusted.gpg.d/a.gpg"), good);
  assert.deepEqual(await names(mirror), ["libhello", "hello"]);
});
