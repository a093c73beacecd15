import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { encodeName } from "../kit/bytes.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { parseDockerfile } from "./parse.ts";
import { printSyntaxText } from "./print.ts";
import { toProgram } from "./program.ts";

const parse = (text: string | Uint8Array) => parseDockerfile(text, "Dockerfile");
const messages = (text: string | Uint8Array) => toProgram(parse(text)).errors.map((error) => error.message);
const golden = (name: string) => readFileSync(join(import.meta.dirname, "../../testdata/dockerfile", name, "Dockerfile"));

describe("lines", () => {
  test("P01: a file without instructions or stages says so, with a line", () => {
    assert.deepEqual(messages(""), ["dockerfile parse error on line 1: file with no instructions"]);
    assert.deepEqual(messages("# a\n\n# b\n"), ["dockerfile parse error on line 3: file with no instructions"]);
    assert.deepEqual(messages("ARG A\nARG B\n"), ["dockerfile parse error on line 2: dockerfile contains no stages to build"]);
  });

  test("P03: a line of 65,535 bytes is read, one more is refused with line and limit, and the rest is still read", () => {
    const line = (bytes: number) => `ENV a=${"x".repeat(bytes - 6)}`;
    assert.deepEqual(messages(`FROM scratch\n${line(65_535)}\nENV b=1\n`), []);
    const { errors, instructions } = parse(`FROM scratch\n${line(65_536)}\nENV b=1\n`);
    assert.deepEqual(
      errors.map((error) => error.message),
      ["dockerfile parse error on line 2: dockerfile line greater than max allowed size of 65535"],
    );
    assert.equal(instructions.length, 2);
    assert.equal(messages(`FROM scratch\n${"\u20ac".repeat(21_846)}\n`).length, 1, "bytes count, not letters");
  });

  test("P03: the long line of an error is not printed in full where it would drown the terminal", () => {
    const [error] = parse(`FROM scratch\nENV ${"x".repeat(4_000_000)}\n`).errors;
    assert.ok((error?.excerpt?.length ?? 0) < 10_000);
  });

  test("P08: a file above the limit is refused as a whole", () => {
    const [error] = parse(`FROM scratch\nCOPY <<E /x\n${"a\n".repeat(LIMITS.dockerfileBytes)}E\n`).errors;
    assert.equal(error?.code, "LIMIT");
    assert.match(error?.message ?? "", /4194304/);
    const edge = `FROM scratch\n#${"x\n#".repeat(20)}`;
    assert.deepEqual(parse(edge.padEnd(LIMITS.dockerfileBytes, "\n")).errors, []);
  });

  test("P04: 100,000 instructions, and 100,000 lines of one instruction, are read in linear time", () => {
    for (const text of [
      `FROM scratch\n${'ENV a=b c="d e"\n'.repeat(100_000)}`,
      `FROM scratch\nENV \\\n${"a=b \\\n# note\n\n".repeat(100_000)}`,
      `FROM scratch\nRUN x ${"<<E \\\n".repeat(100_000)} y\n${"E\n".repeat(100_000)}`,
      `FROM scratch\n${"COPY <<E /x\nE\n".repeat(100_000)}`,
      `FROM scratch\nCOPY <<E /x\n${"body\n".repeat(100_000)}E\n`,
    ]) {
      // Time of the processor, not of the clock: other work on the machine does not count.
      const start = process.cpuUsage();
      assert.deepEqual(toProgram(parse(text)).errors, []);
      const milliseconds = Math.round(process.cpuUsage(start).user / 1_000);
      assert.ok(milliseconds < 2_000, `${milliseconds} ms`);
    }
  });

  test("P05: CRLF and a byte order mark change nothing", () => {
    const text = golden("seed-go-certs").toString();
    assert.equal(printSyntaxText(parse(text.replaceAll("\n", "\r\n"))), printSyntaxText(parse(text)));
    assert.equal(printSyntaxText(parse(`\ufeff${text}`)), printSyntaxText(parse(text)));
  });

  test("P05: bytes that are not UTF-8 survive in heredocs and become U+FFFD elsewhere, with a warning", () => {
    const syntax = parse(golden("latin-1"));
    assert.deepEqual(encodeName(syntax.instructions[2]?.heredocs[0]?.content ?? ""), Buffer.from([0xe9, 0x0a]));
    assert.deepEqual(syntax.instructions[1]?.args, ["Jos\ufffd"]);
    assert.deepEqual(
      syntax.warnings.map((warning) => warning.line),
      [3],
    );
  });

  test("P05: a NUL in an instruction is an error, in a comment or a heredoc it is not", () => {
    assert.deepEqual(messages("FROM scratch\nENV a=\0\n"), ["dockerfile parse error on line 2: a NUL byte in an instruction"]);
    assert.deepEqual(messages("FROM scratch\n# \0\nCOPY <<E /f\n\0\nE\n"), []);
  });

  test("P06: an invalid escape character and a doubled directive are errors; the rest is read as usual", () => {
    const { errors, escape, instructions } = parse("# escape=/\n# escape=`\nFROM scratch\nENV a=b \\\n c=d\n");
    assert.equal(errors.length, 2);
    assert.equal(escape, "\\");
    assert.equal(instructions.length, 2);
  });

  test("P07: a frontend is named in a warning and never an error", () => {
    for (const known of ["docker/dockerfile:1", "docker/dockerfile:1.26", "docker/dockerfile", "docker/dockerfile:1-labs"]) {
      assert.deepEqual(parse(`# syntax=${known}\nFROM scratch\n`).warnings, [], known);
    }
    for (const odd of ["docker/dockerfile:2", "docker/dockerfile:0.9", "example.org/docker/dockerfile:1", "docker/dockerfile:10"]) {
      const { warnings, errors } = parse(`# syntax=${odd}\nFROM scratch\n`);
      assert.deepEqual(errors, []);
      assert.ok(warnings[0]?.message.includes(odd), odd);
    }
  });

  test("P08: an unterminated heredoc tells where it starts", () => {
    const [error] = parse("FROM scratch\nENV a=b\nRUN <<EOF\nx\n EOF\nEOF \n").errors;
    assert.equal(error?.message, "dockerfile parse error on line 3: unterminated heredoc");
    assert.deepEqual([error?.source?.line, error?.source?.endLine], [3, 6]);
    assert.match(error?.hint ?? "", /EOF/);
  });

  test("P09: broken JSON is the shell form, with a warning; JSON with anything but strings is an error, as docker has it", () => {
    const { instructions, warnings } = parse(`FROM scratch\nCMD ["a", 'b']\nRUN [ "$a" = b ] && x\n`);
    assert.deepEqual(instructions[1]?.args, [`["a", 'b']`]);
    assert.equal(instructions[1]?.json, false);
    assert.deepEqual(
      warnings.map((warning) => warning.line),
      [2],
    );
    assert.equal(parse('FROM scratch\nCMD ["a", 1]\n').errors.length, 1);
  });

  test("P11: 20,000 nested braces and 100,000 escapes beside a heredoc do not exhaust the stack", () => {
    assert.deepEqual(messages(`FROM scratch\nRUN ${"${a:-".repeat(10_000)}${"}".repeat(10_000)} <<E\nE\n`), []);
    assert.deepEqual(messages(`FROM scratch\nRUN ${"\\\\".repeat(30_000)} <<E\nE\n`), []);
    assert.equal(messages(`FROM scratch\n${"ONBUILD ".repeat(8_000)}ENV a=b\n`).length, 1);
    assert.equal(messages(`FROM scratch\nCMD ${"[".repeat(60_000)}\n`).length, 0);
  });

  test("P15: names of JavaScript's own are plain data", () => {
    const program = toProgram(parse("FROM scratch AS constructor\nENV __proto__=a\n__proto__ x\nCOPY --__proto__=x a b\n"));
    assert.equal(program.stages[0]?.name, "constructor");
    assert.match(program.errors[0]?.message ?? "", /unknown instruction: __proto__/);
    assert.match(program.errors[1]?.message ?? "", /unknown flag: --__proto__/);
    assert.equal(({} as { a?: unknown }).a, undefined);
  });
});

test("at most a hundred errors are listed, and the last one says that there are more", () => {
  const errors = toProgram(parse(`FROM scratch\n${"BAD\n".repeat(5_000)}`)).errors;
  assert.equal(errors.length, LIMITS.dockerfileErrors + 1);
  assert.match(errors.at(-1)?.message ?? "", /more than 100 errors/);
});

test("errors carry place, excerpt and no control characters", () => {
  const [error] = toProgram(parse("FROM scratch\nB\u001b[31mAD x\n")).errors;
  assert.ok(error instanceof Failure);
  assert.equal(error.code, "SYNTAX");
  assert.deepEqual(error.source, { file: "Dockerfile", line: 2, endLine: 2 });
  assert.ok(!`${error.message}${error.excerpt}`.includes("\u001b"));
});

test("comments above an instruction belong to it", () => {
  const { instructions } = parse("# one\n#   two  \n\nFROM scratch\nENV a=b\n# three\nLABEL c=d\n");
  assert.deepEqual(
    instructions.map((instruction) => instruction.comments),
    [["one", "two"], [], ["three"]],
  );
});
