import assert from "node:assert/strict";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Failure } from "../kit/error.ts";
import { createTask } from "../task/task.ts";
import { lockEntryOf } from "./archive.ts";
import type { ArchiveOptions } from "./face.ts";
import { sha256, TestMirror, type TestPackage, type TestSuite } from "./testing/mirror.ts";

const PACKAGES: readonly TestPackage[] = [{ name: "hello", deb: Buffer.alloc(300_000, "x") }];
const GZ = "/debian/dists/bookworm/main/binary-amd64/Packages.gz";

const failing = (exit: number, about: RegExp) => (error: unknown) =>
  error instanceof Failure && error.exit === exit && about.test(error.message) ? true : assert.fail(`${(error as Error).stack}`);

async function ready(suite: TestSuite = {}): Promise<TestMirror> {
  const mirror = new TestMirror();
  await mirror.serve();
  await mirror.suite("bookworm", { packages: PACKAGES, ...suite });
  mirror.sources();
  return mirror;
}

async function records(mirror: TestMirror, options: Partial<ArchiveOptions> = {}) {
  using archive = mirror.open(options);
  return await archive.packages("amd64", ["hello"], mirror.task);
}

async function deb(mirror: TestMirror, options: Partial<ArchiveOptions> = {}): Promise<Buffer> {
  using archive = mirror.open(options);
  const [record] = await archive.packages("amd64", ["hello"], mirror.task);
  assert.ok(record);
  return readFileSync((await archive.fetchDeb(record, mirror.task)).path);
}

/** Nothing half-written: no index or package of the refused kind, nothing in tmp. */
function clean(mirror: TestMirror, kind: "index" | "debs"): void {
  for (const folder of [kind, "tmp"]) {
    const path = join(mirror.cacheDir, folder);
    assert.deepEqual(existsSync(path) ? readdirSync(path) : [], []);
  }
}

test("D09: an index of another size or sum is refused before it is unpacked", async () => {
  await using mirror = await ready();
  const file = join(mirror.base, GZ);
  const good = readFileSync(file);
  for (const [bytes, about] of [
    [Buffer.concat([good, Buffer.from("x")]), /larger than the \d+ bytes that the signed file lists/],
    [good.subarray(0, -1), /it has \d+ bytes, and the signed file lists/],
    [Buffer.from(good.map((byte, n) => (n === good.length - 3 ? byte ^ 1 : byte))), /its sha256 is/],
    [Buffer.alloc(0), /it has 0 bytes/],
  ] as const) {
    writeFileSync(file, bytes);
    await assert.rejects(records(mirror), failing(4, about));
    clean(mirror, "index");
  }
  writeFileSync(file, good);
  assert.equal((await records(mirror)).length, 1);
});

test("D09: only MD5 or SHA-1 in the Release file, or no SHA256 in the index, are refused", async () => {
  await using mirror = await ready({ release: { SHA256: "", MD5Sum: `\n ${"0".repeat(32)} 10 main/binary-amd64/Packages` } });
  await assert.rejects(records(mirror), failing(4, /no file with a sum that counts \(only md5sum\)/));
  await mirror.suite("bookworm", { packages: [{ name: "hello", fields: { SHA256: "", MD5sum: "0".repeat(32) } }] });
  await assert.rejects(records(mirror), failing(1, /hello has no SHA256/));
});

test("D09: SHA512 is preferred, and an index is checked by it", async () => {
  await using mirror = await ready();
  const bytes = readFileSync(join(mirror.base, GZ));
  const { createHash } = await import("node:crypto");
  const sum = (algorithm: string) => createHash(algorithm).update(bytes).digest("hex");
  const list = (sum: string) => `\n ${sum} ${bytes.length} main/binary-amd64/Packages.gz`;
  const both = (sha512: string) =>
    mirror.suite("bookworm", { packages: PACKAGES, release: { SHA256: list(sum("sha256")), SHA512: list(sha512) } });
  await both("0".repeat(128));
  await assert.rejects(records(mirror), failing(4, /its sha512 is/));
  await both(sum("sha512"));
  assert.equal((await records(mirror)).length, 1);
});

test("D11: a mirror in the middle of an update: by-hash has the file that is signed; without it nothing is mixed", async () => {
  await using mirror = await ready({ byHash: true });
  writeFileSync(join(mirror.base, GZ), "the index of tomorrow");
  assert.equal((await records(mirror)).length, 1);
  assert.ok(mirror.asked.some((path) => path.includes("/by-hash/SHA256/")));
  assert.ok(!mirror.asked.includes(GZ));
  rmSync(mirror.cacheDir, { recursive: true });
  rmSync(join(mirror.dir, "dists/bookworm/main/binary-amd64/by-hash"), { recursive: true });
  await assert.rejects(records(mirror), failing(4, /Packages\.gz: (?:it has|its sha256)/));
  clean(mirror, "index");
});

test("D11: what one mirror of a suite has wrong or not at all is taken from the next; where all are wrong, that is told", async () => {
  await using mirror = await ready();
  const stale = join(mirror.base, "stale");
  cpSync(mirror.dir, stale, { recursive: true });
  const index = join(stale, "dists/bookworm/main/binary-amd64/Packages.gz");
  const mirrors = [`file://${stale}`, `file://${mirror.dir}`];
  for (const spoil of [() => writeFileSync(index, "the index of yesterday"), () => rmSync(index)]) {
    spoil();
    rmSync(mirror.cacheDir, { recursive: true, force: true });
    assert.equal((await records(mirror, { mirrors })).length, 1);
  }
  writeFileSync(index, "the index of yesterday");
  rmSync(join(mirror.base, GZ));
  rmSync(mirror.cacheDir, { recursive: true });
  await assert.rejects(records(mirror, { mirrors }), failing(4, /stale.*Packages\.gz: it has 22 bytes, and the signed file lists/));
  clean(mirror, "index");
});

test("D11: a wrong by-hash file is refused", async () => {
  await using mirror = await ready({ byHash: true });
  const folder = join(mirror.dir, "dists/bookworm/main/binary-amd64/by-hash/SHA256");
  for (const name of readdirSync(folder)) writeFileSync(join(folder, name), "x");
  await assert.rejects(records(mirror), failing(4, /by-hash.*it has 1 bytes/));
});

test("D11: a suite that moves on between its signed file and its index is read again, whole", async () => {
  await using mirror = await ready();
  using archive = mirror.open();
  let moved = false;
  await mirror.suite("trixie", { packages: [{ name: "hello", version: "2.0" }], release: { Suite: "bookworm", Codename: "bookworm" } });
  mirror.answer = (request, response) => {
    if (request.url?.endsWith("InRelease")) return false;
    if (!moved) {
      moved = true;
      rmSync(join(mirror.dir, "dists/bookworm"), { recursive: true });
      const { cpSync } = process.getBuiltinModule("node:fs");
      cpSync(join(mirror.dir, "dists/trixie"), join(mirror.dir, "dists/bookworm"), { recursive: true });
    }
    void response;
    return false;
  };
  assert.deepEqual(
    (await archive.packages("amd64", ["hello"], mirror.task)).map((one) => one.version),
    ["2.0"],
  );
});

test("D12, D29: control characters, a bomb, a cut stream, junk, huge and doubled fields, paragraphs without a name", async () => {
  const bomb = gzipSync(Buffer.alloc(64 << 20, "\n"));
  const text = (body: string) => gzipSync(body);
  await using mirror = await ready();
  // Refused as a whole, and nothing is kept.
  for (const [index, about] of [
    [Buffer.from("junk"), /a package without a name/],
    [text("Version: 1\n"), /a package without a name/],
    [text("<html>log in</html>"), /a package without a name/],
    [text(" x\n"), /a package without a name/],
    [text("Package: ../x\n"), /cannot be the name/],
    [text(`Package: hello\nDepends: ${"x".repeat(10 << 20)}\n`), /a paragraph is longer than/],
    [gzipSync("Package: hello\n").subarray(0, -6), /ends too early/],
  ] as const) {
    await mirror.suite("bookworm", { packages: PACKAGES, index });
    await assert.rejects(records(mirror), failing(1, about));
    clean(mirror, "index");
  }
  // Refused where the package is asked for.
  for (const [index, about] of [
    [text(`Package: hello\nX: ${"x".repeat(10)}\n`), /has no version/],
    [text(`Package: hello\nDepends: ${"x".repeat(2 << 20)}\n`), /the field depends is longer than/],
    [text("Package: hello\nPackage: hello\n"), /the field package comes twice/],
    [text("Package: hello\nno field\n"), /neither a field/],
    [text("Package: hello\nSource: \u001b[31mred\n"), /control characters in the field source/],
  ] as const) {
    await mirror.suite("bookworm", { packages: PACKAGES, index });
    await assert.rejects(records(mirror), failing(1, about));
  }
  const list = `\n ${sha256(bomb)} ${bomb.length} main/binary-amd64/Packages.gz\n ${"0".repeat(64)} 1000 main/binary-amd64/Packages`;
  await mirror.suite("bookworm", { packages: PACKAGES, index: bomb, release: { SHA256: list } });
  await assert.rejects(records(mirror), failing(1, /unpacks to more than 1000 bytes/));
});

test("D13: a Filename that leads out of the archive is refused", async () => {
  await using mirror = await ready();
  for (const path of [
    "../x.deb",
    "/etc/passwd",
    "pool/../../x",
    "http://host.invalid/x",
    "pool/x.deb?y",
    "pool/x#y",
    "pool//x",
    "pool/a b",
    "pool\\x",
    "pool/%2e%2e/x",
  ]) {
    await mirror.suite("bookworm", { packages: [{ name: "hello", fields: { Filename: path } }] });
    await assert.rejects(records(mirror), failing(1, /leads out of the archive/), path);
  }
});

test("D14: a package of another size or sum is refused and not kept; the right one is", async () => {
  await using mirror = await ready();
  const [record] = await records(mirror);
  assert.ok(record);
  const file = join(mirror.dir, record.path);
  const good = readFileSync(file);
  for (const [bytes, about] of [
    [Buffer.concat([good, Buffer.from("x")]), /larger than the 300000 bytes of the index/],
    [good.subarray(1), /it has 299999 bytes/],
    [Buffer.alloc(good.length, "y"), /its sha256 is/],
  ] as const) {
    writeFileSync(file, bytes);
    await assert.rejects(deb(mirror), failing(4, about));
    clean(mirror, "debs");
  }
  writeFileSync(file, good);
  assert.ok((await deb(mirror)).equals(good));
  // Damage in the cache is seen, and mended.
  writeFileSync(join(mirror.cacheDir, "debs", record.sha256), Buffer.alloc(good.length, "z"));
  assert.ok((await deb(mirror)).equals(good));
});

test("D24: a redirect is followed; a loop, another scheme, 403, 404 and a web page are not taken for an archive", async () => {
  await using mirror = await ready();
  const { renameSync } = await import("node:fs");
  renameSync(mirror.dir, join(mirror.base, "moved"));
  mirror.answer = (request, response) => {
    if (!request.url?.startsWith("/debian/")) return false;
    response.writeHead(302, { location: request.url.replace("/debian/", "/moved/") }).end();
    return true;
  };
  assert.equal((await records(mirror)).length, 1);
  rmSync(mirror.cacheDir, { recursive: true });
  for (const [status, location, exit, about] of [
    [302, "/debian/dists/bookworm/InRelease", 6, /redirects/],
    [302, "file:///etc/passwd", 6, /only http and https/],
    [403, "", 6, /the mirror has no suite bookworm/],
    [404, "", 6, /the mirror has no suite bookworm/],
    [200, "", 4, /a web page came instead of a signed file/],
  ] as const) {
    mirror.answer = (_, response) => response.writeHead(status, location === "" ? {} : { location }).end("<html>x</html>") !== undefined;
    await assert.rejects(records(mirror), failing(exit, about));
  }
});

test("D25: what was fetched once works without a server, also from a lock alone", async () => {
  await using mirror = await ready();
  const [record] = await records(mirror);
  assert.ok(record);
  await assert.rejects(deb(mirror, { offline: true }), failing(6, /hello 1\.0 was never fetched/));
  const first = await deb(mirror);
  rmSync(mirror.dir, { recursive: true });
  assert.ok((await deb(mirror, { offline: true })).equals(first));
  rmSync(join(mirror.cacheDir, "suites"), { recursive: true });
  using archive = mirror.open({ offline: true });
  const entry = lockEntryOf(record);
  assert.deepEqual(Object.keys(entry).sort(), ["architecture", "name", "path", "sha256", "size", "suite", "version"]);
  assert.ok(!JSON.stringify(entry).includes("127.0.0.1"));
  assert.ok(readFileSync((await archive.fetchDeb(entry, mirror.task)).path).equals(first));
  // Not even a machine that knows no mirror needs one for what is there.
  using nowhere = mirror.open({ root: join(mirror.base, "nowhere") });
  assert.ok(readFileSync((await nowhere.fetchDeb(entry, mirror.task)).path).equals(first));
  await assert.rejects(
    nowhere.fetchDeb({ ...entry, sha256: "0".repeat(64) }, mirror.task),
    failing(2, /no mirror is known for Debian's bookworm/),
  );
});

test("an interrupted download leaves nothing; so does a server that falls silent, and the rest goes on where it was", async () => {
  await using mirror = await ready();
  const [record] = await records(mirror);
  assert.ok(record);
  const stop = new AbortController();
  mirror.answer = (_, response) => {
    response.writeHead(200, { "content-length": "300000" }).write(Buffer.alloc(1000), () => setTimeout(() => stop.abort(), 10));
    return true;
  };
  using archive = mirror.open();
  await assert.rejects(archive.fetchDeb(record, createTask(undefined, stop.signal)), failing(130, /interrupted/));
  clean(mirror, "debs");
  mirror.answer = (_, response) => {
    response.writeHead(200, { "content-length": "300000" }).write(Buffer.alloc(1000), () => response.destroy());
    return true;
  };
  await assert.rejects(archive.fetchDeb(record, mirror.task), failing(6, /broke after 1000 bytes of 300000/));
  clean(mirror, "debs");
  mirror.answer = undefined;
  assert.equal((await archive.fetchDeb(record, mirror.task)).size, 300_000);
});

test("a second mirror is asked where the first has not got it or has it wrong", async () => {
  await using mirror = await ready();
  await using other = await ready();
  mirror.sources(`Types: deb\nURIs: ${mirror.url} ${other.url}\nSuites: bookworm\nComponents: main\n`);
  const [record] = await records(mirror);
  assert.ok(record);
  writeFileSync(join(mirror.dir, record.path), Buffer.alloc(300_000, "y"));
  assert.equal((await deb(mirror)).length, 300_000);
});

test("many packages come in parallel, in their order; the first failure ends it", async () => {
  const many = Array.from({ length: 20 }, (_, n) => ({ name: `p${String(n).padStart(2, "0")}`, deb: Buffer.alloc(10_000 + n, n) }));
  await using mirror = await ready({ packages: [...many, { name: "hello" }] });
  using archive = mirror.open();
  const list = await archive.packages(
    "amd64",
    many.map((one) => one.name),
    mirror.task,
  );
  const sizes: number[] = [];
  for await (const one of archive.fetchDebs(list, mirror.task)) sizes.push(readFileSync(one.path).length);
  assert.deepEqual(
    sizes,
    many.map((one) => one.deb.length),
  );
  rmSync(join(mirror.cacheDir, "debs"), { recursive: true });
  rmSync(join(mirror.dir, list[3]?.path ?? ""));
  const all = async () => {
    for await (const one of archive.fetchDebs(list, mirror.task)) assert.ok(one.size > 0);
  };
  await assert.rejects(all(), failing(6, /p03 1\.0 is not at the mirror any more/));
  assert.deepEqual(readdirSync(join(mirror.cacheDir, "tmp")), []);
});

test("the other forms: xz is what most mirrors have, zstd, plain; all packages apart where the archive says so", async () => {
  await using mirror = await ready({ form: "zst" });
  assert.equal((await records(mirror)).length, 1);
  await mirror.suite("bookworm", { packages: PACKAGES, form: "plain" });
  assert.equal((await records(mirror)).length, 1);
  await mirror.suite("bookworm", { packages: [...PACKAGES, { name: "docs", architecture: "all" }], architectures: ["all", "amd64"] });
  using archive = mirror.open();
  assert.deepEqual(
    (await archive.packages("amd64", ["docs", "hello"], mirror.task)).map((one) => one.architecture),
    ["all", "all", "amd64"],
  );
  await mirror.suite("bookworm-updates", { packages: [], architectures: ["amd64"] });
  await mirror.suite("bookworm", { packages: [...PACKAGES, { name: "arm", architecture: "arm64" }], architectures: ["arm64", "amd64"] });
  using two = mirror.open({ extraSuites: ["bookworm-updates"], mirrors: [mirror.url] });
  assert.equal((await two.packages("arm64", ["arm"], mirror.task)).length, 1);
  assert.match(mirror.notes.join(), /bookworm-updates has no packages for arm64/);
  await assert.rejects(archive.packages("riscv64", ["hello"], mirror.task), failing(1, /bookworm has no packages for riscv64/));
});
