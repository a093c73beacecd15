import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeFolder } from "./make-folder.ts";

const top = mkdtempSync(join(tmpdir(), "nought-folder-"));
after(() => rmSync(top, { recursive: true, force: true }));
const code = (wanted: string) => (error: unknown) => (error as NodeJS.ErrnoException).code === wanted;

test("folders are made with those before them, and kept where they are", () => {
  assert.equal(makeFolder(join(top, "a/b/c"), 0o700), join(top, "a"));
  assert.equal(statSync(join(top, "a/b/c")).mode & 0o777, 0o700);
  assert.equal(makeFolder(join(top, "a/b/c")), undefined);
  symlinkSync("a", join(top, "link"));
  makeFolder(join(top, "link/d"));
  assert.ok(existsSync(join(top, "a/d")));
});

test("what cannot be made ends with its reason", () => {
  writeFileSync(join(top, "file"), "");
  assert.throws(() => makeFolder(join(top, "file")), code("EEXIST"));
  assert.throws(() => makeFolder(join(top, "file/x/y")), code("ENOTDIR"));
  symlinkSync("nowhere", join(top, "dangling"));
  assert.throws(() => makeFolder(join(top, "dangling/x")));
  mkdirSync(join(top, "real"));
});

test("a file system that takes no folders is no reason to try for ever", { skip: !existsSync("/proc/self") }, () => {
  assert.throws(() => makeFolder("/proc/nought/x"), code("ENOENT"));
});
