import assert from "node:assert/strict";
import { linkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tar } from "../../../test/craft-tar.ts";
import { refused } from "../../../test/refused.ts";
import { Workbench } from "../../../test/workbench.ts";

const ALL = "FROM scratch\nCOPY . /\n";

test("C16: names of one file stay one file, whichever comes first, and never across layers", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { d: { z: "same" }, other: "new" });
  linkSync(join(dir, "d/z"), join(dir, "d/a"));
  linkSync(join(dir, "d/z"), join(dir, "outside"));
  const shown = async (dockerfile: string) =>
    (await (await bench.build(dir, dockerfile)).entries()).map((entry) =>
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
  const entries = (await outcome.entries()).map((entry) => (entry.kind === "hardlink" ? `${entry.path} = ${entry.target}` : entry.path));
  assert.deepEqual(entries, ["/out", "/out/a", "/out/y", "/out/z = /out/y"]);
  assert.equal(await outcome.text("/out/a"), "new");
  assert.equal(await outcome.text("/out/y"), "same");
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
  assert.equal((await outcome.entries()).length, names.length + 1);
  const again = await bench.build(dir, "FROM scratch AS one\nCOPY . /\nFROM scratch\nCOPY --from=one / /\n");
  assert.deepEqual(
    (await again.entries()).map((entry) => entry.path),
    (await outcome.entries()).map((entry) => entry.path),
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
  assert.ok((await whole.entries()).some((entry) => entry.path === "/out/root" && entry.kind === "symlink"));
});
