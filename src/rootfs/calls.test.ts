import assert from "node:assert/strict";
import { lstatSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { engineCommand, findProgram, setEngine } from "../sandbox/engine.ts";
import { ownHow } from "./open.ts";
import { removeTree } from "./remove.ts";
import { whyNot } from "./testing/overlay.ts";

for (const name of ["nbox", "perl"] as const) {
  const skip = whyNot() || (name === "perl" && !findProgram("perl") ? "no perl" : false);
  test(`X28: ${name} sets and reads attributes and makes nodes, and says which of many failed`, { skip }, () => {
    const dir = mkdtempSync(join(tmpdir(), "nought-calls-"));
    try {
      setEngine(name);
      assert.equal(engineCommand().name, name);
      const { calls } = ownHow();
      const files = Array.from({ length: 4500 }, (_, at) => join(dir, `${at}`));
      for (const file of files.slice(1)) writeFileSync(file, "");
      // The first is not there; batches hold fewer than these.
      const value = (at: number) => Buffer.from(`value of ${at}`);
      const results = calls.change(files.map((path, at) => ({ call: "setxattr", path, name: "user.note", value: value(at) })));
      assert.deepEqual([results[0], results.slice(1).every((result) => result === 0)], [-2, true]);
      const found = calls.attributes(files);
      assert.equal(found[0]?.size, 0);
      for (const at of [1, 2, 3999, 4000, 4001, 4499]) assert.deepEqual(found[at]?.get("user.note"), value(at));
      const pipe = join(dir, "\udcff pipe");
      assert.deepEqual(calls.change([{ call: "mknod", path: pipe, mode: 0o10640, major: 0, minor: 0 }]), [0]);
      assert.ok(lstatSync(Buffer.from(`${dir}/\xff pipe`, "latin1")).isFIFO());
    } finally {
      setEngine(undefined);
      removeTree(dir);
    }
  });
}
