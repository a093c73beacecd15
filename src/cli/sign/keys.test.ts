import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { readKeyFile } from "./keys.ts";

const dir = mkdtempSync(join(tmpdir(), "nought-key-files-"));
after(() => rmSync(dir, { recursive: true, force: true }));
const failing = (code: string, why: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === code && why.test(error.message);

test("a file with a key is read through links and up to its limit; what is missing or a folder is said", () => {
  const path = join(dir, "key\u001b");
  writeFileSync(path, "x".repeat(LIMITS.keyBytes));
  symlinkSync(path, join(dir, "link"));
  assert.equal(readKeyFile(join(dir, "link")).length, LIMITS.keyBytes);
  writeFileSync(path, "x".repeat(LIMITS.keyBytes + 1));
  assert.throws(() => readKeyFile(path), failing("LIMIT", /key\\x1b has 1048577 bytes; 1048576 are accepted$/));
  assert.throws(() => readKeyFile(join(dir, "none")), failing("NOT_FOUND", /none: no such file$/));
  assert.throws(() => readKeyFile(dir), failing("STORAGE", /is a directory/));
});
