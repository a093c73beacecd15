import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import type { ArchiveOptions } from "./face.ts";
import { DAY, TestMirror } from "./testing/mirror.ts";

const utc = (time: number) => new Date(time).toUTCString().replace("GMT", "UTC");
const failing = (exit: number, about: RegExp) => (error: unknown) =>
  error instanceof Failure && error.exit === exit && about.test(error.message) ? true : assert.fail(`${(error as Error).stack}`);

const packages = (version: string) => [{ name: "hello", version }];

async function found(mirror: TestMirror, options: Partial<ArchiveOptions> = {}) {
  using archive = mirror.open(options);
  const { packages, suites } = await archive.resolve({ packages: ["hello"], architecture: "amd64" }, mirror.task);
  return { versions: packages.map((one) => one.version), suites };
}

async function ready(release: Record<string, string> = {}): Promise<TestMirror> {
  const mirror = new TestMirror();
  await mirror.suite("bookworm", { packages: packages("1.0"), release });
  mirror.sources();
  return mirror;
}

test("D07: beyond Valid-Until is refused, unless said otherwise, and that is told", async () => {
  await using mirror = await ready({ Date: utc(Date.now() - 10 * DAY), "Valid-Until": utc(Date.now() - 3 * DAY) });
  await assert.rejects(found(mirror), failing(4, /valid until .* 3 days ago/));
  assert.deepEqual((await found(mirror, { allowExpired: true })).versions, ["1.0"]);
  assert.match(mirror.notes.join(), /3 days ago; accepted, as you asked/);
  // What was accepted once does not stay accepted.
  await assert.rejects(found(mirror, { maxAge: 3600 }), failing(4, /valid until/));
  mirror.put(join(mirror.machine, "etc/apt/apt.conf.d/99x"), 'Acquire { Check-Valid-Until "false"; };');
  mirror.notes.length = 0;
  assert.deepEqual((await found(mirror)).versions, ["1.0"]);
  assert.match(mirror.notes.join(), /as apt's configuration says/);
});

test("D07: a Date in the future is refused; a clock some minutes off is not; without dates it is accepted", async () => {
  await using mirror = await ready({ Date: utc(Date.now() + DAY) });
  await assert.rejects(found(mirror), failing(4, /from the future/));
  await mirror.suite("bookworm", { packages: packages("1.0"), release: { Date: utc(Date.now() + 300_000) } });
  assert.deepEqual((await found(mirror)).versions, ["1.0"]);
  rmSync(mirror.cacheDir, { recursive: true });
  await mirror.suite("bookworm", { packages: packages("1.0"), release: { Date: "" } });
  assert.deepEqual((await found(mirror)).versions, ["1.0"]);
  await mirror.suite("bookworm", { packages: packages("1.0"), release: { Date: "yesterday" } });
  await assert.rejects(found(mirror), failing(1, /"yesterday" is not a date/));
});

test("D08: the signed file of another suite, or of another archive than before, is refused", async () => {
  await using mirror = await ready({ Suite: "trixie", Codename: "trixie" });
  await assert.rejects(found(mirror), failing(4, /signed file of trixie, not of bookworm/));
  await mirror.suite("bookworm", { packages: packages("1.0"), release: { Suite: "oldstable" } });
  assert.deepEqual((await found(mirror)).versions, ["1.0"]);
  await mirror.suite("bookworm", { packages: packages("1.1"), release: { Origin: "Elsewhere" } });
  await assert.rejects(found(mirror), failing(4, /its Origin was "Test" and is now "Elsewhere"/));
  assert.deepEqual((await found(mirror, { offline: true })).versions, ["1.0"]);
});

test("D10: an older file than the one seen is not used; the one seen is, and that is told", async () => {
  await using mirror = await ready({ Date: utc(Date.now() - DAY) });
  await found(mirror);
  await mirror.suite("bookworm", { packages: packages("0.9"), release: { Date: utc(Date.now() - 3 * DAY) } });
  assert.deepEqual((await found(mirror)).versions, ["1.0"]);
  assert.match(mirror.notes.join(), /is older .* the mirror went back in time/);
  await mirror.suite("bookworm", { packages: packages("1.1"), release: { Date: utc(Date.now()) } });
  assert.deepEqual((await found(mirror)).versions, ["1.1"]);
});

test("D25: offline the cache is used, with its age; without it words say so", async () => {
  await using mirror = await ready({ Date: utc(Date.now() - 5 * DAY) });
  await assert.rejects(found(mirror, { offline: true }), failing(6, /never fetched, and offline/));
  await found(mirror);
  rmSync(mirror.dir, { recursive: true });
  const { versions, suites } = await found(mirror, { offline: true });
  assert.deepEqual(versions, ["1.0"]);
  assert.equal(suites[0]?.offline, true);
  assert.match(mirror.notes.join(), /bookworm is taken from the cache; it is 5 days old/);
});

test("D25: a server that does not answer leaves what the cache has, and says so; another keyring makes it useless", async () => {
  await using mirror = await ready();
  await mirror.serve();
  mirror.sources();
  await found(mirror);
  mirror.answer = (_, response) => response.writeHead(503).end() !== undefined;
  assert.deepEqual((await found(mirror)).versions, ["1.0"]);
  assert.match(mirror.notes.join(), /status 503; bookworm is taken from the cache/);
  const { testKey } = await import("./testing/keys.ts");
  mirror.trust(await testKey());
  await assert.rejects(found(mirror), failing(4, /other keys than those trusted now/));
});

test("D30: a mirror that repeats an old file for ever: its date is told to the caller, and Valid-Until ends it", async () => {
  const made = Date.now() - 6 * DAY;
  await using mirror = await ready({ Date: utc(made), "Valid-Until": utc(made + 7 * DAY) });
  const { suites } = await found(mirror);
  assert.equal(suites[0]?.date, Math.floor(made / 1000));
  assert.equal(suites[0]?.validUntil, Math.floor((made + 7 * DAY) / 1000));
  await assert.rejects(found(mirror, { now: () => Date.now() + 2 * DAY }), failing(4, /valid until/));
});

test("an unchanged suite is not sent again, and one asked for a moment ago is not asked for", async () => {
  await using mirror = await ready();
  await mirror.serve();
  mirror.sources();
  await found(mirror);
  assert.deepEqual(mirror.asked, ["/debian/dists/bookworm/InRelease", "/debian/dists/bookworm/main/binary-amd64/Packages.gz"]);
  await found(mirror);
  assert.equal(mirror.asked.length, 3);
  await found(mirror, { maxAge: 60 });
  assert.equal(mirror.asked.length, 3);
});

test("a damaged cache is fetched again", async () => {
  await using mirror = await ready();
  await found(mirror);
  const { readdirSync, writeFileSync, truncateSync } = await import("node:fs");
  for (const kind of ["suites", "index"] as const) {
    for (const damage of [(path: string) => writeFileSync(path, "x"), (path: string) => truncateSync(path, 40)]) {
      for (const name of readdirSync(join(mirror.cacheDir, kind))) damage(join(mirror.cacheDir, kind, name));
      assert.deepEqual((await found(mirror, { maxAge: 3600 })).versions, ["1.0"]);
    }
  }
});

test("D26: another clock, another umask, another cache: the same packages in the same order, to the byte", async () => {
  await using mirror = await ready();
  const packages = ["c", "b", "a"].map((name) => ({ name, fields: { Depends: name === "a" ? "b | c" : "z" } }));
  await mirror.suite("bookworm", {
    packages: [
      ...packages,
      { name: "hello", fields: { Depends: "a, c" } },
      { name: "y", fields: { Provides: "z" } },
      { name: "x", fields: { Provides: "z" } },
    ],
  });
  const lock = async (options: Partial<ArchiveOptions>) => {
    using archive = mirror.open(options);
    const { packages, suites } = await archive.resolve({ packages: ["hello"], architecture: "amd64" }, mirror.task);
    return JSON.stringify([packages, suites]);
  };
  const once = await lock({});
  const before = process.umask(0o077);
  try {
    assert.equal(await lock({ cacheDir: join(mirror.base, "other"), now: () => Date.now() + 3 * DAY }), once);
  } finally {
    process.umask(before);
  }
});
