import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { readAptConf, readInto } from "./apt-conf.ts";
import { authorizationFor, parseAuthConf } from "./auth-conf.ts";
import type { ArchiveOptions } from "./face.ts";
import { chooseSites } from "./site.ts";
import { parseSources, parseSourcesList } from "./sources.ts";
import { TestMirror } from "./testing/mirror.ts";
import { proxyEnv } from "./transport.ts";

const HOST = "http://mirror.invalid";
const silent = () => {};

function sites(mirror: TestMirror, options: Partial<ArchiveOptions> = {}) {
  const env = { XDG_CONFIG_HOME: join(mirror.base, "config") };
  const all = { suite: "bookworm", cacheDir: mirror.cacheDir, root: mirror.machine, env, ...options };
  return chooseSites(all, readAptConf(mirror.machine), (text) => mirror.notes.push(text)).map((site) =>
    [site.suite, ...site.roots].join(" "),
  );
}

const failing = (code: string, about: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === code && about.test(`${error.message} ${error.hint}`);

test("both forms of sources, with their options", () => {
  const list =
    "# a comment\ndeb-src http://x.invalid/ bookworm main\ndeb [ arch=amd64,arm64 signed-by=/k.gpg trusted=no by-hash=force ] http://x.invalid/debian/ bookworm main contrib # c\n";
  const [one, ...others] = parseSourcesList(list, "f", silent);
  assert.equal(others.length, 0);
  assert.deepEqual(one, {
    uris: ["http://x.invalid/debian"],
    suites: ["bookworm"],
    components: ["main", "contrib"],
    signedBy: ["/k.gpg"],
    trusted: false,
    byHash: "force",
  });
  const text =
    "Types: deb deb-src\nURIs: http://x.invalid/debian\n https://y.invalid/debian\nSuites: bookworm bookworm-updates\nComponents: main\n# c\nSigned-By: /a.gpg\nCheck-Valid-Until: no\n\nEnabled: no\nTypes: deb\nURIs: http://z.invalid\nSuites: x\n";
  const [two, ...rest] = parseSources(text, "f", silent);
  assert.equal(rest.length, 0);
  assert.deepEqual([two?.uris.length, two?.suites.length, two?.signedBy, two?.checkValidUntil], [2, 2, ["/a.gpg"], false]);
});

test("sources that we cannot read are left out with words; damaged files are refused with their line", () => {
  const notes: string[] = [];
  const text = "deb cdrom:[Debian]/ bookworm main\ndeb http://x.invalid ./\ndeb mirror://x.invalid/list bookworm main\n";
  assert.deepEqual(
    parseSourcesList(text, "/l", (note) => notes.push(note)),
    [],
  );
  assert.equal(notes.length, 3);
  assert.throws(() => parseSourcesList("deb\n", "/l", silent), failing("PACKAGE", /\/l, line 1/));
  assert.throws(() => parseSourcesList("\nfoo bar\n", "/l", silent), failing("PACKAGE", /\/l, line 2/));
  assert.throws(() => parseSources("Types deb\n", "/s", silent), failing("PACKAGE", /\/s, line 1/));
});

test("a mirror list of the machine: its mirrors by their priority, what is none left out with words", async () => {
  await using mirror = new TestMirror();
  const notes: string[] = [];
  mirror.put(
    join(mirror.machine, "etc/apt/mirrors/debian.list"),
    "# a comment\nhttp://last.invalid/debian/\nhttp://second.invalid/debian\tpriority:2 type:index\nnothing at all\nhttp://first.invalid/debian priority:1\n",
  );
  const read = (text: string) => parseSourcesList(text, "/l", (note) => notes.push(note), mirror.machine);
  const [source] = read("deb mirror+file:/etc/apt/mirrors/debian.list bookworm main\n");
  assert.deepEqual(
    source?.uris,
    ["first", "second", "last"].map((name) => `http://${name}.invalid/debian`),
  );
  assert.deepEqual(notes, ["/etc/apt/mirrors/debian.list: nothing is not the URL of an archive and is left out"]);
  assert.deepEqual(read("deb mirror+file:/etc/apt/mirrors/none.list bookworm main\n"), []);
  assert.match(notes[1] ?? "", /the mirror list \/etc\/apt\/mirrors\/none\.list does not exist/);
});

test("the machine's sources: updates and security with the suite; sisters of other releases where theirs are", async () => {
  await using mirror = new TestMirror();
  const [main, security] = [`${HOST}/debian`, `${HOST}/debian-security`];
  mirror.sources(
    `Types: deb\nURIs: ${main}\nSuites: bookworm bookworm-updates\nComponents: main\n\nTypes: deb\nURIs: ${security}\nSuites: bookworm-security\nComponents: main\n\n` +
      "Types: deb\nURIs: http://other.invalid/node\nSuites: nodistro\nComponents: main\n\nTypes: deb\nURIs: http://docker.invalid\nSuites: bookworm\nComponents: stable\n",
  );
  assert.deepEqual(sites(mirror), [`bookworm ${main}`, `bookworm-updates ${main}`, `bookworm-security ${security}`]);
  assert.deepEqual(sites(mirror, { suite: "trixie" }), [`trixie ${main}`, `trixie-updates ${main}`, `trixie-security ${security}`]);
  assert.deepEqual(sites(mirror, { suite: "sid" }), [`sid ${main}`]);
  assert.deepEqual(sites(mirror, { extraSuites: [] }), [`bookworm ${main}`]);
  assert.throws(() => sites(mirror, { suite: "jammy" }), failing("USAGE", /no mirror is known for Debian's jammy/));
  assert.throws(() => sites(mirror, { suite: "../etc" }), failing("USAGE", /not the name of a suite/));
});

test("no mirror anywhere: words that say how to set it; nought's configuration and --mirror set it", async () => {
  await using mirror = new TestMirror();
  assert.throws(() => sites(mirror), failing("USAGE", /no mirror is known.*--mirror URL.*debian\.sources/s));
  mirror.put(join(mirror.base, "config/nought/debian.sources"), `Types: deb\nURIs: ${HOST}/own\nSuites: bookworm\nComponents: main\n`);
  assert.deepEqual(sites(mirror), [`bookworm ${HOST}/own`]);
  mirror.sources(`Types: deb\nURIs: ${HOST}/debian\nSuites: bookworm\nComponents: main\n`);
  assert.deepEqual(sites(mirror), [`bookworm ${HOST}/debian`]);
  assert.deepEqual(sites(mirror, { mirrors: ["file:///srv/debian/", `bookworm-security=${HOST}/sec`] }), [
    "bookworm file:///srv/debian",
    "bookworm-updates file:///srv/debian",
    `bookworm-security ${HOST}/sec`,
  ]);
  const both = `Types: deb\nURIs: ${HOST}/debian\nSuites: bookworm bookworm-security\nComponents: main\n`;
  mirror.sources(both);
  assert.deepEqual(sites(mirror, { mirrors: [`${HOST}/near`] }).at(-1), `bookworm-security ${HOST}/debian`);
  // With keys of its own it stands alone.
  assert.deepEqual(sites(mirror, { mirrors: [`${HOST}/near`], keyrings: ["/k.gpg"] }), [
    `bookworm ${HOST}/near`,
    `bookworm-updates ${HOST}/near`,
  ]);
  assert.throws(() => sites(mirror, { mirrors: ["ftp://x.invalid/debian"] }), failing("USAGE", /not the URL of an archive/));
});

test("snapshots: the time in the mirror's address is replaced; expired is no trouble then; without a time in it, words", async () => {
  await using mirror = new TestMirror();
  const at = (snapshot: string, url = `${HOST}/archive/debian/20250101T000000Z`) =>
    sites(mirror, { mirrors: [url], snapshot, extraSuites: [] });
  assert.deepEqual(at("2025-05-20"), [`bookworm ${HOST}/archive/debian/20250520T000000Z`]);
  assert.deepEqual(at("20250520T083000Z"), [`bookworm ${HOST}/archive/debian/20250520T083000Z`]);
  assert.throws(() => at("yesterday"), failing("USAGE", /not a time/));
  assert.throws(() => at("2025-05-20", HOST), failing("USAGE", /no mirror is known that keeps old states/));
  const past = new Date(Date.now() - 9e9).toUTCString().replace("GMT", "UTC");
  await mirror.suite("bookworm", { packages: [{ name: "hello" }], release: { Date: past, "Valid-Until": past } });
  const { cpSync } = await import("node:fs");
  cpSync(mirror.dir, join(mirror.base, "20250520T000000Z"), { recursive: true });
  using archive = mirror.open({ mirrors: [`file://${mirror.base}/20240101T000000Z`], snapshot: "2025-05-20" });
  assert.equal((await archive.packages("amd64", ["hello"], mirror.task)).length, 1);
});

test("a mirror named by hand may be without updates; the machine's own may not", async () => {
  await using mirror = new TestMirror();
  await mirror.suite("bookworm", { packages: [{ name: "hello" }] });
  using archive = mirror.open({ mirrors: [mirror.url], extraSuites: undefined as never });
  assert.equal((await archive.packages("amd64", ["hello"], mirror.task)).length, 1);
  assert.match(mirror.notes.join("\n"), /bookworm-updates is not at the mirror that was named/);
  assert.match(mirror.notes.join("\n"), /no source is known for bookworm-security/);
  mirror.sources(`Types: deb\nURIs: ${mirror.url}\nSuites: bookworm bookworm-updates\nComponents: main\n`);
  using strict = mirror.open({ extraSuites: undefined as never });
  await assert.rejects(strict.packages("amd64", ["hello"], mirror.task), failing("NETWORK", /the mirror has no suite bookworm-updates/));
});

test("apt.conf: scopes, comments, lists; proxies for a scheme and for a host", () => {
  const conf = new Map<string, string>();
  readInto(
    conf,
    '// c\n/* d\n*/ # e\nAcquire { http { Proxy "http://p:1"; Proxy::direct.invalid "DIRECT"; }; Languages { "none"; }; };\nacquire::HTTPS::proxy "http://s:2";\nA::B:: "x";',
  );
  assert.equal(conf.get("acquire::http::proxy"), "http://p:1");
  assert.equal(conf.get("a::b"), "x");
  const env = { http_proxy: "http://env:3", no_proxy: "n" };
  assert.deepEqual(proxyEnv(`${HOST}/x`, conf, env), { http_proxy: "http://p:1", https_proxy: "http://p:1", no_proxy: "n" });
  assert.deepEqual(proxyEnv("https://mirror.invalid/x", conf, {}), { http_proxy: "http://s:2", https_proxy: "http://s:2" });
  assert.deepEqual(proxyEnv("http://direct.invalid/x", conf, env), {});
  assert.equal(proxyEnv(`${HOST}/x`, new Map(), env), env);
  assert.throws(
    () => proxyEnv(`${HOST}/x`, new Map([["acquire::http::proxy", "socks5h://u:secret@p:1"]]), env),
    (error: Error) => !error.message.includes("secret"),
  );
});

test("a proxy of apt's configuration is used", async () => {
  await using mirror = new TestMirror();
  await mirror.suite("bookworm", { packages: [{ name: "hello" }] });
  await mirror.serve();
  mirror.put(join(mirror.machine, "etc/apt/apt.conf"), `Acquire::http::Proxy "${new URL(mirror.url).origin}";`);
  mirror.sources(`Types: deb\nURIs: ${HOST}/debian\nSuites: bookworm\nComponents: main\n`);
  mirror.answer = (request, response) => {
    // A proxy is asked with the whole address.
    if (!request.url?.startsWith(HOST)) response.writeHead(400).end();
    else request.url = request.url.slice(HOST.length);
    return response.writableEnded;
  };
  mirror.asked.length = 0;
  using archive = mirror.open();
  await assert.rejects(archive.packages("amd64", ["hello"], mirror.task));
  assert.ok(mirror.asked[0]?.startsWith(`${HOST}/debian/dists/bookworm/InRelease`), mirror.asked.join());
});

test("logins of auth.conf go to their host and path, over https unless they say otherwise, and never into messages", async () => {
  const logins = parseAuthConf(
    "# c\nmachine a.invalid/debian login me password s3cret\n\nmachine http://b.invalid:81\n login you\n password p\n",
  );
  assert.equal(authorizationFor("https://a.invalid/debian/dists/x", logins), `Basic ${Buffer.from("me:s3cret").toString("base64")}`);
  for (const url of ["http://a.invalid/debian/x", "https://a.invalid/other", "https://c.invalid/debian/x", "http://b.invalid/x"])
    assert.equal(authorizationFor(url, logins), undefined, url);
  assert.ok(authorizationFor("http://b.invalid:81/x", logins));
  await using mirror = new TestMirror();
  await mirror.suite("bookworm", { packages: [{ name: "hello" }] });
  await mirror.serve();
  mirror.sources();
  const seen: (string | undefined)[] = [];
  mirror.answer = (request, response) => {
    seen.push(request.headers.authorization);
    if (request.headers.authorization === undefined) response.writeHead(401).end();
    return response.writableEnded;
  };
  using without = mirror.open();
  await assert.rejects(without.packages("amd64", ["hello"], mirror.task), failing("NETWORK", /status 401/));
  mirror.put(join(mirror.machine, "etc/apt/auth.conf.d/a.conf"), `machine ${new URL(mirror.url).origin} login me password s3cret`);
  using archive = mirror.open();
  assert.equal((await archive.packages("amd64", ["hello"], mirror.task)).length, 1);
  assert.ok(!mirror.notes.join().includes("s3cret"));
});
