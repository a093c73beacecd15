import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const hello = join(import.meta.dirname, "../examples/hello");

test("the example's programs are what its script writes", () => {
  const dir = mkdtempSync(join(tmpdir(), "nought-hello-"));
  try {
    cpSync(join(hello, "make.mjs"), join(dir, "make.mjs"));
    assert.equal(spawnSync(process.execPath, [join(dir, "make.mjs")]).status, 0);
    for (const name of ["hello-amd64", "hello-arm64"])
      assert.deepEqual(readFileSync(join(dir, name)), readFileSync(join(hello, name)), name);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("the example's program says hello", (t) => {
  const program = process.arch === "x64" ? "hello-amd64" : process.arch === "arm64" ? "hello-arm64" : undefined;
  if (!program || process.platform !== "linux") return t.skip(`no program for ${process.platform}/${process.arch}`);
  assert.equal(spawnSync(join(hello, program), { encoding: "utf8" }).stdout, "Hello from scratch!\n");
});
