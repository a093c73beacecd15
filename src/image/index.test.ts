import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeName } from "../kit/bytes.ts";
import { digestOf } from "../oci/digest.ts";
import type { Draft, Entry } from "../tree/entry.ts";
import { sortByPath } from "../tree/order.ts";
import { type Path, toPath } from "../tree/path.ts";
import { decodeIndex, encodeIndex } from "./index.ts";

const diffId = digestOf("a layer");
const p = (text: string) => text as Path;
const facts = { mode: 0o644, uid: 0, gid: 0, mtime: 1_700_000_000.25 };
const everything: Draft = sortByPath<Entry>([
  { kind: "dir", path: p("/"), ...facts, mode: 0o755 },
  { kind: "dir", path: p("/d"), ...facts, mode: 0o1777, opaque: true },
  {
    kind: "file",
    path: p("/d/big"),
    ...facts,
    size: 2 ** 40 + 1,
    content: { in: "layer", diffId, offset: 1_024 },
    digest: digestOf("big"),
  },
  { kind: "file", path: p("/d/no digest"), ...facts, size: 0, content: { in: "layer", diffId, offset: 512 } },
  {
    kind: "file",
    path: p("/far"),
    ...facts,
    size: 3,
    content: { in: "layer", diffId, offset: 2 ** 41 },
    xattrs: new Map([["user.x", Buffer.from([0, 255])]]),
  },
  { kind: "symlink", path: p("/l"), ...facts, mode: 0o777, target: "../é/\u{1f600}" },
  { kind: "hardlink", path: p("/h"), ...facts, target: p("/far") },
  { kind: "char", path: p("/c"), ...facts, uid: 2 ** 32 - 1, gid: 65_534, major: 4_095, minor: 1_048_575 },
  { kind: "block", path: p("/b"), ...facts, major: 0, minor: 0 },
  { kind: "fifo", path: p("/f"), ...facts, mtime: -1 },
  { kind: "whiteout", path: p("/w"), ...facts },
  {
    kind: "dir",
    path: p(`/${decodeName(Buffer.from([0x66, 0xfe, 0xff]))}`),
    ...facts,
    mtime: 0,
    xattrs: new Map([["user.empty", Buffer.alloc(0)]]),
  },
]);

test("an index brings back every fact of every kind of entry", () => {
  const read = decodeIndex(encodeIndex(everything, diffId));
  assert.equal(read?.diffId, diffId);
  assert.deepEqual(
    read?.draft.map((entry) => ({
      ...entry,
      xattrs: [...(entry.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString("hex")]),
    })),
    everything.map((entry) => ({
      ...entry,
      xattrs: [...(entry.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString("hex")]),
    })),
  );
});

test("an empty layer has an index", () => {
  assert.deepEqual(decodeIndex(encodeIndex([], diffId)), { diffId, draft: [] });
});

test("the same draft gives the same bytes, and another draft others", () => {
  assert.deepEqual(encodeIndex(everything, diffId), encodeIndex(everything, diffId));
  assert.notDeepEqual(encodeIndex(everything, diffId), encodeIndex(everything.slice(1), diffId));
});

test("any change of any byte, and any cut, is noticed", () => {
  const bytes = Buffer.from(encodeIndex(everything, diffId));
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ (1 << (at % 8));
    assert.equal(decodeIndex(changed), undefined, `byte ${at}`);
    assert.equal(decodeIndex(bytes.subarray(0, at)), undefined, `cut at ${at}`);
  }
  assert.equal(decodeIndex(Buffer.concat([bytes, Buffer.from([0])])), undefined);
  assert.equal(decodeIndex(Buffer.from("something else entirely")), undefined);
});

test("a content that is not in the layer is a mistake of ours", () => {
  const memory: Draft = [{ kind: "file", path: p("/x"), ...facts, size: 1, content: { in: "memory", bytes: Buffer.from("x") } }];
  assert.throws(() => encodeIndex(memory, diffId), /internal: .*not in the layer/);
});

test("any draft comes back", () => {
  const entry = fc.record({
    name: fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 }),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    gid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    mtime: fc.double({ noNaN: true, noDefaultInfinity: true }),
    size: fc.integer({ min: 0, max: 2 ** 50 }),
    offset: fc.integer({ min: 0, max: 2 ** 50 }),
  });
  fc.assert(
    fc.property(fc.array(entry), (list) => {
      const draft: Draft = list.map(({ name, offset, ...more }) => ({
        kind: "file",
        path: toPath(name.join("/")),
        ...more,
        content: { in: "layer", diffId, offset },
      }));
      assert.deepEqual(decodeIndex(encodeIndex(draft, diffId))?.draft, draft);
    }),
  );
});
