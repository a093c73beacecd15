import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { END, member, tar } from "../../test/craft-tar.ts";
import { type Outcome, Workbench } from "../../test/workbench.ts";
import type { Failure } from "../kit/error.ts";
import { createTask } from "../task/task.ts";
import type { Entry } from "../tree/entry.ts";
import { openShelf } from "./shelf.ts";

const ALL = "FROM scratch\nCOPY . /\n";
const SECRET = "canary 5b1f";

/** Checks a refusal as users see it: its code, the words, and that nothing unfinished shines through. */
const refused = (code: string, words: RegExp) => (error: Failure) => {
  assert.equal(error.code, code, error.stack);
  assert.match(error.message, words);
  assert.doesNotMatch(`${error.message} ${error.hint ?? ""}`, /undefined|\[object|internal:/);
  return true;
};

/** Every entry of an image, by layers. */
async function entriesOf(bench: Workbench, { result }: Outcome): Promise<Entry[]> {
  using shelf = openShelf(await bench.store, createTask());
  return (await Promise.all(result.built.layers.map((layer) => shelf.index(layer)))).flat();
}

test("C01, C02: links out of the context lead nowhere, by name, through a folder, by a wildcard", async () => {
  await using bench = new Workbench();
  const outside = bench.folder("outside", { secret: SECRET });
  const dir = bench.folder("context", { file: "own" });
  const links = {
    absolute: join(outside, "secret"),
    up: "../outside/secret",
    folder: outside,
    root: "/",
    deep: "../../../../../../../../etc",
    loop: "loop",
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(dir, name));
  for (const source of ["absolute", "up", "folder/secret", "folder/*", "root/etc/passwd", "root/etc/shadow", "deep/passwd", "loop"]) {
    await assert.rejects(bench.build(dir, `FROM scratch\nCOPY ${source} /out/\n`), refused("NOT_FOUND", /not found|no such file/), source);
  }
  const whole = await bench.build(dir, ALL);
  assert.deepEqual(
    (await entriesOf(bench, whole)).map((entry) => (entry.kind === "symlink" ? `${entry.path} -> ${entry.target}` : entry.path)),
    ["/absolute", "/deep", "/file", "/folder", "/loop", "/root", "/up"].map((path) =>
      path === "/file" ? path : `${path} -> ${links[path.slice(1) as keyof typeof links]}`,
    ),
  );
  assert.equal(await (await bench.build(dir, "FROM scratch\nCOPY root/file /f\n")).text("/f"), "own", "/ is the context's own root");
});

test("C03: .. does not lead out", async () => {
  await using bench = new Workbench();
  bench.folder("outside", { secret: SECRET });
  const dir = bench.folder("context", { a: { file: "own" } });
  for (const source of ["../outside/secret", "/../../etc/passwd", "a/../../outside/secret", "a/../../../etc/passwd"]) {
    await assert.rejects(bench.build(dir, `FROM scratch\nCOPY ${source} /out/\n`), refused("NOT_FOUND", /not found|no such file/), source);
  }
  // A wildcard that matches nothing copies nothing.
  assert.deepEqual(await entriesOf(bench, await bench.build(dir, "FROM scratch\nCOPY ../*/secret /out/\n")), []);
  for (const source of ["../a/file", "/../../a/file", "a/../a/file", "a/x/../file"])
    assert.equal(await (await bench.build(dir, `FROM scratch\nCOPY ${source} /out\n`)).text("/out"), "own", source);
});

/** Runs as an ordinary user when the tests run as root, who may read everything. */
async function asUser<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await work();
  process.setegid?.(65_534);
  process.seteuid?.(65_534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

test("C09: what cannot be read is named; exclusion is a way out", async () => {
  await asUser(async () => {
    await using bench = new Workbench();
    const dir = bench.folder("context", { ok: "ok", sub: { closed: "x" }, shut: { inside: "x" } });
    chmodSync(join(dir, "sub/closed"), 0);
    await assert.rejects(bench.build(dir, "FROM scratch\nCOPY sub /\n"), refused("CONTEXT", /sub\/closed.*permission denied/));
    chmodSync(join(dir, "shut"), 0);
    try {
      await assert.rejects(bench.build(dir, ALL), refused("CONTEXT", /shut.*permission denied/));
      await assert.rejects(bench.build(dir, "FROM scratch\nCOPY shut/inside /\n"), refused("CONTEXT", /shut\/inside.*permission denied/));
      await bench.build(dir, "FROM scratch\nCOPY ok /\n");
      writeFileSync(join(dir, ".dockerignore"), "shut\nsub/closed\n.dockerignore\n");
      assert.deepEqual(
        (await entriesOf(bench, await bench.build(dir, ALL))).map((entry) => entry.path),
        ["/ok", "/sub"],
      );
      assert.deepEqual(readdirSync(join(bench.storeDir, "tmp")).length <= 1, true);
    } finally {
      chmodSync(join(dir, "shut"), 0o700);
    }
  });
});

test("C09: FIFOs become FIFOs, sockets are left out, neither is opened", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { file: "x" });
  execFileSync("mkfifo", [join(dir, "fifo")]);
  const server = createServer().listen(join(dir, "socket"));
  try {
    await new Promise((resolve) => server.once("listening", resolve));
    const kinds = async (dockerfile: string) =>
      (await entriesOf(bench, await bench.build(dir, dockerfile))).map(({ path, kind }) => [path, kind]);
    assert.deepEqual(await kinds(ALL), [
      ["/fifo", "fifo"],
      ["/file", "file"],
    ]);
    assert.deepEqual(await kinds("FROM scratch\nCOPY fifo /f\n"), [["/f", "fifo"]]);
    assert.deepEqual(await kinds("FROM scratch\nADD fifo /f\n"), [["/f", "fifo"]]);
    await assert.rejects(bench.build(dir, "FROM scratch\nCOPY socket /\n"), refused("NOT_FOUND", /socket/));
    await assert.rejects(
      bench.build(dir, "", { dockerfile: { kind: "path", path: join(dir, "fifo") } }),
      refused("CONTEXT", /not a regular file/),
    );
  } finally {
    server.close();
  }
});

const withoutDevices =
  spawnSync("sh", ["-c", 'd=$(mktemp -d) && mknod "$d/null" c 1 3; s=$?; rm -r "$d"; exit $s']).status === 0
    ? false
    : "may not make devices";
test("C09: a device is recorded and never opened", { skip: withoutDevices }, async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", {});
  execFileSync("mknod", [join(dir, "zero"), "c", "1", "5"]);
  execFileSync("mknod", [join(dir, "big"), "b", "300", "70000"]);
  const entries = await entriesOf(bench, await bench.build(dir, ALL));
  assert.deepEqual(
    entries.map((entry) => (entry.kind === "char" || entry.kind === "block" ? [entry.path, entry.kind, entry.major, entry.minor] : [])),
    [
      ["/big", "block", 300, 70_000],
      ["/zero", "char", 1, 5],
    ],
  );
});

test("C10: 200 levels, names of 255 bytes", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", {});
  const deep = Array.from({ length: 200 }, (_, n) => `d${n}`).join("/");
  mkdirSync(join(dir, deep), { recursive: true });
  writeFileSync(join(dir, deep, "file"), "deep");
  const long = `${"ü".repeat(127)}x`;
  writeFileSync(join(dir, long), "long");
  const { text } = await bench.build(dir, ALL);
  assert.equal(await text(`/${deep}/file`), "deep");
  assert.equal(await text(`/${long}`), "long");
});

test("C10: paths longer than the kernel takes are refused with their beginning", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", {});
  const parts = (letter: string) => Array.from({ length: 10 }, () => letter.repeat(240)).join("/");
  mkdirSync(join(dir, parts("n")), { recursive: true });
  const below = bench.folder("below", {});
  mkdirSync(join(below, parts("m")), { recursive: true });
  const joined = join(dir, parts("n"), "below");
  renameSync(below, joined);
  try {
    await assert.rejects(bench.build(dir, ALL), refused("CONTEXT", /^cannot (?:list|look at) nnnn.*: the path is too long$/));
  } finally {
    renameSync(joined, below);
  }
});

test("C15: contexts that are missing, a file, a loop or out of reach", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { file: "x", shut: { context: {} } });
  symlinkSync("loop", join(dir, "loop"));
  const at = (path: string) => bench.build(join(dir, path), ALL);
  await assert.rejects(at("missing"), refused("NOT_FOUND", /missing" not found/));
  await assert.rejects(at("file"), refused("CONTEXT", /file" is not a directory/));
  await assert.rejects(at("file/below"), refused("NOT_FOUND", /below" not found/));
  await assert.rejects(at("loop"), refused("CONTEXT", /loop.*too many|loop.*symbolic link/));
  await asUser(async () => {
    await using own = new Workbench();
    const shut = own.folder("shut", { context: { file: "x" } });
    chmodSync(shut, 0);
    try {
      await assert.rejects(own.build(join(shut, "context"), ALL), refused("CONTEXT", /shut\/context.*permission denied/));
      await assert.rejects(own.build(shut, ALL), refused("CONTEXT", /shut.*permission denied/));
      const dockerfile = { kind: "path", path: join(shut, "Dockerfile") } as const;
      await assert.rejects(own.build(own.dir, "", { dockerfile }), refused("CONTEXT", /shut\/Dockerfile.*permission denied/));
    } finally {
      chmodSync(shut, 0o700);
    }
  });
});

test("C16: names of one file stay one file, whichever comes first, and never across layers", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { d: { z: "same" }, other: "new" });
  linkSync(join(dir, "d/z"), join(dir, "d/a"));
  linkSync(join(dir, "d/z"), join(dir, "outside"));
  const shown = async (dockerfile: string) =>
    (await entriesOf(bench, await bench.build(dir, dockerfile))).map((entry) =>
      entry.kind === "hardlink" ? `${entry.path} = ${entry.target}` : `${entry.path} ${entry.kind}`,
    );
  assert.deepEqual(await shown("FROM scratch\nCOPY d /"), ["/a file", "/z = /a"]);
  assert.deepEqual(await shown("FROM scratch\nCOPY d/z /"), ["/z file"]);
  assert.deepEqual(await shown("FROM scratch\nCOPY d/z /\nCOPY d/a /"), ["/z file", "/a file"]);
  const { text } = await bench.build(dir, "FROM scratch\nCOPY d /\nCOPY other /a\n");
  assert.equal(await text("/a"), "new");
  assert.equal(await text("/z"), "same", "a name that is written over takes nothing with it");
});

test("C16: a file that is written over in the same step takes its twins' content nowhere", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { d: { a: "same" }, e: { a: "new" } });
  linkSync(join(dir, "d/a"), join(dir, "d/y"));
  linkSync(join(dir, "d/a"), join(dir, "d/z"));
  const outcome = await bench.build(dir, "FROM scratch\nCOPY d e /out/\n");
  const entries = (await entriesOf(bench, outcome)).map((entry) =>
    entry.kind === "hardlink" ? `${entry.path} = ${entry.target}` : entry.path,
  );
  assert.deepEqual(entries, ["/out", "/out/a", "/out/y", "/out/z = /out/y"]);
  assert.equal(await outcome.text("/out/a"), "new");
  assert.equal(await outcome.text("/out/y"), "same");
});

test("C17: umask, owner, time zone, locale and the order on disk change no digest", async () => {
  const digests = new Set<string>();
  const { TZ, LANG, LC_ALL } = process.env;
  const names = ["a", "b", "ä", "Z", "d/1", "d/2", ...Array.from({ length: 60 }, (_, n) => `many/${(n * 37) % 60}`)];
  const settings = [
    { umask: 0o000, env: { TZ: "UTC", LANG: "C" }, names, uid: 0 },
    { umask: 0o077, env: { TZ: "Pacific/Kiritimati", LANG: "de_DE.UTF-8", LC_ALL: "tr_TR.UTF-8" }, names: [...names].reverse(), uid: 1234 },
  ];
  for (const { umask, env, names: order, uid } of settings) {
    await using bench = new Workbench();
    const dir = join(bench.dir, `context-${uid}`);
    const before = process.umask(umask);
    Object.assign(process.env, env);
    try {
      for (const name of order) {
        mkdirSync(join(dir, name, ".."), { recursive: true });
        writeFileSync(join(dir, name), name);
        chmodSync(join(dir, name), 0o644);
        utimesSync(join(dir, name), uid, uid);
        if (process.geteuid?.() === 0) chownSync(join(dir, name), uid, uid);
      }
      for (const folder of ["d", "many", "."]) chmodSync(join(dir, folder), 0o755);
      const { digest } = await bench.build(dir, `${ALL}WORKDIR /w/x\nCOPY <<E /note\ntext\nE\n`, { sourceDateEpoch: 1_500_000_000 });
      digests.add(digest);
    } finally {
      process.umask(before);
      for (const [key, value] of Object.entries({ TZ, LANG, LC_ALL })) {
        if (value === undefined) delete process.env[key];
        else process.env[key] = value;
      }
    }
  }
  assert.equal(digests.size, 1);
});

test("C19: names that would delete something in an image are refused, wherever they come from", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { ok: "x", d: { ".wh.foo": "x" }, e: { ".wh..wh..opq": "" }, f: { ".wh.dir": { x: "y" } } });
  for (const [source, name] of [
    ["d", "/.wh.foo"],
    ["e", "/.wh..wh..opq"],
    ["f", "/.wh.dir"],
    ["d/.wh.foo", "/.wh.foo"],
  ])
    await assert.rejects(bench.build(dir, `FROM scratch\nCOPY ${source} /\n`), refused("CONTEXT", new RegExp(`${name}.*deletion`)));
  await assert.rejects(bench.build(dir, "FROM scratch\nCOPY ok /.wh.ok\n"), refused("CONTEXT", /\.wh\.ok/));
  await assert.rejects(bench.build(dir, "FROM scratch\nWORKDIR /a/.wh.b\n"), refused("CONTEXT", /\.wh\.b/));
  await assert.rejects(bench.build(dir, "FROM scratch\nCOPY <<.wh.x /\n.wh.x\n"), refused("CONTEXT", /\.wh\.x/));
  await bench.build(dir, "FROM scratch\nCOPY d/.wh.foo /foo\n");
  const archive = join(bench.dir, "context.tar");
  writeFileSync(archive, tar({ name: "ok", body: "x" }, { name: ".wh.gone", body: "x" }));
  const context = { kind: "tar", path: archive } as const;
  await assert.rejects(bench.build("", ALL, { context }), refused("CONTEXT", /the context: \/gone .*\.wh\./));
});

test("C20: names of all kinds are kept apart and exact", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", {});
  const names = [
    "new\nline",
    "tab\t",
    '"quotes"',
    "'",
    "-dash",
    "per%cent",
    "back\\slash",
    "Case",
    "case",
    "é",
    "e\u0301",
    " blank ",
    "$HOME",
    "*",
    "[a]",
    "a",
    "\u202e",
  ];
  for (const name of names) writeFileSync(join(dir, name), `content of ${name}`);
  writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff])]), "bytes");
  const outcome = await bench.build(dir, ALL);
  for (const name of names) assert.equal(await outcome.text(`/${name}`), `content of ${name}`);
  assert.equal(await outcome.text("/\udcff"), "bytes");
  assert.equal((await entriesOf(bench, outcome)).length, names.length + 1);
  const again = await bench.build(dir, "FROM scratch AS one\nCOPY . /\nFROM scratch\nCOPY --from=one / /\n");
  assert.deepEqual(
    (await entriesOf(bench, again)).map((entry) => entry.path),
    (await entriesOf(bench, outcome)).map((entry) => entry.path),
  );
});

test("C22: --from of a path through links stays inside that stage", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", {
    "link.tar": tar(
      { name: "root", flag: "2", link: "/" },
      { name: "up", flag: "2", link: "../../../.." },
      { name: "self", flag: "2", link: "self" },
      { name: "dev", flag: "3", major: 1, minor: 5 },
      { name: "abs", flag: "2", link: "/d/file" },
      { name: "d/file", body: "inside" },
    ),
  });
  const from = (path: string) => `FROM scratch AS one\nADD link.tar /\nFROM scratch\nCOPY --from=one ${path} /out/\n`;
  for (const path of ["/root/etc/passwd", "/up/etc/passwd", "/self", "/self/x", "/dev/x", "/../etc/passwd"])
    await assert.rejects(bench.build(dir, from(path)), refused("NOT_FOUND", /not found/), path);
  for (const path of ["/root/d/file", "/up/d/file", "/root/root/up/d/file"])
    assert.equal(await (await bench.build(dir, from(path))).text("/out/file"), "inside", path);
  assert.equal(await (await bench.build(dir, from("/abs"))).text("/out/abs"), "inside");
  const whole = await bench.build(dir, from("/root"));
  assert.equal((await whole.get("/out/dev"))?.kind, "char");
  assert.ok((await entriesOf(bench, whole)).some((entry) => entry.path === "/out/root" && entry.kind === "symlink"));
});

/** An archive as the whole context, its Dockerfile included. */
async function fromTar(bench: Workbench, archive: Buffer): Promise<Outcome> {
  const path = join(bench.dir, "context.tar");
  writeFileSync(path, archive);
  return bench.build("", "", { context: { kind: "tar", path }, dockerfile: { kind: "inside", path: "Dockerfile" } });
}
const dockerfile = (text: string) => ({ name: "Dockerfile", body: text });

test("C07: a hostile archive as context is confined", async () => {
  await using bench = new Workbench();
  const canary = join(bench.folder("outside", { secret: SECRET }), "secret");
  const { text, get } = await fromTar(
    bench,
    tar(
      dockerfile("FROM scratch\nCOPY . /x/\n"),
      { name: "/absolute", body: "1" },
      { name: "out", flag: "2", link: canary },
      { name: "etc", flag: "2", link: "/elsewhere" },
      { name: "etc/new", body: "through a link" },
      { name: "twice", body: "first" },
      { name: "twice", body: "second" },
    ),
  );
  assert.equal(await text("/x/absolute"), "1");
  assert.equal(await get("/x/out"), undefined, "a link that leads nowhere in the image");
  assert.equal(await text("/x/elsewhere/new"), "through a link");
  assert.equal(await text("/x/twice"), "second");
  assert.equal(execFileSync("cat", [canary], { encoding: "utf8" }), SECRET);
  for (const source of ["out", "etc/passwd"]) {
    const archive = tar(
      dockerfile(`FROM scratch\nCOPY ${source} /x\n`),
      { name: "out", flag: "2", link: canary },
      { name: "etc", flag: "2", link: "/etc" },
    );
    await assert.rejects(fromTar(bench, archive), refused("NOT_FOUND", /not found/));
  }
  const up = await fromTar(bench, tar(dockerfile("FROM scratch\nCOPY . /x/\n"), { name: "../up", body: "x" })).catch((error) => error);
  if (up instanceof Error) assert.ok(refused("TAR", /up/)(up as Failure));
  else assert.equal(await (up as Outcome).text("/x/up"), "x");
});

test("C07: the Dockerfile of an archive may be a link inside it, and nothing else", async () => {
  await using bench = new Workbench();
  const canary = join(bench.folder("outside", { Dockerfile: "FROM scratch\nLABEL stolen=1\n" }), "Dockerfile");
  const { result } = await fromTar(
    bench,
    tar({ name: "Dockerfile", flag: "2", link: "sub/real" }, { name: "sub/real", body: "FROM scratch\nLABEL a=b\n" }),
  );
  assert.deepEqual(result.assembled.image.config.config.Labels, { a: "b" });
  for (const odd of [
    { name: "Dockerfile", flag: "2", link: canary },
    { name: "Dockerfile", flag: "2", link: "Dockerfile" },
    { name: "Dockerfile/", flag: "5" },
    { name: "Dockerfile", flag: "6" },
    { name: "Dockerfile", flag: "3", major: 1, minor: 5 },
    { name: "other", body: "x" },
  ])
    await assert.rejects(fromTar(bench, tar(odd)), refused("NOT_FOUND", /failed to read dockerfile: open Dockerfile/));
  await assert.rejects(fromTar(bench, tar({ name: "Dockerfile", body: Buffer.alloc((4 << 20) + 1, 35) })), refused("LIMIT", /4194304/));
  await assert.rejects(
    fromTar(bench, Buffer.concat([member({ ...dockerfile(ALL), checksum: "000000\0 " }), END])),
    refused("TAR", /the context, byte 0/),
  );
});

test("C11: a sparse file is streamed, and an interruption is heard", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", {});
  const fd = openSync(join(dir, "sparse"), "w");
  ftruncateSync(fd, 2 ** 40);
  closeSync(fd);
  const abort = new AbortController();
  const { build } = await import("./build.ts");
  const started = Date.now();
  setTimeout(() => abort.abort(), 100);
  const request = {
    context: { kind: "dir", path: dir } as const,
    dockerfile: { kind: "text", text: ALL } as const,
    names: [],
    buildArgs: {},
    labels: {},
    annotations: {},
    contexts: {},
    noCache: false,
    noCacheFilter: [],
    pull: false,
    addHosts: [],
    secrets: [],
    ssh: [],
    outputs: [],
  };
  await assert.rejects(
    build(
      request,
      await bench.store,
      createTask(() => {}, abort.signal),
    ),
    refused("INTERRUPTED", /interrupted/),
  );
  assert.ok(Date.now() - started < 3000);
  assert.deepEqual(readdirSync(join(bench.storeDir, "blobs/sha256")), []);
});
