import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findProgram } from "./engine.ts";
import { NBOX } from "./nbox-bytes.ts";
import { writeStreams } from "./streams.ts";
import { TableBuilder } from "./table.ts";

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

const qemu = findProgram("qemu-aarch64-static") ?? findProgram("qemu-aarch64");

test("the arm64 helper performs a table, emulated", { skip: qemu ? false : "no qemu-aarch64 (Debian: qemu-user-static)" }, () => {
  const dir = mkdtempSync(join(tmpdir(), "nought-arm64-"));
  try {
    const program = join(dir, "nbox");
    writeFileSync(program, Buffer.from(NBOX["arm64"]?.base64 ?? "", "base64"), { mode: 0o755 });
    const table = new TableBuilder("arm64");
    const child = table.register();
    const parent = table.mark();
    const text = table.space(24);
    table.clone(0, child, parent, "fork");
    table.decimal(64, text);
    table.call("writev", [1, table.words64(text, 2, table.text(" bits\n"), 6), 2]);
    table.leave(5);
    table.place(parent);
    table.pump(child, writeStreams(table, {}));
    writeFileSync(join(dir, "table"), table.finish().bytes);
    const ran = spawnSync(qemu as string, [program, join(dir, "table")], { encoding: "utf8" });
    assert.deepEqual({ status: ran.status, stdout: ran.stdout }, { status: 5, stdout: "64 bits\n" });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
