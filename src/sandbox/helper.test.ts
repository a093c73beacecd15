import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const dir = mkdtempSync(join(tmpdir(), "nought-helper-"));
after(() => rmSync(dir, { recursive: true, force: true }));
let count = 0;

/** Installs the helper in a process of its own; gives what it says. */
function install(cache: string): { path?: string; error?: string } {
  const code = `import("${join(import.meta.dirname, "helper.ts")}").then((one) => console.log(JSON.stringify(one.installHelper()))).catch((error) => console.log(JSON.stringify({ error: error.message })))`;
  const env = { PATH: "/usr/bin:/bin", XDG_CACHE_HOME: cache, TMPDIR: dir };
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8", env });
  return JSON.parse(stdout) as { path?: string; error?: string };
}

const fresh = () => join(dir, `cache${++count}`);

test("the helper is installed for its owner alone to change, and found again", () => {
  const cache = fresh();
  const { path = "" } = install(cache);
  assert.ok(path.startsWith(join(cache, "nought/helper/nbox-")), path);
  assert.equal(statSync(path).mode & 0o777, 0o755);
  const { ino } = statSync(path);
  assert.equal(install(cache).path, path);
  assert.equal(statSync(path).ino, ino, "it is not written anew");
});

test("a helper with other bytes, another mode or behind a link is put right", () => {
  const cache = fresh();
  const { path = "" } = install(cache);
  const bytes = readFileSync(path);
  const damages: readonly (() => void)[] = [
    () => writeFileSync(path, "junk"),
    () => chmodSync(path, 0o777),
    () => {
      rmSync(path);
      symlinkSync("/bin/false", path);
    },
  ];
  for (const damage of damages) {
    damage();
    install(cache);
    assert.deepEqual(readFileSync(path), bytes);
    assert.equal(statSync(path).mode & 0o777, 0o755);
  }
});

test("S11: a directory that others may write to is made one's own", () => {
  const cache = fresh();
  mkdirSync(join(cache, "nought"), { recursive: true });
  chmodSync(join(cache, "nought"), 0o777);
  install(cache);
  assert.equal(statSync(join(cache, "nought")).mode & 0o022, 0);
});

test("what killed processes left is swept, and another place is taken where the first will not do", () => {
  const cache = fresh();
  install(cache);
  const left = join(cache, "nought/helper/table-4194000-1-0-1-ff");
  writeFileSync(left, "");
  install(cache);
  assert.ok(!existsSync(left));
  assert.deepEqual(readdirSync(join(cache, "nought/helper")).length, 2);
  const file = join(dir, "a-file");
  writeFileSync(file, "");
  assert.match(install(file).path ?? "", /\/nought-\d+\/helper\/nbox-/);
});
