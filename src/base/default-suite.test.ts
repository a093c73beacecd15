import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { defaultSuite } from "./default-suite.ts";

function suiteOf(files: Readonly<Record<string, string>>, mirrors?: readonly string[]) {
  const root = mkdtempSync(join(tmpdir(), "nought-suite-"));
  const notes: string[] = [];
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    // As it is on most machines.
    if (files["etc/os-release"] !== undefined) {
      renameSync(join(root, "etc/os-release"), join(root, "os-release"));
      symlinkSync("../os-release", join(root, "etc/os-release"));
    }
    const suite = defaultSuite({ root, env: {}, ...(mirrors ? { mirrors } : {}) }, (text) => notes.push(text));
    return { suite, notes };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test("without a suite it is Debian's stable; on a machine that knows another of the same make only, that one, and it is said", () => {
  const noble = {
    "etc/os-release": 'NAME="Ubuntu"\nVERSION_CODENAME=noble\n',
    "etc/apt/sources.list.d/ubuntu.sources":
      "Types: deb\nURIs: http://mirror.example/ubuntu\nSuites: noble noble-updates\nComponents: main universe\n",
  };
  const debian = {
    "etc/apt/sources.list": "deb http://mirror.example/debian bookworm main\n",
    "etc/os-release": "VERSION_CODENAME=bookworm\n",
  };
  assert.deepEqual(suiteOf(debian), { suite: "trixie", notes: [] });
  const { suite, notes } = suiteOf(noble);
  assert.equal(suite, "noble");
  assert.match(notes.join(), /packages are those of its own noble/);
  assert.deepEqual(suiteOf({ ...noble, ...debian, "etc/os-release": "VERSION_CODENAME=noble\n" }), { suite: "trixie", notes: [] });
  assert.deepEqual(suiteOf(noble, ["http://other.example/debian"]), { suite: "trixie", notes: [] });
  assert.deepEqual(suiteOf({ "etc/os-release": "VERSION_CODENAME=noble\n" }), { suite: "trixie", notes: [] });
  assert.deepEqual(suiteOf({}), { suite: "trixie", notes: [] });
});
