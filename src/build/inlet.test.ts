import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { tar } from "../../test/craft-tar.ts";
import { bzip2, xz } from "../../test/packers.ts";
import { refused } from "../../test/refused.ts";
import { memoryReader, sampleImage, sampleIndex } from "../../test/sample-image.ts";
import { type Outcome, Workbench, writeFiles } from "../../test/workbench.ts";
import { type Digest, hexOf } from "../oci/digest.ts";
import { parseReference, withDefaultTag } from "../oci/reference.ts";
import { copyImage } from "../place/copy.ts";
import { createLayout } from "../place/layout.ts";
import { createTask } from "../task/task.ts";
import type { BuildRequest, NamedContext } from "./request.ts";

const task = createTask();

const inside = (path = "Dockerfile") => ({ kind: "inside", path }) as const;

const PACKED: Readonly<Record<string, ((bytes: Buffer) => Buffer) | undefined>> = {
  plain: (bytes) => bytes,
  gzip: gzipSync,
  zstd: zstdCompressSync,
  xz,
  bzip2,
};

for (const [name, pack] of Object.entries(PACKED)) {
  test(`a context in a tar, ${name}: as the same folder would build`, { skip: pack ? false : `${name} is not installed` }, async () => {
    await using bench = new Workbench();
    const dockerfile = "FROM scratch\nCOPY . /all/\nCOPY d/f /f\n";
    const dir = bench.folder("folder", { Dockerfile: dockerfile, d: { f: "content" } });
    const path = join(bench.dir, "context");
    const facts = { mtime: 1_000_000_000 };
    const archive = tar(
      { name: "Dockerfile", body: dockerfile, ...facts },
      { name: "d/", flag: "5", mode: 0o755, ...facts },
      { name: "d/f", body: "content", ...facts },
    );
    writeFileSync(path, pack?.(archive) ?? archive);
    const request = { context: { kind: "tar", path }, dockerfile: inside(), sourceDateEpoch: 5 } as const;
    const fromTar = await bench.build("", "", request);
    assert.equal(await fromTar.text("/all/d/f"), "content");
    assert.equal((await bench.build(dir, dockerfile, { sourceDateEpoch: 5, noCache: true })).digest, fromTar.digest);
    const again = await bench.build("", "", request);
    assert.equal(again.cached.length, 2);
    const clock = (await bench.build("", "", { ...request, sourceDateEpoch: undefined as never })).get("/all/d/f");
    assert.equal((await clock)?.mtime, 1_000_000_000);
  });
}

test("a tar as context: owners as docker has them, a Dockerfile elsewhere in it, no ignore file", async () => {
  await using bench = new Workbench();
  const path = join(bench.dir, "context.tar");
  writeFileSync(
    path,
    tar(
      { name: "sub/Other", body: "FROM scratch\nCOPY . /\n" },
      { name: ".dockerignore", body: "kept\n" },
      { name: "kept", body: "x", uid: 5, gid: 6, mode: 0o4711 },
    ),
  );
  const { get } = await bench.build("", "", { context: { kind: "tar", path }, dockerfile: inside("sub/Other") });
  const entry = await get("/kept");
  assert.deepEqual([entry?.uid, entry?.gid, entry?.mode], [5, 6, 0o4711]);
});

test("damaged archives as context are told of, and nothing stays", async () => {
  await using bench = new Workbench();
  const path = join(bench.dir, "context.tar");
  const archive = tar({ name: "Dockerfile", body: "FROM scratch\n" }, { name: "f", body: "x".repeat(5000) });
  const request = { context: { kind: "tar", path }, dockerfile: inside() } as const;
  for (const [bytes, code, words] of [
    [archive.subarray(0, 2000), "TAR", /the context, byte \d+/],
    [gzipSync(archive).subarray(0, 60), "COMPRESSION", /the context: .*(?:cut|end)/],
    [gzipSync(gzipSync(archive)), "TAR", /the context, byte \d+/],
    [Buffer.from("FROM scratch\n".repeat(100)), "TAR", /the context, byte 0/],
    [Buffer.from("PK\u0003\u0004".padEnd(2000)), "COMPRESSION", /zip/],
  ] as const) {
    writeFileSync(path, bytes);
    await assert.rejects(bench.build("", "", request), refused(code, words));
  }
  await assert.rejects(
    bench.build("", "", { ...request, context: { kind: "tar", path: join(bench.dir, "no") } }),
    refused("CONTEXT", /not a regular file/),
  );
  assert.deepEqual((await bench.store).usage !== undefined && (await (await bench.store).check()), []);
});

test("no context: a Dockerfile alone, whose COPY finds nothing", async () => {
  await using bench = new Workbench();
  const context = { kind: "none" } as const;
  const { result } = await bench.build("", "FROM scratch\nCOPY <<E /f\nx\nE\n", { context });
  assert.equal(result.built.layers.length, 1);
  await assert.rejects(
    bench.build("", "FROM scratch\nCOPY x /\n", { context }),
    refused("NOT_FOUND", /"\/x": not found in the build context/),
  );
  assert.deepEqual((await bench.build("", "FROM scratch\nCOPY . /\n", { context })).result.built.layers.length, 1);
});

const git = (cwd: string, ...args: string[]) =>
  execFileSync("git", ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "init.defaultBranch=main", ...args], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_AUTHOR_DATE: "2001-02-03T04:05:06Z",
      GIT_COMMITTER_DATE: "2001-02-03T04:05:06Z",
    },
  }).trim();

/** A bare repository with two commits; the tag v1 is the first one. */
function repository(bench: Workbench): string {
  const work = bench.folder("work", {
    Dockerfile: "FROM scratch\nCOPY . /\n",
    ".dockerignore": "f\n",
    f: "first",
    sub: { Dockerfile: "FROM scratch\nCOPY s /\n", s: "sub" },
  });
  symlinkSync("/etc", join(work, "out"));
  git(work, "init", "-q");
  git(work, "add", ".");
  git(work, "commit", "-qm", "one");
  git(work, "tag", "v1");
  writeFiles(work, { f: "second" });
  git(work, "commit", "-qam", "two");
  git(bench.dir, "clone", "-q", "--bare", work, "app.git");
  return `file://${bench.dir}/app.git`;
}
const withoutGit = spawnSync("git", ["--version"]).status === 0 ? false : "git is not installed";

test("C06: a git repository as context: branch, tag, sub-directory; nothing outside of it", { skip: withoutGit }, async () => {
  await using bench = new Workbench();
  const url = repository(bench);
  const build = (address: string, dockerfile: BuildRequest["dockerfile"] = inside()) =>
    bench.build("", "", { context: { kind: "git", url: address }, dockerfile });
  const head = await build(url);
  assert.equal(await head.text("/f"), "second", "as with docker, its ignore file does not count");
  assert.equal((await head.get("/f"))?.mtime, 981_173_106, "files have the time of the commit");
  assert.equal(await head.get("/.git"), undefined);
  assert.equal(await (await build(`${url}#v1`)).text("/f"), "first");
  assert.equal(await (await build(`${url}#:sub`)).text("/s"), "sub");
  assert.equal(await build(url, inside("sub/Dockerfile")).catch((error) => error.code), "NOT_FOUND");
  assert.equal((await build(url)).cached.length, 1, "the same commit is known");
  for (const [address, code, words] of [
    [`${url}#:../..`, "USAGE", /\.\./],
    [`${url}#:out`, "CONTEXT", /out/],
    [`${url}#--upload-pack=x`, "USAGE", /--upload-pack|dash/],
    [`${url}#nowhere`, "NOT_FOUND", /nowhere/],
    [`${url}#:missing`, "CONTEXT", /missing/],
    [`file://${bench.dir}/none.git`, "NETWORK", /none\.git/],
  ] as const)
    await assert.rejects(build(address), refused(code, words), address);
  await assert.rejects(build(url, inside("out/passwd")), refused("NOT_FOUND", /out\/passwd/));
});

test("named contexts: a folder with its ignore file, an archive, a repository", { skip: withoutGit }, async () => {
  await using bench = new Workbench();
  const dir = bench.folder("main", { own: "x" });
  const folder = bench.folder("named", { f: "of the folder", no: "x", ".dockerignore": "no\n.dockerignore" });
  const path = join(bench.dir, "named.tar");
  writeFileSync(path, tar({ name: "f", body: "of the archive" }));
  const contexts: Record<string, NamedContext> = {
    folder: { kind: "dir", path: folder },
    archive: { kind: "tar", path },
    repo: { kind: "git", url: repository(bench) },
  };
  const dockerfile =
    "FROM scratch\nCOPY --from=folder . /folder/\nCOPY --from=archive . /archive/\nCOPY --from=repo f /repo/f\nCOPY own /\n";
  const { text, get } = await bench.build(dir, dockerfile, { contexts });
  assert.equal(await text("/folder/f"), "of the folder");
  assert.equal(await get("/folder/no"), undefined);
  assert.equal(await text("/archive/f"), "of the archive");
  assert.equal(await text("/repo/f"), "second");
  await assert.rejects(
    bench.build(dir, "FROM scratch\nCOPY --from=folder no /\n", { contexts }),
    refused("NOT_FOUND", /"\/no": not found in folder/),
  );
  await assert.rejects(
    bench.build(dir, "FROM scratch\nCOPY --from=gone x /\n", { contexts: { gone: { kind: "dir", path: join(bench.dir, "nowhere") } } }),
    refused("NOT_FOUND", /nowhere" not found/),
  );
});

test("FROM a folder: its files are the first layer", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("main", { own: "x" });
  const contexts = { base: { kind: "dir", path: bench.folder("base", { etc: { passwd: "app:x:7:8::/:/x\n" } }) } } as const;
  const { text, get, result } = await bench.build(dir, "FROM base\nCOPY --chown=app own /\n", { contexts });
  assert.equal(await text("/etc/passwd"), "app:x:7:8::/:/x\n");
  assert.deepEqual([(await get("/own"))?.uid, (await get("/own"))?.gid], [7, 8]);
  assert.deepEqual(
    result.assembled.image.config.history.map((entry) => [entry.created_by, entry.empty_layer]),
    [
      ["local source for base", undefined],
      ["COPY --chown=app own / # buildkit", undefined],
    ],
  );
});

const IMAGE = "FROM base\nCOPY --from=base /hello /again\n";

test("an image in the store as a base: by its name, by a named context, by digest", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("main", { hello: "hello" });
  const name = (text: string) => withDefaultTag(parseReference(text));
  const { digest } = await bench.build(dir, 'FROM scratch\nCOPY hello /\nENV A=b\nENTRYPOINT ["/hello"]\n', {
    names: [name("base"), name("example.com/other:1")],
  });
  const all: Outcome[] = [
    await bench.build(dir, IMAGE),
    await bench.build(dir, IMAGE, { contexts: { base: { kind: "image", name: name("example.com/other:1") } } }),
    await bench.build(dir, `FROM base@${digest}\nCOPY --from=base:latest /hello /again\n`),
  ];
  for (const { result, text } of all) {
    assert.equal(await text("/again"), "hello");
    const { config } = result.assembled.image.config;
    assert.deepEqual([config.Env?.at(-1), config.Entrypoint], ["A=b", ["/hello"]]);
    assert.deepEqual(
      result.assembled.image.config.history.map((entry) => entry.empty_layer ?? false),
      [false, true, true, false],
    );
  }
  assert.equal(new Set(all.map((one) => one.result.assembled.image.config.rootfs.diff_ids.join())).size, 1);
  await assert.rejects(
    bench.build(dir, "FROM nowhere/at:all\n"),
    refused("NOT_FOUND", /docker\.io\/nowhere\/at:all: not found in the local store/, /nought load|--build-context/),
  );
  await assert.rejects(
    bench.build(dir, "FROM scratch\nCOPY --from=absent /x /\n"),
    refused("NOT_FOUND", /docker\.io\/library\/absent:latest/),
  );
  await assert.rejects(bench.build(dir, "FROM scratch:latest\n"), refused("RESERVED", /scratch/, /FROM scratch/));
  await assert.rejects(bench.build(dir, "FROM scratch\nCOPY --from=scratch /x /\n"), refused("RESERVED", /scratch/));
});

test("an OCI layout as a base: by tag, by digest, for a platform; damaged ones are found", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("main", {});
  const path = join(bench.dir, "layout");
  const one = await sampleImage({ layers: [{ hello: "one" }], compression: "gzip" });
  const two = sampleIndex([
    { sample: await sampleImage({ layers: [{ hello: "two" }], compression: "zstd" }), architecture: "amd64" },
    { sample: await sampleImage({ layers: [{ hello: "three" }], architecture: "arm64" }), architecture: "arm64" },
  ]);
  const blobs = new Map([
    ...one.blobs,
    ...two.blobs,
    ...(await sampleImage({ layers: [{ hello: "three" }], architecture: "arm64" })).blobs,
  ]);
  const layout = await createLayout(path);
  for (const [sample, tag] of [
    [one, "latest"],
    [two, "two"],
  ] as const) {
    await copyImage(memoryReader(blobs), layout, sample.root, task);
    await layout.publish(withDefaultTag(parseReference(`app:${tag}`)), sample.root, task);
  }
  const from = async (context: Partial<NamedContext>, request: Partial<BuildRequest> = {}) =>
    (await bench.build(dir, IMAGE, { contexts: { base: { kind: "layout", path, ...context } as NamedContext }, ...request })).text(
      "/again",
    );
  assert.equal(await from({}), "one");
  assert.equal(await from({ tag: "two" }, { platform: { os: "linux", architecture: "amd64" } }), "two");
  assert.equal(await from({ tag: "two" }, { platform: { os: "linux", architecture: "arm64" } }), "three");
  assert.equal(await from({ digest: one.root.digest }), "one");
  await assert.rejects(
    from({ tag: "two" }, { platform: { os: "linux", architecture: "s390x" } }),
    refused("NOT_FOUND", /no match for platform linux\/s390x/, /linux\/amd64, linux\/arm64/),
  );
  await assert.rejects(from({ tag: "none" }), refused("NOT_FOUND", /none/));
  await assert.rejects(from({ digest: `sha256:${"0".repeat(64)}` }), refused("NOT_FOUND", /0{64}/));
  await assert.rejects(from({ path: dir } as never), refused("MANIFEST", /no OCI layout|oci-layout/));
  // M17: a flipped byte in the layer.
  const bad = join(bench.dir, "bad");
  execFileSync("cp", ["-r", path, bad]);
  const layer = join(bad, "blobs/sha256", hexOf(one.layers[0]?.digest as Digest));
  execFileSync("chmod", ["u+w", layer]);
  const bytes = readFileSync(layer);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
  writeFileSync(layer, bytes);
  await using fresh = new Workbench();
  await assert.rejects(
    fresh.build(dir, IMAGE, { contexts: { base: { kind: "layout", path: bad } } }),
    refused("DIGEST", new RegExp(one.layers[0]?.digest as string)),
  );
});

test("a Dockerfile outside of the context brings its own ignore file, which wins", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("main", { a: "1", b: "2", ".dockerignore": "a\n" });
  const elsewhere = bench.folder("elsewhere", {
    "My.Dockerfile": "FROM scratch\nCOPY . /\n",
    "My.Dockerfile.dockerignore": "b\n",
    Plain: "FROM scratch\nCOPY . /\n",
  });
  const build = (path: string) => bench.build(dir, "", { dockerfile: { kind: "path", path } });
  const mine = await build(join(elsewhere, "My.Dockerfile"));
  assert.equal(await mine.text("/a"), "1");
  assert.equal(await mine.get("/b"), undefined);
  const plain = await build(join(elsewhere, "Plain"));
  assert.equal(await plain.get("/a"), undefined);
  assert.equal(await plain.text("/b"), "2");
  await assert.rejects(build(join(elsewhere, "None")), refused("NOT_FOUND", /failed to read dockerfile: open .*None: no such file/));
  await assert.rejects(build(elsewhere), refused("CONTEXT", /is not a regular file/));
});

test("C04: ignore files that are none are refused at once", async () => {
  await using bench = new Workbench();
  const cases: [string, (path: string) => void, string, RegExp][] = [
    ["a FIFO", (path) => execFileSync("mkfifo", [path]), "CONTEXT", /ignore file .* is not a regular file/],
    ["a folder", (path) => mkdirSync(path), "CONTEXT", /ignore file .* is not a regular file/],
    ["endless", (path) => symlinkSync("/dev/zero", path), "CONTEXT", /ignore file .* is not a regular file/],
    ["too large", (path) => writeFileSync(path, Buffer.alloc((4 << 20) + 1, 10)), "LIMIT", /ignore file .* is larger than 4194304 bytes/],
    ["malformed", (path) => writeFileSync(path, "a[\n"), "CONTEXT", /ignore file .*\.dockerignore: syntax error in pattern "a\["/],
  ];
  for (const [what, make, code, words] of cases) {
    const dir = bench.folder("main", { a: "1" });
    make(join(dir, ".dockerignore"));
    await assert.rejects(bench.build(dir, "FROM scratch\nCOPY . /\n"), refused(code, words), what);
  }
  const dir = bench.folder("main", { a: "1", b: "2", ".dockerignore": "\ufeffa\n.dockerignore\n" });
  assert.equal(await (await bench.build(dir, "FROM scratch\nCOPY . /\n")).get("/a"), undefined, "a BOM is passed over");
});
