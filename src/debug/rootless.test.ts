import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { testRootless, whyNotRootless } from "../rootfs/testing/rootless.ts";

const files = ["debug.test.ts", "toolbox.test.ts"].map((name) => join(import.meta.dirname, name));

for (const kind of ["ranges", "single"] as const) {
  test(`X28: debugging as an ordinary user, ${kind === "ranges" ? "with ranges of ids" : "with a single id"}: the same tests`, {
    skip: whyNotRootless(kind),
  }, (t) => {
    const { failed, passed, report } = testRootless(kind, files);
    if (report.includes("# cannot enter")) return t.skip(report);
    assert.deepEqual(failed, [], report);
    assert.ok(passed >= 8, report.slice(-1500));
  });
}
