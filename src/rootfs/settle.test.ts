import assert from "node:assert/strict";
import { test } from "node:test";
import type { Draft, Entry } from "../tree/entry.ts";
import { mergeTree, stack } from "../tree/merge.ts";
import { toPath } from "../tree/path.ts";
import { fitsOn, isSelfContained, settle } from "./settle.ts";

const facts = { uid: 0, gid: 0, mtime: 1000 };
const dir = (path: string, more: object = {}): Entry => ({ kind: "dir", path: toPath(path), mode: 0o755, ...facts, ...more });
const link = (path: string, target: string): Entry => ({ kind: "symlink", path: toPath(path), mode: 0o777, ...facts, target });
const gone = (path: string): Entry => ({ kind: "whiteout", path: toPath(path), mode: 0, ...facts });
const hard = (path: string, target: string): Entry => ({
  kind: "hardlink",
  path: toPath(path),
  mode: 0o644,
  ...facts,
  target: toPath(target),
});
const file = (path: string): Entry => ({
  kind: "file",
  path: toPath(path),
  mode: 0o644,
  ...facts,
  size: 1,
  content: { in: "memory", bytes: Buffer.from("x") },
});

const settled = (below: Draft, draft: Draft) => {
  const tree = mergeTree([below]);
  return settle(tree, stack(tree, draft)).map((entry) => {
    const more = entry.kind === "hardlink" || entry.kind === "symlink" ? ` -> ${entry.target}` : "";
    return `${entry.kind} ${entry.path}${more}`;
  });
};

test("a layer is self-contained when it has the directories of its entries and the files of its links", () => {
  assert.equal(isSelfContained([dir("/a"), file("/a/b"), hard("/a/c", "/a/b")]), true);
  assert.equal(isSelfContained([file("/a/b")]), false);
  assert.equal(isSelfContained([hard("/c", "/b")]), false);
});

test("what lies behind a link of a lower layer is put where the link leads, with the parents that are there", () => {
  const below = [dir("/usr"), dir("/usr/bin", { mode: 0o700 }), link("/bin", "usr/bin")];
  assert.deepEqual(settled(below, [file("/bin/tool")]), ["dir /", "dir /usr", "dir /usr/bin", "file /usr/bin/tool"]);
  assert.deepEqual(settled([...below, file("/usr/bin/old")], [gone("/bin/old")]), [
    "dir /",
    "dir /usr",
    "dir /usr/bin",
    "whiteout /usr/bin/old",
  ]);
});

test("a link to a lower layer's file is that file again; links of one layer stay links", () => {
  assert.deepEqual(settled([file("/b")], [hard("/a", "/b"), hard("/c", "/b")]), ["dir /", "file /a", "hardlink /c -> /a"]);
});

test("nothing is hidden but what is there: names of whiteouts in directories of one layer would be seen", () => {
  assert.deepEqual(settled([], [dir("/a"), gone("/a/b"), gone("/c")]), ["dir /", "dir /a"]);
  const draft = [dir("/a"), gone("/a/b")];
  assert.equal(fitsOn(draft, mergeTree([[dir("/a")]])), true);
  assert.equal(fitsOn(draft, mergeTree([[dir("/x")]])), false);
  assert.equal(fitsOn([dir("/a", { opaque: true }), gone("/a/b")], mergeTree([[dir("/a")]])), false);
});

test("a directory in the place of one that is gone hides what the other held", () => {
  const below = [dir("/a"), file("/a/b"), file("/a/c")];
  assert.deepEqual(settled(below, [dir("/a", { opaque: true }), file("/a/c")]), ["dir /", "dir /a", "whiteout /a/b"]);
  assert.deepEqual(settled([file("/a")], [gone("/a"), file("/a/b")].reverse()), ["dir /", "dir /a", "file /a/b"]);
});
