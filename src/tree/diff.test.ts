import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../oci/digest.ts";
import { diffTrees, type Fact } from "./diff.ts";
import type { Entry } from "./entry.ts";
import { mergeTree } from "./merge.ts";
import { sortByPath } from "./order.ts";
import type { Path } from "./path.ts";

const entry = (kind: Entry["kind"], path: string, more: object = {}): Entry =>
  ({ kind, path: path as Path, mode: 0o644, uid: 0, gid: 0, mtime: 1, ...more }) as Entry;
const file = (path: string, text: string, more: object = {}) =>
  entry("file", path, { size: text.length, content: { in: "memory", bytes: Buffer.from(text) }, digest: digestOf(text), ...more });
const tree = (...entries: Entry[]) => mergeTree([sortByPath(entries)]);
const lines = (a: Entry[], b: Entry[], ignore?: readonly Fact[]) =>
  [...diffTrees(tree(...a), tree(...b), ignore)].map(
    (one) => `${one.change} ${one.path}${one.change === "changed" ? ` ${one.facts.join(" ")}` : ""}`,
  );

test("equal trees do not differ", () => {
  const all = [entry("dir", "/d"), file("/d/a", "x"), entry("symlink", "/l", { target: "d" })];
  assert.deepEqual(lines(all, all), []);
  assert.deepEqual(lines(all, structuredClone(all)), []);
});

test("what came, what went and what changed, each path once and in order", () => {
  assert.deepEqual(
    lines(
      [entry("dir", "/d"), file("/d/a", "x"), file("/d/b", "y"), file("/z", "z")],
      [entry("dir", "/d", { mode: 0o755 }), file("/d/b", "new"), file("/d-e", ""), entry("symlink", "/z", { target: "d" })],
    ),
    ["changed /d mode", "removed /d/a", "changed /d/b size content", "added /d-e", "changed /z kind"],
  );
});

test("each fact is told by its name, and can be left out of account", () => {
  const old = [file("/f", "x"), entry("char", "/c", { major: 1, minor: 3 }), entry("symlink", "/l", { target: "a" })];
  const now = [
    file("/f", "y", { mtime: 2, uid: 5, xattrs: new Map([["user.a", Buffer.from("1")]]) }),
    entry("char", "/c", { major: 1, minor: 5 }),
    entry("symlink", "/l", { target: "b", mtime: 9 }),
  ];
  assert.deepEqual(lines(old, now), ["changed /c device", "changed /f owner mtime content xattrs", "changed /l mtime target"]);
  assert.deepEqual(lines(old, now, ["mtime", "target", "owner"]), ["changed /c device", "changed /f content xattrs"]);
});
