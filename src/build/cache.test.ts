import assert from "node:assert/strict";
import { chmodSync, renameSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Workbench } from "../../test/workbench.ts";
import type { BuildRequest } from "./request.ts";

const CONTEXT = { a: "one", b: "two", d: { x: "ex", y: "why" } };
const ALL = "FROM scratch\nCOPY . /\n";

/** Builds twice with a change between, and says whether the last step was performed again. */
async function again(
  first: string,
  second: string,
  change: (dir: string) => void = () => {},
  requests: readonly [Partial<BuildRequest>, Partial<BuildRequest>] = [{}, {}],
) {
  await using bench = new Workbench();
  const dir = bench.folder("context", CONTEXT);
  await bench.build(dir, first, requests[0]);
  change(dir);
  const { done, result } = await bench.build(dir, second, requests[1]);
  const last = result.graph.stages.get(result.graph.target)?.steps.at(-1)?.label ?? "";
  return done.includes(last) ? "miss" : "hit";
}

const misses: [string, string, string, (((dir: string) => void) | undefined)?, [Partial<BuildRequest>, Partial<BuildRequest>]?][] = [
  ["content of a file", ALL, ALL, (dir) => writeFileSync(join(dir, "a"), "uno")],
  [
    "content with the same size and time",
    ALL,
    ALL,
    (dir) => {
      utimesSync(join(dir, "a"), 1e9, 1e9);
      writeFileSync(join(dir, "a"), "eno");
      utimesSync(join(dir, "a"), 1e9, 1e9);
    },
  ],
  ["mode of a file", ALL, ALL, (dir) => chmodSync(join(dir, "a"), 0o755)],
  ["mode of a folder", ALL, ALL, (dir) => chmodSync(join(dir, "d"), 0o700)],
  ["one more file", ALL, ALL, (dir) => writeFileSync(join(dir, "c"), "")],
  ["one file less", ALL, ALL, (dir) => unlinkSync(join(dir, "a"))],
  ["another name", ALL, ALL, (dir) => renameSync(join(dir, "a"), join(dir, "z"))],
  [
    "a file becomes a link to the same bytes",
    ALL,
    ALL,
    (dir) => {
      unlinkSync(join(dir, "a"));
      writeFileSync(join(dir, "o"), "one");
      symlinkSync("o", join(dir, "a"));
    },
  ],
  ["files exchanged", ALL, ALL, (dir) => (writeFileSync(join(dir, "a"), "two"), writeFileSync(join(dir, "b"), "one"))],
  [
    "bytes moved from one file to the next",
    ALL,
    ALL,
    (dir) => (writeFileSync(join(dir, "a"), "onet"), writeFileSync(join(dir, "b"), "wo")),
  ],
  ["destination", "FROM scratch\nCOPY a /x", "FROM scratch\nCOPY a /y"],
  ["--chown", "FROM scratch\nCOPY a /", "FROM scratch\nCOPY --chown=1 a /"],
  ["--chown group", "FROM scratch\nCOPY --chown=1:1 a /", "FROM scratch\nCOPY --chown=1:2 a /"],
  ["--chmod", "FROM scratch\nCOPY a /", "FROM scratch\nCOPY --chmod=600 a /"],
  ["--exclude", "FROM scratch\nCOPY d /", "FROM scratch\nCOPY --exclude=x d /"],
  ["--parents", "FROM scratch\nCOPY d/x /", "FROM scratch\nCOPY --parents d/x /"],
  [
    "an ARG that is used",
    "FROM scratch\nARG A\nCOPY $A /f",
    "FROM scratch\nARG A\nCOPY $A /f",
    undefined,
    [{ buildArgs: { A: "a" } }, { buildArgs: { A: "b" } }],
  ],
  ["an ENV that is used", "FROM scratch\nENV A=a\nCOPY $A /f", "FROM scratch\nENV A=b\nCOPY $A /f"],
  ["USER before WORKDIR", "FROM scratch\nUSER 1\nWORKDIR /w", "FROM scratch\nUSER 2\nWORKDIR /w"],
  ["WORKDIR before a relative destination", "FROM scratch\nWORKDIR /\nCOPY a f", "FROM scratch\nWORKDIR /w\nCOPY a f"],
  ["text of a heredoc", "FROM scratch\nCOPY <<E /f\n1\nE\n", "FROM scratch\nCOPY <<E /f\n2\nE\n"],
  ["name of a heredoc in a folder", "FROM scratch\nCOPY <<E /f/\n1\nE\n", "FROM scratch\nCOPY <<F /f/\n1\nF\n"],
  ["SOURCE_DATE_EPOCH", ALL, ALL, undefined, [{ sourceDateEpoch: 1 }, { sourceDateEpoch: 2 }]],
  ["--no-cache", ALL, ALL, undefined, [{}, { noCache: true }]],
];

for (const [what, first, second, change, requests] of misses) {
  test(`S25: another ${what} is a miss`, async () => assert.equal(await again(first, second, change, requests ?? [{}, {}]), "miss"));
}

const hits: [string, string, string, (((dir: string) => void) | undefined)?, [Partial<BuildRequest>, Partial<BuildRequest>]?][] = [
  ["nothing changed", ALL, ALL],
  ["times changed", ALL, ALL, (dir) => utimesSync(join(dir, "a"), 1, 1)],
  ["a file was written again with the same bytes", ALL, ALL, (dir) => writeFileSync(join(dir, "a"), "one")],
  [
    "a file was replaced by its copy",
    ALL,
    ALL,
    (dir) => {
      writeFileSync(join(dir, "copy"), "one");
      renameSync(join(dir, "copy"), join(dir, "a"));
    },
  ],
  [
    "a file beside the chosen ones changed",
    "FROM scratch\nCOPY a /",
    "FROM scratch\nCOPY a /",
    (dir) => writeFileSync(join(dir, "b"), "other"),
  ],
  [
    "an ARG that is not used",
    "FROM scratch\nARG A\nCOPY a /",
    "FROM scratch\nARG A\nCOPY a /",
    undefined,
    [{ buildArgs: { A: "1" } }, { buildArgs: { A: "2" } }],
  ],
  ["a comment", ALL, `# hello\n${ALL}`],
  ["a label", ALL, `${ALL}LABEL x=y\n`],
  ["CMD", ALL, `${ALL}CMD ["/a"]\n`],
  ["a HEALTHCHECK", ALL, `${ALL}HEALTHCHECK NONE\n`],
  ["the name of the stage", ALL, "FROM scratch AS other\nCOPY . /\n"],
  ["a variable with the same value", "FROM scratch\nCOPY a /f", "FROM scratch\nARG A=a\nCOPY $A /f"],
  ["--build-arg of a name nobody declares", ALL, ALL, undefined, [{}, { buildArgs: { HTTP_PROXY: "http://p" } }]],
  ["a secret", ALL, ALL, undefined, [{}, { secrets: ["id=x"] }]],
  ["a step before that adds the same", "FROM scratch\nCOPY a /n\nCOPY b /m", "FROM scratch\nCOPY --link a /n\nCOPY b /m"],
];

for (const [what, first, second, change, requests] of hits) {
  test(`S25: ${what} is a hit`, async () => assert.equal(await again(first, second, change, requests ?? [{}, {}]), "hit"));
}

test("a stage that comes to the same stops the ripple", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { in: { src: "source", note: "1" }, other: "x" });
  const dockerfile = "FROM scratch AS one\nCOPY in/src in/note /\nFROM scratch\nCOPY --from=one /src /app\nCOPY other /\n";
  await bench.build(dir, dockerfile);
  writeFileSync(join(dir, "in/note"), "2");
  const { done, cached } = await bench.build(dir, dockerfile);
  assert.deepEqual(done, ["[one 1/1] COPY in/src in/note /"]);
  assert.deepEqual(cached, ["[stage-1 1/2] COPY --from=one /src /app", "[stage-1 2/2] COPY other /"]);
});

test("a layer pruned from under its record is a miss and no error", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", CONTEXT);
  const { result, digest } = await bench.build(dir, ALL);
  unlinkSync((await bench.store).pathOf(result.built.layers[0]?.diffId as never));
  const again = await bench.build(dir, ALL);
  assert.equal(again.done.length, 1);
  assert.equal(again.digest, digest);
});

test("--no-cache-filter builds only the named stage anew", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", CONTEXT);
  const dockerfile = "FROM scratch AS one\nCOPY a /\nFROM scratch AS two\nCOPY b /\nCOPY --from=one /a /\n";
  await bench.build(dir, dockerfile);
  const { done, cached } = await bench.build(dir, dockerfile, { noCacheFilter: ["one"] });
  assert.deepEqual(done, ["[one 1/1] COPY a /"]);
  assert.equal(cached.length, 2);
});

test("a large file that was only touched is still a hit, though it is not read for that first", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { big: Buffer.alloc(9 << 20, 7) });
  utimesSync(join(dir, "big"), 1e9, 1e9);
  await new Promise((resolve) => setTimeout(resolve, 30));
  const { digest } = await bench.build(dir, "FROM scratch\nCOPY big /\n");
  utimesSync(join(dir, "big"), 2e9, 2e9);
  const again = await bench.build(dir, "FROM scratch\nCOPY big /\n");
  assert.equal(again.cached.length, 1);
  assert.equal(again.digest, digest);
  writeFileSync(join(dir, "big"), Buffer.alloc(9 << 20, 8));
  assert.equal((await bench.build(dir, "FROM scratch\nCOPY big /\n")).done.length, 1);
});
