import assert from "node:assert/strict";
import { closeSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createPrivate, replaceFile, syncDirectory, syncDirectorySync } from "./atomic.ts";
import { Failure } from "./error.ts";
import { errnoOf, orStorageFailure, storageFailure } from "./storage-failure.ts";

const dir = mkdtempSync(join(tmpdir(), "nought-atomic-"));
after(() => rmSync(dir, { recursive: true, force: true }));
const at = (name: string) => join(dir, name);

test("a file is replaced as a whole, private unless said otherwise", async () => {
  writeFileSync(at("state"), "old");
  replaceFile(at("t1"), at("state"), Buffer.from("new"), { durable: true });
  assert.equal(readFileSync(at("state"), "utf8"), "new");
  assert.equal(statSync(at("state")).mode & 0o777, 0o600);
  replaceFile(at("t2"), at("state"), Buffer.from("newer"), { mode: 0o444 });
  assert.equal(statSync(at("state")).mode & 0o777, 0o444);
  await syncDirectory(dir);
  syncDirectorySync(dir);
});

test("what cannot be renamed leaves no temporary file", () => {
  assert.throws(() => replaceFile(at("t3"), at("missing/state"), Buffer.from("x")), { code: "ENOENT" });
  assert.ok(!readdirSync(dir).includes("t3"));
});

test("S11: a planted link is neither followed nor replaced", () => {
  writeFileSync(at("victim"), "precious");
  symlinkSync(at("victim"), at("planted"));
  assert.throws(() => createPrivate(at("planted")), { code: "EEXIST" });
  assert.throws(() => replaceFile(at("planted"), at("state"), Buffer.from("x")), { code: "EEXIST" });
  assert.equal(readFileSync(at("victim"), "utf8"), "precious");
});

test("S11: umask 000 makes no file for everybody", () => {
  const before = process.umask(0);
  try {
    closeSync(createPrivate(at("umask")));
    assert.equal(statSync(at("umask")).mode & 0o777, 0o600);
  } finally {
    process.umask(before);
  }
});

test("system errors become failures that name the path and the reason", () => {
  const system = (code: string) => Object.assign(new Error(code), { code });
  const failure = storageFailure(system("EROFS"), "could not write", "/a\u001bb") as Failure;
  assert.equal(failure.code, "STORAGE");
  assert.equal(failure.message, "could not write /a\\x1bb: the file system is read-only (EROFS)");
  assert.equal((storageFailure(system("ENOSPC"), "could not write", dir) as Failure).code, "NO_SPACE");
  assert.match((storageFailure(system("EDQUOT"), "could not write", dir) as Failure).message, /quota/);
  const bug = new TypeError("bug");
  assert.equal(storageFailure(bug, "could not write", dir), bug);
  const known = new Failure("DIGEST", "x");
  assert.equal(storageFailure(known, "could not write", dir), known);
  assert.equal(errnoOf(bug), undefined);
  assert.throws(() => orStorageFailure("could not read", at("nothing"), () => readFileSync(at("nothing"))), { code: "STORAGE" });
});
