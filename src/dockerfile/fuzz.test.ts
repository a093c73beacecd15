import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseDockerfile } from "./parse.ts";
import { printDockerfile, printSyntaxJson, printSyntaxText } from "./print.ts";
import { parseTrigger, toProgram } from "./program.ts";

// Bounded in time: about three seconds in all, or NOUGHT_FUZZ_SECONDS. A find is printed as base64.
const SECONDS = Number(process.env.NOUGHT_FUZZ_SECONDS ?? 3);
const ROOT = join(import.meta.dirname, "../../testdata");
const FILES = ["dockerfile", "golden"].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /(?:^|[/.])Dockerfile$/.test(name))
    .sort()
    .map((name) => readFileSync(join(ROOT, folder, name))),
);

/** Everything the parser offers, on input of any kind: no exception, quick, and what reads without error prints and reads back. */
function digest(input: Uint8Array): void {
  const start = process.cpuUsage();
  try {
    const syntax = parseDockerfile(input, "Dockerfile");
    const { errors, stages } = toProgram(syntax);
    assert.ok(errors.length > 0 || stages.length > 0);
    for (const error of errors) assert.ok(error.source !== undefined && error.source.line >= 1 && !error.message.includes("undefined"));
    JSON.parse(printSyntaxJson(syntax));
    if (syntax.errors.length > 0) return;
    const again = parseDockerfile(printDockerfile(syntax), "Dockerfile");
    assert.equal(printSyntaxText(again), printSyntaxText(syntax));
    assert.equal(printDockerfile(again), printDockerfile(syntax));
  } catch (error) {
    throw new Error(`found by fuzzing: ${Buffer.from(input).toString("base64")}`, { cause: error });
  }
  const took = process.cpuUsage(start).user / 1_000;
  assert.ok(took < 1_000, `${took} ms for ${Buffer.from(input).toString("base64")}`);
}

/** A small generator of numbers that gives the same ones every time. */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const ODD = [
  0x00, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x23, 0x24, 0x27, 0x2d, 0x3c, 0x3d, 0x5b, 0x5c, 0x5d, 0x60, 0x7b, 0x7d, 0x85, 0xa0, 0xc2, 0xff,
];

describe("P21: no input makes the parser throw or hang", () => {
  test("prefixes", () => {
    const until = performance.now() + (SECONDS / 3) * 1_000;
    const next = numbers(1);
    for (let round = 0; performance.now() < until; round++) {
      const file = FILES[round % FILES.length] as Buffer;
      digest(file.subarray(0, next(file.length + 1)));
    }
  });

  test("one-byte changes", () => {
    const until = performance.now() + (SECONDS / 3) * 1_000;
    const next = numbers(2);
    for (let round = 0; performance.now() < until; round++) {
      const file = Buffer.from(FILES[round % FILES.length] as Buffer);
      const at = next(file.length + 1);
      const byte = next(3) === 0 ? next(256) : (ODD[next(ODD.length)] as number);
      const kind = next(3);
      if (kind === 0) file[Math.min(at, Math.max(0, file.length - 1))] = byte;
      digest(kind === 0 ? file : Buffer.concat([file.subarray(0, at), Buffer.from([byte]), file.subarray(kind === 1 ? at : at + 1)]));
    }
  });

  test("files made of the language's own pieces", () => {
    const pieces =
      "FROM scratch|RUN|COPY|ONBUILD |ENV|CMD|HEALTHCHECK|# escape=`|# check=skip=all|\\|`|\n|\r\n| |\t|<<EOF|<<-'E'|EOF|E|\"|'|[|]|[\"a\"]|,|--|" +
      "--from=x|--mount=type=|=|a|$|${|}|${a:-b}|\u00a0|\u2028|\ufeff|\0|#|<<|/|\v";
    const piece = fc.constantFrom(...pieces.split("|"));
    const file = fc.array(piece, { maxLength: 40 }).map((chosen) => Buffer.from(chosen.join("")));
    fc.assert(fc.property(file, digest), {
      numRuns: 1_000_000,
      interruptAfterTimeLimit: (SECONDS / 3) * 1_000,
      markInterruptAsFailure: false,
    });
  });
});

test("a trigger of any text is a command or a failure", () => {
  const span = { file: "Dockerfile", line: 1, endLine: 1 };
  const trigger = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `RUN ${rest}`),
    fc.string().map((rest) => `COPY ${rest} <<E /x\n${rest}\nE`),
  );
  fc.assert(
    fc.property(trigger, (text) => {
      try {
        assert.equal(parseTrigger(text, span).span, span);
      } catch (error) {
        assert.equal((error as Error).name, "Failure");
      }
    }),
    { numRuns: 500 },
  );
});
