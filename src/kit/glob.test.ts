import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cpuNow } from "../../test/cpu-now.ts";
import { Failure } from "./error.ts";
import { checkGlob, compileGlob, hasGlob, matchGlob } from "./glob.ts";

const cases: readonly (readonly [pattern: string, name: string, matches: boolean])[] = [
  ["app", "app", true],
  ["app", "apple", false],
  ["", "", true],
  ["", "a", false],
  ["*", "", true],
  ["*", "main.go", true],
  ["*", "src/main.go", false],
  ["*.go", "main.go", true],
  ["*.go", "main.gox", false],
  ["**.go", "main.go", true],
  ["m*n.*", "main.go", true],
  ["m*n.*", "main", false],
  ["src/*", "src/a", true],
  ["src/*", "src/a/b", false],
  ["src/*/b", "src/a/b", true],
  ["*/b", "src/a/b", false],
  ["?", "a", true],
  ["?", "ä", true],
  ["?", "🐳", true],
  ["?", "/", false],
  ["??", "a", false],
  ["*🐳*", "a🐳b", true],
  ["[a-c]x", "bx", true],
  ["[a-c]x", "dx", false],
  ["[^a-c]x", "dx", true],
  ["[^a]", "/", true],
  ["[a^]", "^", true],
  ["[!a]", "!", true],
  ["[\\]]", "]", true],
  ["[\\-x]", "-", true],
  ["[a\\-z]", "b", false],
  ["[*]", "*", true],
  ["[a-]b]".replace("-]", "\\-]"), "-b]", true],
  ["\\*", "*", true],
  ["\\*", "a", false],
  ["\\a", "a", true],
  ["a\\\\b", "a\\b", true],
  ["]", "]", true],
  ["a]b", "a]b", true],
  ["*x*y*z", "aaxbbyccz", true],
  ["*x*y*z", "aaxbbycc", false],
  ["[z-a]", "m", false],
];

test("matchGlob answers as Go's filepath.Match", () => {
  for (const [pattern, name, matches] of cases) assert.equal(matchGlob(pattern, name), matches, `${pattern} on ${name}`);
});

test("a malformed pattern is named, also where the name would not reach it", () => {
  for (const pattern of ["[", "[a", "[]", "[]a]", "[^]", "[-x]", "[x-]", "[a-", "a\\", "[a\\", "x*[", "[^]a]"]) {
    assert.throws(() => checkGlob(pattern), new RegExp("syntax error in pattern"), pattern);
    assert.throws(
      () => matchGlob(pattern, "zzz"),
      (error) => error instanceof Failure && error.code === "USAGE",
    );
  }
});

test("hasGlob sees what needs matching", () => {
  assert.deepEqual(["a", "a*", "a?", "[a]", "a\\b", "a]b"].map(hasGlob), [false, true, true, true, true, false]);
});

test("many stars take no exponential time", () => {
  const matches = compileGlob(`${"*a".repeat(500)}b`);
  const start = cpuNow();
  assert.equal(matches("a".repeat(4096)), false);
  assert.ok(cpuNow() - start < 1000);
});

test("a name escaped character by character matches itself and nothing longer", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(name, (text) => {
      const escaped = Array.from(text, (char) => `\\${char}`).join("");
      assert.equal(matchGlob(escaped, text), true);
      assert.equal(matchGlob(escaped, `${text}x`), false);
    }),
    { numRuns: 500 },
  );
});

test("any pattern gives an answer or a Failure", () => {
  const text = fc
    .array(fc.constantFrom("*", "?", "[", "]", "^", "-", "\\", "a", "b", "/", "ü", "!"), { maxLength: 12 })
    .map((all) => all.join(""));
  fc.assert(
    fc.property(text, text, (pattern, name) => {
      try {
        matchGlob(pattern, name);
      } catch (error) {
        assert.ok(error instanceof Failure);
      }
    }),
    { numRuns: 5000, interruptAfterTimeLimit: 2000 },
  );
});
