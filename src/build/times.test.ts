import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { refused } from "../../test/refused.ts";
import { Workbench, writeFiles } from "../../test/workbench.ts";
import { openShelf } from "../shelf/shelf.ts";
import { createTask } from "../task/task.ts";
import { mergeTree } from "../tree/merge.ts";

const DOCKERFILE = `FROM scratch AS one
COPY a d /x/
WORKDIR /srv/deep
COPY <<EOF /note
hello
EOF
FROM scratch
COPY --from=one /x/a /x/y /out/
COPY --chown=5:6 --chmod=640 a /other
ENV A=b
`;

test("the same files, however they came to be there, give the same digest once SOURCE_DATE_EPOCH is set", async () => {
  const digests = new Set<string>();
  for (const umask of [0o022, 0o077]) {
    await using bench = new Workbench();
    const before = process.umask(umask);
    try {
      const names = umask === 0o022 ? ["a", "d/y", "d/x"] : ["d/x", "d/y", "a"];
      const dir = join(bench.dir, `context-${umask}`);
      mkdirSync(join(dir, "d"), { recursive: true });
      for (const name of names) writeFileSync(join(dir, name), name);
      for (const name of ["a", "d/x", "d/y"]) chmodSync(join(dir, name), 0o644);
      chmodSync(join(dir, "d"), 0o755);
      utimesSync(join(dir, "a"), umask, umask);
      digests.add((await bench.build(dir, DOCKERFILE, { sourceDateEpoch: 1_600_000_000 })).digest);
    } finally {
      process.umask(before);
    }
  }
  assert.equal(digests.size, 1);
});

test("without SOURCE_DATE_EPOCH the digest depends on the files and their times alone", async () => {
  const digests = new Set<string>();
  for (const _ of [1, 2]) {
    await using bench = new Workbench();
    const dir = bench.folder("context", { a: "1", d: { x: "2", y: "3" } });
    for (const name of ["a", "d/x", "d/y", "d"]) utimesSync(join(dir, name), 1_500_000_000, 1_500_000_000);
    utimesSync(join(dir, "d/y"), 1_500_000_123, 1_500_000_123);
    const { digest, result } = await bench.build(dir, DOCKERFILE);
    digests.add(digest);
    assert.equal(result.assembled.image.config.created, "2017-07-14T02:42:03Z", "created is the newest time of what the image holds");
  }
  assert.equal(digests.size, 1);
});

test("SOURCE_DATE_EPOCH: files of the context get exactly that second, older files of other sources keep theirs, newer ones are clamped", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { old: "1", new: "2" });
  utimesSync(join(dir, "old"), 1000, 1000);
  utimesSync(join(dir, "new"), 3000, 3000);
  const base = await bench.build(dir, "FROM scratch\nCOPY . /\n", {
    names: [{ registry: "docker.io", repository: "library/base", tag: "latest" }],
  });
  assert.equal((await base.get("/old"))?.mtime, 1000);
  const { get, result } = await bench.build(
    dir,
    "FROM base AS b\nFROM scratch\nCOPY --from=b /old /new /b/\nCOPY old new /c/\nWORKDIR /w\n",
    { sourceDateEpoch: 2000 },
  );
  assert.equal((await get("/b/old"))?.mtime, 1000);
  assert.equal((await get("/b/new"))?.mtime, 2000);
  assert.equal((await get("/c/old"))?.mtime, 2000);
  assert.equal((await get("/c/new"))?.mtime, 2000);
  assert.equal((await get("/w"))?.mtime, 2000);
  assert.equal(result.assembled.image.config.created, "1970-01-01T00:33:20Z");
  assert.deepEqual([...new Set(result.assembled.image.config.history.map((entry) => entry.created))], ["1970-01-01T00:33:20Z"]);
});

test("every layer lists parents before what they hold, and copies the metadata that the image has for them", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { p: { q: { f: "1" } }, g: "2" });
  chmodSync(join(dir, "p"), 0o700);
  const { result } = await bench.build(dir, "FROM scratch\nCOPY --parents p/q/f /\nCOPY g /p/q/\n");
  const shelf = openShelf(await bench.store, createTask());
  const drafts = await Promise.all(result.built.layers.map((layer) => shelf.index(layer)));
  assert.deepEqual(
    drafts[1]?.map((entry) => [entry.path, entry.mode.toString(8)]),
    [
      ["/p", "700"],
      ["/p/q", "755"],
      ["/p/q/g", "644"],
    ],
  );
  assert.equal(mergeTree(drafts).size, 4);
});

test("independent stages run side by side and unneeded ones not at all", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { a: "1" });
  writeFiles(dir, { b: "2" });
  const { result, done } = await bench.build(
    dir,
    "FROM scratch AS one\nCOPY a /\nFROM scratch AS two\nCOPY b /\nFROM nowhere/at/all AS never\nCOPY a /\nFROM scratch\nCOPY --from=one /a /\nCOPY --from=two /b /\n",
  );
  assert.deepEqual([...result.graph.stages.keys()].sort(), [0, 1, 3]);
  // The last stage adds what the others did, byte for byte: their layers are its layers.
  assert.deepEqual([...done].sort(), ["[one 1/1] COPY a /", "[two 1/1] COPY b /"]);
  assert.equal(result.built.layers.length, 2);
});

test("a stage that fails stops those beside it, and nothing goes on when the build is over", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { a: "1" });
  writeFileSync(join(dir, "huge"), "");
  truncateSync(join(dir, "huge"), 2 ** 34);
  const started = Date.now();
  const dockerfile =
    "FROM scratch AS slow\nCOPY huge /\nFROM scratch AS bad\nCOPY a /\nCOPY missing /\nFROM scratch\nCOPY --from=slow /huge /\nCOPY --from=bad /a /\n";
  await assert.rejects(bench.build(dir, dockerfile), refused("NOT_FOUND", /"\/missing": not found/));
  assert.ok(Date.now() - started < 5000, "well before sixteen gigabytes are written");
  const left = readdirSync(join(bench.storeDir, "tmp"), { recursive: true, withFileTypes: true }).filter(
    (one) => one.isFile() && one.name !== "leases",
  );
  assert.deepEqual(
    left.map((one) => one.name),
    [],
  );
});
