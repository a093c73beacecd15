import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Failure } from "../kit/error.ts";
import { digestOf } from "../oci/digest.ts";
import { createTask } from "../task/task.ts";
import type { Entry } from "../tree/entry.ts";
import { mergeTree } from "../tree/merge.ts";
import { sortByPath } from "../tree/order.ts";
import type { Path } from "../tree/path.ts";
import { exportDirectory } from "./directory.ts";

let top = "";
let out = "";
const root = process.getuid?.() === 0;
const noFiles = () => Promise.reject(new Error("no layer is read here"));
const facts = { mode: 0o644, uid: 0, gid: 0, mtime: 1_000_000_000 };

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "nought-export-"));
  out = join(top, "out");
});
afterEach(() => {
  // Directories of mode 000 are among them.
  for (const name of ["no", "a"]) if (existsSync(join(out, name))) chmodSync(join(out, name), 0o700);
  rmSync(top, { recursive: true, force: true });
});

type Some = { readonly path: string; readonly kind?: Entry["kind"] | undefined } & Readonly<Record<string, unknown>>;
function entry({ path, ...rest }: Some): Entry {
  const kind = rest.kind ?? "file";
  const bytes = Buffer.from(`text of ${path}`);
  const own = kind === "file" ? { size: bytes.length, content: { in: "memory", bytes } } : {};
  return { ...facts, ...(kind === "dir" ? { mode: 0o755 } : {}), ...own, ...rest, kind, path: path as Path } as unknown as Entry;
}
const treeOf = (...entries: Some[]) => mergeTree([sortByPath(entries.map(entry))]);
const write = (...entries: Some[]) => exportDirectory(treeOf(...entries), noFiles, out, createTask());
const text = (name: string) => readFileSync(join(out, name), "utf8");

test("files, directories and links come out with modes and times, and belong to the caller", async () => {
  const report = await write(
    { path: "/d", kind: "dir", mode: 0o2755 },
    { path: "/d/run", mode: 0o4755, uid: 1000, gid: 1000 },
    { path: "/d/link", kind: "symlink", target: "../etc/passwd" },
    { path: "/t", kind: "dir", mode: 0o1777 },
    { path: "/frac", mtime: 1_000_000_000.5 },
  );
  assert.deepEqual(
    ["d", "d/run", "t", "frac"].map((name) => lstatSync(join(out, name)).mode & 0o7777),
    [0o2755, 0o4755, 0o1777, 0o644],
  );
  assert.deepEqual(
    ["d", "d/run", "d/link", "t", "frac"].map((name) => lstatSync(join(out, name)).mtimeMs / 1000),
    [1_000_000_000, 1_000_000_000, 1_000_000_000, 1_000_000_000, 1_000_000_000.5],
  );
  assert.equal(lstatSync(join(out, "d/run")).uid, process.getuid?.());
  assert.equal(readlinkSync(join(out, "d/link")), "../etc/passwd");
  assert.equal(text("d/run"), "text of /d/run");
  assert.deepEqual(report, { entries: 5, bytes: 27, skippedDevices: 0, lostAttributes: 0 });
});

test("names of one file become hard links again", async () => {
  const layer = join(top, "layer");
  writeFileSync(layer, "0123456789");
  const bytes = Buffer.from("2345");
  const diffId = digestOf("0123456789");
  const fd = openSync(layer, "r");
  const at = { kind: "file", size: 4, content: { in: "layer", diffId, offset: 2 }, digest: digestOf(bytes) } as const;
  const tree = treeOf(
    { path: "/a", kind: "dir", mode: 0 },
    { path: "/a/one", ...at },
    { path: "/b", kind: "dir" },
    { path: "/b/two", ...at },
    { path: "/c", ...at },
  );
  try {
    await exportDirectory(tree, async () => fd, out, createTask());
  } finally {
    closeSync(fd);
  }
  assert.equal(text("b/two"), "2345");
  assert.equal(lstatSync(join(out, "b/two")).ino, lstatSync(join(out, "c")).ino);
});

test("M17: a layer whose bytes changed is not written out", async () => {
  const layer = join(top, "layer");
  writeFileSync(layer, "0123456789");
  const fd = openSync(layer, "r");
  const tree = treeOf({ path: "/a", size: 4, content: { in: "layer", diffId: digestOf("x"), offset: 2 }, digest: digestOf("other") });
  try {
    await assert.rejects(
      exportDirectory(tree, async () => fd, out, createTask()),
      (error: Failure) => error.code === "DIGEST" && /other bytes/.test(error.message),
    );
  } finally {
    closeSync(fd);
  }
});

test("T33: a directory without any permission is filled, and filled again", async () => {
  const some = [
    { path: "/no", kind: "dir" as const, mode: 0 },
    { path: "/no/in", mode: 0 },
  ];
  await write(...some);
  await write(...some);
  assert.equal(lstatSync(join(out, "no")).mode & 0o7777, 0);
  if (root) assert.equal(text("no/in"), "text of /no/in");
});

test("what stands in the way is replaced, other files stay", async () => {
  mkdirSync(join(out, "d"), { recursive: true });
  writeFileSync(join(out, "d/keep"), "kept");
  writeFileSync(join(out, "file"), "old");
  mkdirSync(join(out, "was-dir/deep"), { recursive: true });
  writeFileSync(join(out, "was-dir/deep/x"), "x");
  writeFileSync(join(out, "was-file"), "x");
  await write(
    { path: "/d", kind: "dir" },
    { path: "/d/new" },
    { path: "/file" },
    { path: "/was-dir" },
    { path: "/was-file", kind: "dir" },
    { path: "/was-file/x" },
  );
  assert.deepEqual(
    [text("d/keep"), text("d/new"), text("file"), text("was-dir"), text("was-file/x")],
    ["kept", "text of /d/new", "text of /file", "text of /was-dir", "text of /was-file/x"],
  );
  assert.equal(lstatSync(join(out, "d")).mtimeMs / 1000, 1_000_000_000);
});

test("T03/T04: symlinks in the destination or from the image are never written through", async () => {
  const outside = join(top, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "canary"), "safe", { mode: 0o600 });
  const before = statSync(join(outside, "canary"));
  mkdirSync(out);
  symlinkSync(outside, join(out, "dir"));
  symlinkSync(join(outside, "canary"), join(out, "file"));
  symlinkSync(join(outside, "canary"), join(out, "link"));
  await write(
    { path: "/dir", kind: "dir", mode: 0o777 },
    { path: "/dir/canary" },
    { path: "/file", mode: 0o777 },
    { path: "/link", kind: "symlink", target: "elsewhere", mtime: 5 },
  );
  assert.equal(readFileSync(join(outside, "canary"), "utf8"), "safe");
  const now = statSync(join(outside, "canary"));
  assert.deepEqual([now.mode, now.mtimeMs, now.ino], [before.mode, before.mtimeMs, before.ino]);
  assert.deepEqual(readdirSync(outside), ["canary"]);
  assert.ok(lstatSync(join(out, "dir")).isDirectory());
  assert.equal(text("dir/canary"), "text of /dir/canary");
});

test("T07/T33: removing a directory full of links takes the links, not what they point to", async () => {
  const outside = join(top, "outside");
  mkdirSync(join(outside, "deep"), { recursive: true });
  writeFileSync(join(outside, "deep/canary"), "safe");
  mkdirSync(join(out, "x/closed"), { recursive: true });
  symlinkSync(outside, join(out, "x/l"));
  symlinkSync(outside, join(out, "x/closed/l"));
  chmodSync(join(out, "x/closed"), 0);
  await write({ path: "/x" });
  assert.equal(text("x"), "text of /x");
  assert.ok(existsSync(join(outside, "deep/canary")));
});

test("T31: a directory swapped for a link while it is filled does not lead outside", async () => {
  const outside = join(top, "outside");
  mkdirSync(outside);
  const inner = Array.from({ length: 50 }, (_, n) => ({ path: `/d/f${String(n).padStart(2, "0")}` }));
  const base = treeOf({ path: "/d", kind: "dir" }, ...inner);
  // The swap happens while the walk stands inside the directory.
  const tree = {
    ...base,
    size: base.size,
    *walk() {
      for (const one of base.walk()) {
        if (one.path === "/d/f25") {
          renameSync(join(out, "d"), join(out, "moved"));
          symlinkSync(outside, join(out, "d"));
        }
        yield one;
      }
    },
  };
  await exportDirectory(tree, noFiles, out, createTask());
  assert.deepEqual(readdirSync(outside), []);
  assert.equal(readdirSync(join(out, "moved")).length, 50);
});

test("T08: FIFOs are made, devices only by root; neither is ever opened", async () => {
  const { skippedDevices } = await write(
    { path: "/pipe", kind: "fifo", mode: 0o600 },
    { path: "/null", kind: "char", mode: 0o666, major: 1, minor: 3 },
  );
  assert.ok(lstatSync(join(out, "pipe")).isFIFO());
  if (skippedDevices === 0) assert.equal(lstatSync(join(out, "null")).rdev, 259);
  else assert.equal(skippedDevices, 1);
});

test("names that are not UTF-8 keep their bytes", async () => {
  await write({ path: "/caf\udce9" });
  assert.deepEqual(readdirSync(out, { encoding: "buffer" }), [Buffer.from("caf\xe9", "latin1")]);
});

test("S32: a destination that is a file, or below one, is STORAGE", async () => {
  writeFileSync(join(top, "file"), "x");
  const storage = (error: unknown) => error instanceof Failure && error.code === "STORAGE" && /could not write/.test(error.message);
  await assert.rejects(exportDirectory(treeOf({ path: "/x" }), noFiles, join(top, "file"), createTask()), storage);
  await assert.rejects(exportDirectory(treeOf({ path: "/x" }), noFiles, join(top, "file/below"), createTask()), storage);
  assert.equal(readFileSync(join(top, "file"), "utf8"), "x");
});

test("S32: a full disk is NO_SPACE", { skip: !root }, async () => {
  mkdirSync(out);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", out], { stdio: "ignore" });
  } catch {
    return;
  }
  try {
    const bytes = Buffer.alloc(200_000);
    const big = { path: "/big", size: bytes.length, content: { in: "memory", bytes } };
    await assert.rejects(write(big), (error: Failure) => error.code === "NO_SPACE" && /no space left/.test(error.message));
  } finally {
    execFileSync("umount", [out]);
  }
});

test("T32: a directory that is made for the files is its owner's only", async () => {
  await write({ path: "/x" });
  assert.equal(lstatSync(out).mode & 0o777, 0o700);
});

test("a cancelled task stops", async () => {
  const stop = AbortSignal.abort();
  await assert.rejects(
    exportDirectory(treeOf({ path: "/x" }), noFiles, out, createTask(undefined, stop)),
    (error: Failure) => error.code === "INTERRUPTED",
  );
});
