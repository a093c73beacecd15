import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { placePath, RootedFolder } from "./rooted.ts";

test("paths are looked up as if the folder were the root of everything", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "nought-rooted-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  mkdirSync(join(dir, "root/etc/deep"), { recursive: true });
  writeFileSync(join(dir, "root/etc/passwd"), "inside");
  writeFileSync(join(dir, "passwd"), "outside");
  mkdirSync(join(dir, "etc"));
  writeFileSync(join(dir, "etc/passwd"), "outside");
  for (const [name, target] of [
    ["up", "../../../../etc"],
    ["absolute", "/etc/passwd"],
    ["loop", "loop"],
    ["dangling", "/nowhere"],
    ["host", join(dir, "passwd")],
    ["chain", "etc/deep/../../up/passwd"],
  ] as const)
    symlinkSync(target, join(dir, "root", name));
  using root = new RootedFolder(join(dir, "root"));
  const read = (path: string) => root.readSmall(path, 100)?.toString();
  for (const path of ["/etc/passwd", "etc//./passwd", "../../etc/passwd", "up/passwd", "absolute", "chain", "/etc/deep/../passwd"])
    assert.equal(read(path), "inside", path);
  for (const path of ["host", "dangling", "loop", "nothing", "etc/passwd/x"]) assert.equal(read(path), undefined, path);
  assert.equal(root.find("up/passwd", false).path, "/etc/passwd");
  assert.equal(root.find("absolute", false).stats?.isSymbolicLink(), true);
  assert.deepEqual(
    [root.find("/", true), root.find("etc/deep/..", true), root.find("dangling", true)].map(({ path, name, stats }) => [
      path,
      name,
      stats?.isDirectory(),
    ]),
    [
      ["/", ".", true],
      ["/etc", ".", true],
      ["/nowhere", "nowhere", undefined],
    ],
  );
  assert.throws(() => root.find("loop", true), { code: "NOT_FOUND", message: "loop: too many levels of symbolic links" });
  assert.throws(() => root.find("nothing/x", true), { message: "nothing/x: no such file or directory" });
  assert.throws(() => root.find("etc/passwd/x", true), { message: "etc/passwd/x: not a directory" });
  const place = root.find("etc/passwd", false);
  assert.equal(readFileSync(placePath(place.dir, place.name), "utf8"), "inside");
});

test("X23: whoever renames directories meanwhile cannot lead us out", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "nought-rooted-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  mkdirSync(join(dir, "root/a/b"), { recursive: true });
  writeFileSync(join(dir, "root/a/b/file"), "inside");
  mkdirSync(join(dir, "root/b"));
  writeFileSync(join(dir, "root/b/file"), "inside too");
  mkdirSync(join(dir, "b"));
  writeFileSync(join(dir, "b/file"), "outside");
  const script = `const { renameSync, symlinkSync, unlinkSync } = require("node:fs"); process.chdir(process.argv[1]);
    process.stdout.write("x");
    for (const end = Date.now() + 1500; Date.now() < end;) {
      renameSync("a", "moved"); symlinkSync("..", "a"); unlinkSync("a"); renameSync("moved", "a");
    }`;
  const child = spawn(process.execPath, ["-e", script, join(dir, "root")], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  using root = new RootedFolder(join(dir, "root"));
  const seen = new Map<string | undefined, number>();
  while (child.exitCode === null) {
    for (let count = 0; count < 200; count++) {
      const text = root.readSmall("a/b/../b/file", 100)?.toString();
      seen.set(text, (seen.get(text) ?? 0) + 1);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
  assert.ok((seen.get("inside") ?? 0) > 0, [...seen.keys()].join());
  assert.equal(seen.get("outside"), undefined);
});
