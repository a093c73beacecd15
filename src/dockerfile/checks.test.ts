import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { parsePlatform } from "../oci/platform.ts";
import type { BaseFacts } from "./check-walk.ts";
import { checkConfig, checkFailure, type Finding, parseCheckDirective, runChecks } from "./checks.ts";
import { checksJson, findingLine, printChecks } from "./checks-print.ts";
import type { Program } from "./command.ts";
import { ignoreMatcher } from "./ignore.ts";
import { parseDockerfile } from "./parse.ts";
import { toProgram } from "./program.ts";
import { RULES } from "./rules/all.ts";
import { ruleUrl } from "./rules/rule.ts";

const root = join(import.meta.dirname, "../../testdata/checks");
const amd64 = parsePlatform("linux/amd64");
const program = (text: string | Buffer): Program => toProgram(parseDockerfile(text, "Dockerfile"));

interface Expected {
  readonly args?: Record<string, string>;
  readonly target?: string;
  readonly platform?: string;
  readonly bases?: Record<string, BaseFacts>;
  readonly findings: readonly [rule: string, line: number, endLine: number, message: string][];
  readonly error?: string;
}

function check(text: string | Buffer, expected: Partial<Expected> = {}, ignore?: string): Finding[] {
  return runChecks(program(text), {
    buildArgs: new Map(Object.entries(expected.args ?? {})),
    targetPlatform: expected.platform ? parsePlatform(expected.platform) : amd64,
    buildPlatform: amd64,
    allStages: true,
    bases: (_, name) => expected.bases?.[name],
    ...(expected.target ? { target: expected.target } : {}),
    ...(ignore === undefined ? {} : { ignore: ignoreMatcher(ignore) }),
  });
}

const rows = (findings: readonly Finding[]): Expected["findings"][number][] =>
  findings.map(({ rule, span, message }) => [rule.name, span.line, span.endLine, message]);
const sorted = (all: readonly Expected["findings"][number][]): string[] => all.map((row) => JSON.stringify(row)).sort();

for (const name of readdirSync(root).sort()) {
  const folder = join(root, name);
  if (!existsSync(join(folder, "Dockerfile"))) continue;
  test(`checks: ${name} finds what docker finds`, () => {
    const read = (file: string): string => readFileSync(join(folder, file), "utf8");
    const expected: Expected = JSON.parse(read("expected.json"));
    const ignore = existsSync(join(folder, ".dockerignore")) ? read(".dockerignore") : undefined;
    const text = readFileSync(join(folder, "Dockerfile"));
    if (expected.error?.startsWith("failed to parse check options")) {
      assert.throws(
        () => check(text, expected, ignore),
        (error) => error instanceof Failure && error.code === "CHECK" && error.message === expected.error,
      );
      return;
    }
    const findings = check(text, expected, ignore);
    const { syntax } = program(text);
    const fails = expected.error?.startsWith("lint violation") === true;
    if (fails) {
      const failure = checkFailure(findings, checkConfig(syntax, new Map(Object.entries(expected.args ?? {}))));
      assert.equal(failure?.message, expected.error);
    } else if (expected.error) {
      // Docker stops at the first error; we go on, and leave out what the word in error asked for.
      const ours = sorted(rows(findings));
      for (const row of sorted(expected.findings.filter(([rule]) => rule !== "UndefinedVar"))) assert.ok(ours.includes(row), row);
      return;
    }
    assert.deepEqual(sorted(rows(findings)), sorted(expected.findings));
    // Docker's sort does not keep the order of findings at one line where there are many.
    const blocks = (out: string): string[] => out.trimEnd().split("\n\n").sort();
    assert.deepEqual(blocks(printChecks(findings, syntax, fails)), blocks(read("expected.txt")));
    assert.equal(printChecks(findings, syntax, fails).length, read("expected.txt").length);
  });
}
