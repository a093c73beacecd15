import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { END, member, tar } from "../../test/craft-tar.ts";
import { refused } from "../../test/refused.ts";
import { type Outcome, Workbench } from "../../test/workbench.ts";

const ALL = "FROM scratch\nCOPY . /\n";
const SECRET = "canary 5b1f";

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
  if (up instanceof Error) assert.ok(refused("TAR", /up/)(up));
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
