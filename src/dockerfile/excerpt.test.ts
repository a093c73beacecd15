import assert from "node:assert/strict";
import { test } from "node:test";
import { excerpt } from "./excerpt.ts";

const LINES = ["one", "two", "three", "four", "five", "six", ""];
const at = (line: number, endLine = line) => ({ file: "Dockerfile", line, endLine });

// The three pictures are what docker build printed for the same lines.
test("one line shows two around it", () => {
  assert.equal(
    excerpt(LINES, at(4)),
    `Dockerfile:4
--------------------
   2 |     two
   3 |     three
   4 | >>> four
   5 |     five
   6 |     six
--------------------`,
  );
});

test("several lines show one around them", () => {
  assert.equal(
    excerpt(LINES, at(3, 4)),
    `Dockerfile:3
--------------------
   2 |     two
   3 | >>> three
   4 | >>> four
   5 |     five
--------------------`,
  );
});

test("the empty line after the last line feed is shown, nothing beyond the ends", () => {
  assert.equal(
    excerpt(LINES, at(6)),
    `Dockerfile:6
--------------------
   4 |     four
   5 |     five
   6 | >>> six
   7 |     
--------------------`,
  );
  assert.equal(excerpt(["a"], at(1)), "Dockerfile:1\n--------------------\n   1 | >>> a\n--------------------");
});

test("a place outside of the file gives nothing, an end outside is cut", () => {
  assert.equal(excerpt(LINES, at(9)), "");
  assert.equal(excerpt(LINES, at(0)), "");
  assert.match(excerpt(LINES, at(7, 12)), / 7 \| >>> \n-+$/);
});

test("lines and names cannot steer the terminal", () => {
  const shown = excerpt(["RUN \u001b[2J\u202eevil\rx\r"], { file: "Docker\u001bfile", line: 1, endLine: 1 });
  assert.ok(!/[\u001b\u202e\r]/.test(shown));
  assert.ok(shown.includes("Docker\\x1bfile:1"));
});

test("wide line numbers keep their column", () => {
  const many = Array.from({ length: 1001 }, () => "x");
  assert.match(excerpt(many, at(1000)), /\n 998 \| {5}x\n 999 \| {5}x\n 1000 \| >>> x\n 1001 \| {5}x\n/);
});
