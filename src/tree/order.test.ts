import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cpuNow } from "../../test/cpu-now.ts";
import { decodeName, encodeName } from "../kit/bytes.ts";
import { compareByPath, isSortedByPath, sortByPath } from "./order.ts";

const sorted = (...paths: string[]) => [...paths].sort(compareByPath);

test("a directory comes before what it holds, and what it holds before its next sibling", () => {
  assert.deepEqual(sorted("/a.b", "/a-b", "/a/b", "/a", "/ab", "/", "/a/b/c", "/a/b-c"), [
    "/",
    "/a",
    "/a/b",
    "/a/b/c",
    "/a/b-c",
    "/a-b",
    "/a.b",
    "/ab",
  ]);
});

test("names that are not ASCII, or not UTF-8, are ordered by their bytes", () => {
  const broken = decodeName(Buffer.from([0x2f, 0x80]));
  assert.deepEqual(sorted("/\u{1f600}", "/\uffee", "/é", broken, "/z"), ["/z", broken, "/é", "/\uffee", "/\u{1f600}"]);
  assert.deepEqual(sorted("/\u{1f600}x/b", "/\u{1f600}/c"), ["/\u{1f600}/c", "/\u{1f600}x/b"]);
});

test("the order is the one of parts compared as bytes, for any names", () => {
  const part = fc
    .uint8Array({ minLength: 1, maxLength: 6 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 47 || byte === 0 ? 46 : byte))));
  const path = fc.array(part, { maxLength: 4 });
  const text = (parts: Buffer[]) => `/${parts.map((one) => decodeName(one)).join("/")}`;
  fc.assert(
    fc.property(path, path, (a, b) => {
      let expected = 0;
      for (let at = 0; at < Math.max(a.length, b.length) && expected === 0; at++) {
        const left = a[at];
        const right = b[at];
        expected = left === undefined ? -1 : right === undefined ? 1 : Buffer.compare(left, right);
      }
      assert.equal(Math.sign(compareByPath(text(a), text(b))), expected);
      assert.ok(a.every((one) => encodeName(decodeName(one)).equals(one)));
    }),
  );
});

test("sorting 50,000 shuffled paths is quick, and sorted ones are seen at once", () => {
  const entries = Array.from({ length: 50_000 }, (_, at) => ({
    path: `/usr/share/data/${(at * 7919) % 100}/file-${(at * 104_729) % 50_000}`,
  }));
  const before = cpuNow();
  sortByPath(entries);
  assert.ok(isSortedByPath(entries) || new Set(entries.map((one) => one.path)).size < entries.length);
  assert.ok(cpuNow() - before < 2_000);
});
