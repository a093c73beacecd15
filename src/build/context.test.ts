import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
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
import { refused } from "../../test/refused.ts";
import { BLANK, Workbench } from "../../test/workbench.ts";
import { createTask } from "../task/task.ts";

const ALL = "FROM scratch\nCOPY . /\n";
const SECRET = "canary 5b1f";

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
    (await whole.entries()).map((entry) => (entry.kind === "symlink" ? `${entry.path} -> ${entry.target}` : entry.path)),
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
  assert.deepEqual(await (await bench.build(dir, "FROM scratch\nCOPY ../*/secret /out/\n")).entries(), []);
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
        (await (await bench.build(dir, ALL)).entries()).map((entry) => entry.path),
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
      (await (await bench.build(dir, dockerfile)).entries()).map(({ path, kind }) => [path, kind]);
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
  const entries = await (await bench.build(dir, ALL)).entries();
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
    ...BLANK,
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
