import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cpuNow } from "../../test/cpu-now.ts";
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
  /** What we find where that differs from this docker on purpose. */
  readonly ours?: Expected["findings"];
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
    assert.deepEqual(sorted(rows(findings)), sorted(expected.ours ?? expected.findings));
    if (expected.ours) return;
    // Docker's sort does not keep the order of findings at one line where there are many.
    const blocks = (out: string): string[] => out.trimEnd().split("\n\n").sort();
    assert.deepEqual(blocks(printChecks(findings, syntax, fails)), blocks(read("expected.txt")));
    assert.equal(printChecks(findings, syntax, fails).length, read("expected.txt").length);
  });
}

test("every rule finds what its page shows as bad, and nothing in what it shows as good", () => {
  for (const rule of RULES) {
    if (rule.bad === "") continue;
    const { errors } = program(rule.bad + rule.good);
    assert.deepEqual(errors, [], rule.name);
    assert.deepEqual([...new Set(check(rule.bad, {}, rule.ignore).map((finding) => finding.rule.name))], [rule.name]);
    assert.deepEqual(rows(check(rule.good, {}, rule.ignore)), [], rule.name);
  }
});

test("the 21 rules of docker's reference are there, with its pages", () => {
  const listed = RULES.filter((rule) => !rule.unlisted);
  assert.equal(listed.length, 21);
  assert.equal(new Set(RULES.map(({ name }) => name)).size, RULES.length);
  const urls = ["JSONArgsRecommended", "UndefinedVar", "FromPlatformFlagConstDisallowed"].map((name) =>
    RULES.find((rule) => rule.name === name),
  );
  assert.deepEqual(
    urls.map((rule) => rule && ruleUrl(rule).split("/").at(-2)),
    ["json-args-recommended", "undefined-var", "from-platform-flag-const-disallowed"],
  );
});

test("CopyIgnoredFile is on by default, as since Dockerfile 1.22, and silent without an ignore file", () => {
  const text = "FROM scratch\nCOPY a.tmp /\n";
  assert.deepEqual(rows(check(text, {}, "*.tmp")), [
    ["CopyIgnoredFile", 2, 2, 'Attempting to Copy file "a.tmp" that is excluded by .dockerignore'],
  ]);
  assert.deepEqual(check(text), []);
  assert.deepEqual(check(`# check=skip=CopyIgnoredFile\n${text}`, {}, "*.tmp"), []);
});

test("variables of a base that is not known are not called undefined", () => {
  const text = "FROM alpine AS a\nENV X=$FROM_BASE\nFROM a\nENV Y=$FROM_BASE\nFROM scratch\nENV Z=$FROM_BASE\n";
  assert.deepEqual(
    rows(check(text)).map(([rule, line]) => `${rule}:${line}`),
    ["UndefinedVar:6"],
  );
  const known = check(text, { bases: { alpine: { env: ["FROM_BASE=1"], shell: [], onbuild: [] } } });
  assert.deepEqual(
    rows(known).map(([, line]) => line),
    [6],
  );
});

test("a base for another platform is told, where both are known", () => {
  const bases = { alpine: { env: [], shell: [], onbuild: [], platform: parsePlatform("linux/arm64") } };
  const findings = check("FROM alpine\nFROM --platform=$BUILDPLATFORM alpine\nFROM --platform=${X:-linux/arm64} alpine\n", { bases });
  const told = findings.filter(({ rule }) => rule.unlisted).map(({ span, message }) => [span.line, message]);
  const message = 'Base image alpine was pulled with platform "linux/arm64", expected "linux/amd64" for current build';
  assert.deepEqual(told, [
    [1, message],
    [2, message],
  ]);
});

test("check options are read as docker reads them", () => {
  const { skip, experimental, error } = parseCheckDirective("skip= A , B;experimental=all;error=TRUE");
  assert.deepEqual([skip, experimental, error], [new Set(["A", "B"]), "all", true]);
  assert.throws(() => parseCheckDirective("error=yes"), /strconv\.ParseBool: parsing "yes": invalid syntax/);
});

test("the JSON form has buildx's fields, and a build names the line", () => {
  const text = "FROM scratch\nENV A=$x \\\n  B=1\n";
  const { syntax } = program(text);
  const [finding] = check(text) as [Finding];
  assert.equal(findingLine(finding), "UndefinedVar: Usage of undefined variable '$x' (line 2)");
  const line = (at: number): unknown => ({ start: { line: at }, end: { line: at } });
  assert.deepEqual(checksJson([finding], syntax, new Failure("CHECK", "bad")), {
    warnings: [
      {
        ruleName: "UndefinedVar",
        description: "Variables should be defined before their use",
        url: "https://docs.docker.com/go/dockerfile/rule/undefined-var/",
        detail: "Usage of undefined variable '$x'",
        location: { ranges: [line(2), line(3)] },
      },
    ],
    sources: [{ filename: "Dockerfile", data: Buffer.from(text).toString("base64"), language: "Dockerfile" }],
    buildError: { message: "bad", location: {} },
  });
  assert.deepEqual((checksJson([], syntax) as { warnings: unknown }).warnings, null);
});

test("P04: checks of 100,000 instructions full of mistakes neither throw nor take long", () => {
  const part = (at: number): string =>
    `ENV K${at} $x\nCMD a\nWORKDIR r\nEXPOSE $p/TCP\nARG B${at}=\${c:?no}\nARG C${at}\nCOPY "$a /x$y\n# z\n`;
  const text = `FROM scratch AS A\n${Array.from({ length: 12_500 }, (_, at) => part(at)).join("")}`;
  const parsed = program(text);
  const start = cpuNow();
  const findings = runChecks(parsed, { targetPlatform: amd64, buildPlatform: amd64, allStages: true });
  assert.ok(findings.length > 50_000, String(findings.length));
  assert.ok(cpuNow() - start < 4000, `${cpuNow() - start} ms`);
});

test("CopyIgnoredFile is silent about the context where only dotfiles are excluded, and speaks where all is", () => {
  const lines = (ignore: string): number[] =>
    check("FROM scratch\nCOPY . /\nCOPY / /x\nCOPY ./ /y\n", {}, ignore).map(({ span }) => span.line);
  assert.deepEqual(lines(".*\n"), []);
  assert.deepEqual(lines("*\n!src\n"), []);
  assert.deepEqual(lines("*\n"), [2, 3, 4]);
  assert.deepEqual(lines("**\n"), [2, 3, 4]);
});
