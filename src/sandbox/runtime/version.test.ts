import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isSound, runtimeWarning } from "./version.ts";

test("X11: versions before the known fixes are warned of, with the CVEs' names", () => {
  const lines = [
    [1, 2, 8],
    [1, 3, 3],
    [1, 4, 0],
  ] as const;
  const sound = (text: string) => isSound(text.split(".").map(Number) as [number, number, number], lines);
  for (const old of ["1.1.15", "1.2.7", "1.3.2", "0.9.9", "1.0.0"]) assert.equal(sound(old), false, old);
  for (const fine of ["1.2.8", "1.2.10", "1.3.3", "1.4.0", "1.5.0", "2.0.0"]) assert.equal(sound(fine), true, fine);
});

test("X11: a runtime that prints junk, or none at all, is a warning and no crash", () => {
  const dir = mkdtempSync(join(tmpdir(), "nought-runtime-"));
  try {
    const fake = (text: string) => {
      const path = join(dir, "crun");
      writeFileSync(path, `#!/bin/sh\n${text}\n`);
      chmodSync(path, 0o755);
      return runtimeWarning({ name: "crun", path });
    };
    assert.match(fake("echo 'crun version 1.8.1'") ?? "", /version 1\.8\.1, which has known ways out .*CVE-2026-47766/);
    assert.equal(fake("echo 'crun version 1.28'"), undefined);
    assert.match(fake("printf '\\033[2Jjunk'; exit 3") ?? "", /does not say which version it is: \\x1b\[2Jjunk/);
    assert.match(runtimeWarning({ name: "runc", path: join(dir, "nothing") }) ?? "", /ENOENT/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
