import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cpuNow } from "../../test/cpu-now.ts";
import { Failure } from "./error.ts";
import { cleanPath, createMatcher, type MatchState } from "./pattern.ts";

const walk = (patterns: string[], path: string): boolean => {
  const matcher = createMatcher(patterns);
  let state: MatchState | undefined;
  const parts = path.split("/");
  for (let at = 1; at < parts.length; at++) state = matcher.step(parts.slice(0, at).join("/"), state);
  return matcher.excludes(path, state);
};

test("a pattern matches what it names and all below it, the last one wins", () => {
  const cases: [patterns: string[], path: string, matches: boolean][] = [
    [["a"], "a", true],
    [["a"], "a/b/c", true],
    [["a"], "b/a", false],
    [["**/a"], "b/c/a/d", true],
    [["**"], "x", true],
    [["a/**"], "a", false],
    [["a/**"], "a/b", true],
    [["a", "!a/b"], "a/b/c", false],
    [["a", "!a/b", "a/b/c"], "a/b/c/d", true],
    [["!a", "a"], "a", true],
    [["a**b"], "a/x/b", true],
    [[" a "], "a", true],
    [["a//b/../c/"], "a/c", true],
    [[], "a", false],
    [["a?c/*.[ch]"], "abc/x.h", true],
    [["a?c/*.[ch]"], "a/c/x.h", false],
  ];
  for (const [patterns, path, matches] of cases) {
    assert.equal(createMatcher(patterns).matches(path), matches, `${patterns.join(" ")} on ${path}`);
    assert.equal(walk(patterns, path), matches, `walking, ${patterns.join(" ")} on ${path}`);
  }
});

test("walking forgets what a matched folder was not asked, as docker does", () => {
  const patterns = ["bar", "!bar/foo", "bar"];
  assert.equal(createMatcher(patterns).matches("bar/foo"), true);
  assert.equal(walk(patterns, "bar/foo"), false);
});

test("a walker may skip a matched folder unless an exception may lie below", () => {
  const { mayHaveExceptionsBelow } = createMatcher(["*", "!src/a/b", "!docs*/x", "!lib/**"]);
  const answers = ["src", "src/a", "src/a/b", "src/c", "docs", "documents", "lib", "lib/x/y", "other"].map(mayHaveExceptionsBelow);
  assert.deepEqual(answers, [true, true, false, false, true, false, true, true, false]);
  assert.equal(createMatcher(["a", "b/*"]).mayHaveExceptionsBelow("a"), false);
  assert.equal(createMatcher(["*", "!**/*.md"]).mayHaveExceptionsBelow("a/b"), true);
});

test("malformed patterns are refused when the matcher is made", () => {
  for (const pattern of ["[", "!", "!/", "a\\", "[z-a]", "\\y", "a{1001}*", "**/[a"])
    assert.throws(
      () => createMatcher(["x", pattern]),
      (error) => error instanceof Failure && error.code === "USAGE",
      pattern,
    );
});

test("cleanPath cleans as Go's path.Clean", () => {
  const cases = { "": ".", "a/": "a", "./a//b/.": "a/b", "../a": "../a", "a/../..": "..", "/../a": "/a", "/": "/", "//a": "/a" };
  for (const [given, clean] of Object.entries(cases)) assert.equal(cleanPath(given), clean, given);
});

test("patterns made to hurt take linear time (minimatch CVE-2026-26996, -27903, -27904)", () => {
  const start = cpuNow();
  const long = "a/".repeat(1000) + "a".repeat(2000);
  for (const pattern of [
    "*a".repeat(200) + "b",
    "**/".repeat(200) + "b",
    "**/a".repeat(200) + "b",
    "?*".repeat(200) + "!",
    `[a-z]*${"**a".repeat(200)}z`,
    "a{1000}*".repeat(3),
  ])
    assert.equal(createMatcher([pattern]).excludes(long, undefined), false);
  assert.ok(cpuNow() - start < 3000, `${cpuNow() - start} ms`);
});

test("50,000 paths against 20 patterns stay far below the time of one stat each", () => {
  const patterns = [
    "node_modules",
    "**/*.log",
    "**/.git",
    "dist/**",
    "*.tmp",
    "docs/*/draft-*",
    "**/__pycache__",
    "build",
    ".env*",
    "**/.DS_Store",
  ];
  patterns.push(
    "coverage/",
    "**/*.test.ts",
    "tmp/**/cache",
    "[Tt]humbs.db",
    "*.sw?",
    "!keep.tmp",
    "!dist/index.html",
    "vendor/**/*.md",
    "a/b/c",
    "**/x",
  );
  const paths = Array.from({ length: 50_000 }, (_, at) => `src/module-${at % 100}/part-${at % 7}/file-${at}.ts`);
  const matcher = createMatcher(patterns);
  const measure = (run: () => void): number => {
    const start = cpuNow();
    run();
    return cpuNow() - start;
  };
  const parents = new Map<string, MatchState>();
  const all = (): void => {
    for (const path of paths) {
      const folder = path.slice(0, path.lastIndexOf("/"));
      let state = parents.get(folder);
      if (!state) parents.set(folder, (state = matcher.step(folder, undefined)));
      assert.equal(matcher.excludes(path, state), false);
    }
  };
  all();
  const best = Math.min(measure(all), measure(all), measure(all));
  assert.ok(best < 150, `${best} ms; 20 to 40 are usual on a quiet machine`);
});

test("any list of patterns gives an answer or a Failure; asking alone and walking agree without exceptions", () => {
  const piece = fc.constantFrom(
    "*",
    "**",
    "?",
    "/",
    "a",
    "b",
    "[ab]",
    "[^a]",
    "\\a",
    "\\*",
    ".",
    "..",
    "|",
    "{2}",
    "^",
    "$",
    "(",
    "]",
    "ü",
    "\\d",
  );
  const pattern = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join(""));
  const path = fc.array(fc.constantFrom("a", "b", "ab", "aab", ".a", "ü"), { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), path, (patterns, name) => {
      try {
        const alone = createMatcher(patterns).matches(name);
        assert.equal(walk(patterns, name), alone);
      } catch (error) {
        assert.ok(error instanceof Failure, String(error));
      }
    }),
    { numRuns: 20_000, interruptAfterTimeLimit: 2000 },
  );
});
