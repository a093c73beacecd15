import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import * as operations from "../store-drivers/operations.ts";
import { bundleDriver, testFolder, trace, withoutStrace } from "../store-drivers/start.ts";

// The order checker: reads a log of system calls and says where the order could lose something in a power cut.
// 1 no rename into the store of a file with writes after its last fsync; 2 the folder of a renamed blob is synced before a
// name that refers to it gets its place; 3 the folder of the names is synced before success is printed; 4 no blob is
// unlinked before the names without it are durable; 5 temporary and final name lie in one store; 6 no write to a final name.

const folder = testFolder("order");
const driver = await bundleDriver(folder);
const CALLS =
  "openat,write,pwrite64,writev,pwritev,copy_file_range,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,ftruncate";

interface Violations {
  readonly found: string[];
  readonly renames: number;
  readonly syncs: number;
}

function check(dir: string, lines: readonly string[]): Violations {
  const found: string[] = [];
  const dirty = new Set<string>();
  const changed = new Set<string>();
  let [renames, syncs] = [0, 0];
  const inside = (path: string) => path.startsWith(`${dir}/`);
  const room = (path: string) => path.slice(dir.length + 1).split("/")[0] ?? "";
  const parent = (path: string) => path.slice(0, path.lastIndexOf("/"));
  for (const line of lines) {
    const call = /^\d+ +(\w+)\(/.exec(line)?.[1] ?? "";
    if (/ = -1 /.test(line)) continue;
    const open = /\(\d+<([^>]*)>/.exec(line)?.[1] ?? "";
    const paths = [...line.matchAll(/"(\/[^"]*)"/g)].map(([, path = ""]) => path);
    if (/write|copy_file_range|ftruncate/.test(call)) {
      if (call === "write" && line.includes('"ok ') && (changed.has(join(dir, "names")) || changed.has(join(dir, "blobs/sha256"))))
        found.push(`3: success before its folders were synced: ${[...changed].join(" ")}`);
      if (!inside(open)) continue;
      dirty.add(open);
      // The log of records is appended to in place by design: its lines check themselves.
      if (!["tmp", "records", ".version"].includes(room(open).replace(/-.*/, ""))) found.push(`6: write to a final name: ${line}`);
    } else if (/sync/.test(call)) {
      if (inside(open)) syncs++;
      dirty.delete(open);
      changed.delete(open);
    } else if (/^(rename|link)/.test(call)) {
      const [from = "", to = ""] = paths;
      if (!inside(to)) continue;
      renames++;
      if (!inside(from)) found.push(`5: from outside: ${line}`);
      if (["blobs", "names", "kept", "version"].includes(room(to)) && room(from) !== "trash" && dirty.has(from))
        found.push(`1: not synced: ${line}`);
      if (["names", "kept"].includes(room(to)) && changed.has(join(dir, "blobs/sha256"))) found.push(`2: blobs not durable: ${line}`);
      changed.add(parent(to));
      // A blob on its way to the trash may come back after a power cut: that costs space only.
      if (room(from) !== "blobs") changed.add(parent(from));
      dirty.delete(from);
    } else if (call.startsWith("unlink")) {
      const path = paths[0] ?? "";
      if (!inside(path)) continue;
      if (["trash", "blobs"].includes(room(path)) && (changed.has(join(dir, "names")) || changed.has(join(dir, "kept"))))
        found.push(`4: a blob goes before the names are durable: ${line}`);
      changed.add(parent(path));
    }
  }
  return { found, renames, syncs };
}

const steps: readonly (readonly [string, ...string[]])[] = [
  ["build", "new", "new", "40000000"],
  ["build", "again", "new", "40000000"],
  ["load", "loaded", "loaded", "400000"],
  ["tag", "new", "other"],
  ["tag", "new", "other"],
  ["remove", "loaded"],
  ["prune", "all"],
];

test("every write reaches the disk before what relies on it", { skip: withoutStrace() }, async () => {
  const dir = join(folder, "store");
  for (const [operation, ...rest] of steps) {
    const lines = trace(folder, CALLS, [process.execPath, driver, operation, dir, ...rest]);
    const { found, renames, syncs } = check(dir, lines);
    assert.deepEqual(found, [], operation);
    assert.ok(syncs > 0, `${operation}: ${renames} renames and ${syncs} syncs`);
  }
  assert.deepEqual(await operations.errorsOf(dir), []);
});

test("the order checker sees each kind of mistake", () => {
  const dir = "/s";
  const good = [
    `1 write(5</s/tmp/p/0>, "x", 1) = 1`,
    `1 fsync(5</s/tmp/p/0>) = 0`,
    `1 rename("/s/tmp/p/0", "/s/blobs/sha256/aa") = 0`,
    `1 fsync(6</s/blobs/sha256>) = 0`,
    `1 rename("/s/tmp/p/1", "/s/names/bb") = 0`,
    `1 fsync(6</s/names>) = 0`,
    `1 write(1<pipe:[1]>, "ok 1\\n", 5) = 5`,
  ];
  assert.deepEqual(check(dir, good).found, []);
  for (const left of [1, 3, 5]) assert.notEqual(check(dir, good.toSpliced(left, 1)).found.length, 0, good[left]);
  assert.equal(check(dir, [`1 unlink("/s/names/bb") = 0`, `1 unlink("/s/trash/aa") = 0`]).found.length, 1);
  assert.equal(check(dir, [`1 rename("/tmp/x", "/s/blobs/sha256/aa") = 0`]).found.length, 1);
  assert.equal(check(dir, [`1 write(5</s/names/bb>, "x", 1) = 1`]).found.length, 1);
});
