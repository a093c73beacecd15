import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { MatchState, PathMatcher } from "../kit/pattern.ts";
import { ignoreFileNames, ignoreMatcher, parseIgnore } from "./ignore.ts";

interface Case {
  readonly ignore: string;
  readonly missing?: readonly string[];
  readonly error?: true;
}
const { tree, cases }: { tree: string[]; cases: Case[] } = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../testdata/ignore/cases.json"), "utf8"),
);

/** The walk of a context: folders arrive when they are not excluded, or when something below them is kept. */
function kept(matcher: PathMatcher, canSkip: boolean): Set<string> {
  const out = new Set<string>();
  const walk = (folder: string, parent: MatchState | undefined): void => {
    for (const entry of tree) {
      const path = entry.replace(/\/$/, "");
      if (!entry.startsWith(folder) || entry === folder || path.slice(folder.length).includes("/")) continue;
      if (path === entry) {
        if (!matcher.excludes(path, parent)) add(path);
        continue;
      }
      const state = matcher.step(path, parent);
      if (!state.excluded) add(entry);
      if (!state.excluded || !canSkip || matcher.mayHaveExceptionsBelow(path)) walk(entry, state);
    }
  };
  const add = (path: string): void => {
    out.add(path);
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) out.add(path.slice(0, at + 1));
  };
  walk("", undefined);
  return out;
}

test(`C05: ${cases.length} ignore files keep out what docker keeps out`, () => {
  assert.ok(cases.length >= 200);
  for (const { ignore, missing, error } of cases) {
    const what = JSON.stringify(ignore);
    if (error) {
      assert.throws(
        () => ignoreMatcher(ignore),
        (failure) => failure instanceof Failure && failure.code === "SYNTAX",
        what,
      );
      continue;
    }
    const matcher = ignoreMatcher(ignore);
    for (const canSkip of [false, true]) {
      const arrived = kept(matcher, canSkip);
      assert.deepEqual(
        tree.filter((path) => !arrived.has(path)),
        missing,
        what,
      );
    }
  }
});

test("parseIgnore drops comments, blanks, marks and superfluous slashes", () => {
  const text = "\ufeff# first\n\n  /a/  \n #not a comment\n! /b\r\n!\tc/../d//e/.\n.\n/\nx#y\n\u00a0\n";
  assert.deepEqual(parseIgnore(text), ["a", "#not a comment", "!b", "!d/e", ".", "/", "x#y"]);
  assert.deepEqual(parseIgnore(""), []);
});

test("C04: an ignore file with an open [ is refused with its name, and an endless one at the limit", () => {
  assert.throws(() => ignoreMatcher("a\n[b\n", "x.dockerignore"), /^Failure: x\.dockerignore: syntax error in pattern "\[b"/);
  assert.throws(() => ignoreMatcher("!\n"), /illegal exclusion pattern/);
  assert.throws(() => parseIgnore(`${"a".repeat(65_536)}\n`), /line 1 is longer/);
  assert.equal(parseIgnore(`${"a".repeat(65_535)}\n`).length, 1);
  assert.throws(
    () => parseIgnore("a\n".repeat(LIMITS.dockerfileBytes)),
    (error) => error instanceof Failure && error.code === "LIMIT",
  );
});

test("the ignore file beside the Dockerfile comes first", () => {
  assert.deepEqual(ignoreFileNames("build/App.Dockerfile"), { beside: "build/App.Dockerfile.dockerignore", top: ".dockerignore" });
  assert.equal(ignoreFileNames("-").beside, undefined);
});
