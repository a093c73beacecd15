import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createMatcher } from "../kit/pattern.ts";
import { hostTree } from "./host.ts";
import { toPath } from "./path.ts";

let dir = "";
before(() => {
  dir = mkdtempSync(join(tmpdir(), "nought-host-"));
  mkdirSync(join(dir, "d/e"), { recursive: true });
  writeFileSync(join(dir, "d/e/f"), "deep");
  writeFileSync(join(dir, "a"), "1");
  symlinkSync("/etc/passwd", join(dir, "absolute"));
  symlinkSync("../../../../etc/passwd", join(dir, "up"));
  symlinkSync("d/e", join(dir, "within"));
  symlinkSync("loop", join(dir, "loop"));
  symlinkSync("/", join(dir, "root"));
});
after(() => rmSync(dir, { recursive: true, force: true }));

const paths = (entries: Iterable<{ path: string }>) => [...entries].map((entry) => entry.path);

test("walks in canonical order, owners 0:0", () => {
  const tree = hostTree(dir);
  assert.deepEqual(paths(tree.walk()), ["/a", "/absolute", "/d", "/d/e", "/d/e/f", "/loop", "/root", "/up", "/within"]);
  assert.equal(tree.size, 9);
  assert.deepEqual([tree.get(toPath("/a"))?.uid, tree.get(toPath("/a"))?.gid], [0, 0]);
});

test("C01: links are followed inside the folder only", () => {
  const tree = hostTree(dir);
  assert.equal(tree.lookup(toPath("/absolute")), undefined);
  assert.equal(tree.lookup(toPath("/up")), undefined);
  assert.equal(tree.resolve(toPath("/absolute")), "/etc/passwd");
  assert.equal(tree.lookup(toPath("/within/f"))?.path, "/d/e/f");
  assert.equal(tree.lookup(toPath("/loop")), undefined);
});

test("C02: a link to / leads to the folder's own root", () => {
  const tree = hostTree(dir);
  assert.equal(tree.lookup(toPath("/root/etc/shadow")), undefined);
  assert.equal(tree.lookup(toPath("/root/a"))?.path, "/a");
});

test("a get below a symlink finds nothing: it takes paths literally", () => {
  assert.equal(hostTree(dir).get(toPath("/within/f")), undefined);
});

test("excluded folders are not entered, unless something below is let in again", () => {
  const plain = hostTree(dir, createMatcher(["d", "l*", "r*", "up", "within", "absolute"]));
  assert.deepEqual(paths(plain.walk()), ["/a"]);
  const again = hostTree(dir, createMatcher(["*", "!d/e/f"]));
  assert.deepEqual(paths(again.walk()), ["/d", "/d/e", "/d/e/f"]);
  assert.equal(hostTree(dir, createMatcher(["d"])).get(toPath("/d/e/f")), undefined);
});

test("C16: names of one file are known as twins", () => {
  const own = mkdtempSync(join(tmpdir(), "nought-twins-"));
  try {
    writeFileSync(join(own, "x"), "same");
    linkSync(join(own, "x"), join(own, "y"));
    writeFileSync(join(own, "z"), "same");
    const tree = hostTree(own);
    const twin = (name: string) => (tree.get(toPath(name)) as { twin?: string }).twin;
    assert.notEqual(twin("x"), undefined);
    assert.equal(twin("x"), twin("y"));
    assert.equal(twin("z"), undefined);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
});

test("C09: a FIFO is an entry that is never opened, a socket is left out", async () => {
  const own = mkdtempSync(join(tmpdir(), "nought-odd-"));
  const server = createServer().listen(join(own, "socket"));
  try {
    await new Promise((resolve) => server.once("listening", resolve));
    execFileSync("mkfifo", [join(own, "fifo")]);
    assert.deepEqual(
      [...hostTree(own).walk()].map((entry) => [entry.path, entry.kind]),
      [["/fifo", "fifo"]],
    );
  } finally {
    server.close();
    rmSync(own, { recursive: true, force: true });
  }
});

test("C20: names keep their bytes, also those that are not UTF-8", () => {
  const own = mkdtempSync(join(tmpdir(), "nought-names-"));
  try {
    const names = ["new\nline", "-dash", "per%cent", "back\\slash", "Case", "case", "\u00e9", "e\u0301", '"quoted"'];
    for (const name of names) writeFileSync(join(own, name), name);
    writeFileSync(Buffer.concat([Buffer.from(`${own}/bad`), Buffer.from([0xff, 0xfe])]), "bytes");
    const found = paths(hostTree(own).walk()).map((path) => path.slice(1));
    assert.deepEqual(new Set(found), new Set([...names, "bad\udcff\udcfe"]));
    assert.equal(found.length, names.length + 1);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
});
