import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { parseParagraphs, words } from "./deb822.ts";
import { formatWanted, isPackageName, parseRelations } from "./relation.ts";

const refused = (about: RegExp) => (error: unknown) => error instanceof Failure && error.code === "PACKAGE" && about.test(error.message);

test("groups, alternatives, versions, qualifiers", () => {
  assert.deepEqual(parseRelations("libc6 (>= 2.36), default-mta | mail-transport-agent, python3:any (<< 3.12),", "Depends of x"), [
    [{ name: "libc6", relation: ">=", version: "2.36" }],
    [{ name: "default-mta" }, { name: "mail-transport-agent" }],
    [{ name: "python3", qualifier: "any", relation: "<<", version: "3.12" }],
  ]);
  assert.deepEqual(parseRelations("a(=1)|b( > 2 )", "x"), [
    [
      { name: "a", relation: "=", version: "1" },
      { name: "b", relation: ">=", version: "2" },
    ],
  ]);
  assert.deepEqual(parseRelations("", "x"), []);
  assert.equal(formatWanted({ name: "a", qualifier: "any", relation: "=", version: "1" }), "a:any (= 1)");
});

test("D21: relations that are none are refused with their place", () => {
  for (const text of ["a (>= 1", "a b", "a (~ 1)", "a (>= )", "| b", "a (>= 1_2)", "../x", "a\u0007"])
    assert.throws(() => parseRelations(text, "Depends of p"), refused(/^Depends of p: /), text);
  assert.ok(isPackageName("libstdc++6"));
  for (const name of ["", "A", "-a", "a/b", "..", "a b"]) assert.ok(!isPackageName(name), name);
});

test("paragraphs with folded fields and Windows line ends", () => {
  const [first, second, ...rest] = parseParagraphs("\n\nA: 1\r\nB:\n x\n  y\n .\n\n\t\nA: 2\n", "f");
  assert.deepEqual(
    [...(first ?? [])],
    [
      ["a", "1"],
      ["b", "\nx\n y\n."],
    ],
  );
  assert.equal(second?.get("a"), "2");
  assert.equal(rest.length, 0);
  assert.deepEqual(words("\n x\n  y"), ["x", "y"]);
  assert.equal(parseParagraphs("# c\nA: 1\n# d\n 2\n", "f", { comments: true })[0]?.get("a"), "1\n2");
});

test("D12: a 10 MB field, duplicate fields, lines that are no fields, NULs are refused with file and line", () => {
  const of =
    (text: string, bounds = {}) =>
    () =>
      parseParagraphs(text, "Packages", bounds);
  assert.throws(of(`A: ${"x".repeat(10 << 20)}`), refused(/Packages, line 1: the field a is longer/));
  assert.throws(of(`A:\n${` ${"x".repeat(1 << 20)}\n`.repeat(10)}`), refused(/line 9: the field a is longer/));
  assert.throws(of("A: 1\na: 2"), refused(/line 2: the field a comes twice/));
  assert.throws(of("A: 1\n\n  x"), refused(/line 3: a continuation without a field/));
  assert.throws(of("<html>"), refused(/line 1: neither a field/));
  assert.throws(of("A: \0"), refused(/NUL/));
  assert.throws(of("A: 1\n\nB: 2\n\nC: 3", { paragraphs: 2 }), refused(/more than 2 paragraphs/));
});
