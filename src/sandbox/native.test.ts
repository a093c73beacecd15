import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { NBOX } from "./nbox-bytes.ts";

const root = join(import.meta.dirname, "../..");

test("the helper's bytes are as their hashes say, and small", () => {
  assert.deepEqual(Object.keys(NBOX), ["x64", "arm64"]);
  for (const [architecture, { sha256, base64 }] of Object.entries(NBOX)) {
    const bytes = Buffer.from(base64, "base64");
    assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256, architecture);
    assert.equal(bytes.toString("latin1", 1, 4), "ELF");
    assert.ok(bytes.length < 5000, `${architecture}: ${bytes.length} bytes`);
  }
});

test("the helper's source gives the bytes that are shipped", (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/native.mjs", "--check"], { cwd: root, encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
  for (const line of stdout.split("\n")) if (line.includes("skipped")) t.diagnostic(line);
  if (!/sha256:/.test(stdout)) t.skip(stdout.trim());
});
