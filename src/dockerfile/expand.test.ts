import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { cpuNow } from "../../test/cpu-now.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { type ExpandOptions, expandHeredoc, expandWord, expandWords } from "./expand.ts";

const env = new Map<string, string>();
const cases: [escape: "\\" | "`", word: string, expected: string][] = [];
for (const line of readFileSync(join(import.meta.dirname, "../../testdata/expand/words.txt"), "utf8").split("\n")) {
  if (line === "" || line.startsWith("# ")) continue;
  const [first = "", second = "", third = ""] = line.split("\t");
  if (first === "env") env.set(second, JSON.parse(third));
  else cases.push([first as "\\" | "`", second, third]);
}
const lookup = (name: string): string | undefined => env.get(name);

function outcome(word: string, escape: "\\" | "`" = "\\", options: ExpandOptions = {}): string {
  try {
    return JSON.stringify(expandWord(word, lookup, escape, options).value);
  } catch (error) {
    assert.ok(error instanceof Failure, `${word}: ${String(error)}`);
    return `! ${error.message}`;
  }
}

test(`${cases.length} words expand as docker expands them`, () => {
  assert.ok(cases.length > 300);
  const wrong = cases.filter(([escape, word, expected]) => outcome(word, escape) !== expected);
  assert.deepEqual(
    wrong.map(([escape, word]) => [word, outcome(word, escape)]),
    wrong.map(([, word, expected]) => [word, expected]),
  );
});

test("a word may become several, quotes keep blanks together", () => {
  const split: [string, string[]][] = [
    ["80 $S", ["80", "two", "words"]],
    ['"$S"', ["two words"]],
    ["'a b' c", ["a b", "c"]],
    ["a\\ b", ["a b"]],
    ["$UNSET", []],
    ['""', []],
    ["a${SP}b", ["a", "lead", "and", "trail", "b"]],
    ["${UNSET:-a b}", ["a", "b"]],
    [" x\t$E y ", ["x", "y"]],
    ["x$A'y z'", ["xalphay z"]],
  ];
  for (const [word, words] of split) assert.deepEqual(expandWords(word, lookup), words, word);
});

test("heredocs expand variables and leave quotes alone", () => {
  const content = 'say "$A" it\'s ${A}\n\\$A \\\\ \\x $UNSET.\n${P##*/}\n';
  assert.equal(expandHeredoc(content, lookup).value, 'say "alpha" it\'s alpha\n$A \\ x .\ntool.tar.gz\n');
});

test("for display, quotes and what is not set stay as written", () => {
  const options = { rawQuotes: true, keepUnset: true };
  for (const word of ["'a'", '"b"', "$UNSET", "${UNSET}", "${UNSET:-x}", "${UNSET#*/}", "${UNSET/a/b}"])
    assert.equal(outcome(word, "\\", options), JSON.stringify(word));
  assert.equal(outcome('"$A" ${UNSET:-$A}', "\\", options), JSON.stringify('"alpha" ${UNSET:-alpha}'));
  assert.equal(outcome("a\\$b\\\\", "\\", { rawEscapes: true }), JSON.stringify("a\\$b\\\\"));
});

test("an expansion says which variables it asked for", () => {
  const { used, unset } = expandWord("$A ${UNSET:-$E} '$N' ${NONE+x}", lookup);
  assert.deepEqual(
    [[...used].sort(), [...unset].sort()],
    [
      ["A", "E"],
      ["NONE", "UNSET"],
    ],
  );
});

const failsWith = (code: string, run: () => unknown): void =>
  assert.throws(run, (error) => error instanceof Failure && error.code === code);

test("P10: an expansion bomb stops at the limit", () => {
  let value = "x";
  failsWith("LIMIT", () => {
    for (let doubling = 0; doubling < 40; doubling++) value = expandWord("$V$V", (name) => (name === "V" ? value : undefined)).value;
  });
  assert.equal(value.length, LIMITS.expansionBytes);
  assert.equal(expandHeredoc("'x'\n".repeat(LIMITS.expansionBytes), lookup).value.length, 4 * LIMITS.expansionBytes);
  const big = "y".repeat(1000);
  failsWith("LIMIT", () => expandWord(`${"${V//y/$V}".repeat(3)}`, () => big.repeat(10)));
  failsWith("LIMIT", () => expandWord('"$V$V$V"', () => "€".repeat(LIMITS.expansionBytes / 2)));
});

test("P11: nesting has a limit, escapes have none", () => {
  const nested = (depth: number): string => `${"${a:-".repeat(depth)}x${"}".repeat(depth)}`;
  assert.equal(expandWord(nested(LIMITS.expansionDepth), () => undefined).value, "x");
  failsWith("LIMIT", () => expandWord(nested(LIMITS.expansionDepth + 1), () => undefined));
  failsWith("LIMIT", () => expandWord(nested(20_000), () => undefined));
  failsWith("LIMIT", () => expandWord("${a:-".repeat(20_000), () => undefined));
  assert.equal(expandWord("\\".repeat(100_000), () => undefined).value.length, 50_000);
});

test("P12: patterns take linear time", () => {
  const long = "a".repeat(65_536);
  const value = (): string => long;
  const start = cpuNow();
  for (const stars of [10, 1000, 30_000]) {
    const pattern = "*a".repeat(stars);
    assert.equal(expandWord(`\${x##${pattern}*b}`, value).value, long);
    assert.equal(expandWord(`\${x%%b${pattern}*}`, value).value, long);
    assert.equal(expandWord(`\${x//${pattern}b/}`, value).value, long);
    assert.equal(expandWord(`\${x//b${pattern}/}`, value).value, long);
  }
  assert.equal(expandWord("${x//a/}", value).value, "");
  assert.equal(expandWord("${x//?*/b}", value).value, "b");
  assert.ok(cpuNow() - start < 3000, `${cpuNow() - start} ms`);
});

test("P12: a pattern that cannot be matched in linear time is refused", () => {
  const long = "a".repeat(65_536);
  failsWith("LIMIT", () => expandWord(`\${x#*${"a".repeat(30_000)}?b}`, () => long));
});

test("P15: names that objects inherit are ordinary and not set", () => {
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) assert.equal(expandWord(`[$${name}]`, lookup).value, "[]");
  assert.equal(expandWord("$__proto__", (name) => (name === "__proto__" ? "x" : undefined)).value, "x");
});

test("any word gives a value or a Failure, and words hold what the value holds", () => {
  const piece = fc.constantFrom(
    "$",
    "{",
    "}",
    ":",
    "-",
    "+",
    "?",
    "#",
    "%",
    "/",
    "*",
    "\\",
    "'",
    '"',
    "A",
    "S",
    "E",
    "x",
    " ",
    "€",
    "1",
    "${A",
    "${U:-",
    "`",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), fc.constantFrom("\\" as const, "`" as const), (parts, escape) => {
      const word = parts.join("");
      try {
        const { value } = expandWord(word, lookup, escape);
        const squeezed = (text: string): string => text.replace(/\s+/g, "");
        assert.equal(squeezed(expandWords(word, lookup, escape).join("")), squeezed(value));
      } catch (error) {
        assert.ok(error instanceof Failure && error.code === "EXPANSION", String(error));
      }
    }),
    { numRuns: 50_000, interruptAfterTimeLimit: 2000 },
  );
});
