import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Failure } from "../kit/error.ts";
import { parseDockerfile } from "./parse.ts";
import { printDockerfile, printSyntaxJson, printSyntaxText } from "./print.ts";
import { toProgram } from "./program.ts";
import type { Syntax } from "./syntax.ts";

// Each folder holds a Dockerfile, its tree (result.txt in BuildKit's form, or result.json where it has more to show than
// words) and, where something is wrong, errors.txt. NOUGHT_GOLDEN=write writes what is found instead of comparing.
const ROOT = join(import.meta.dirname, "../../testdata/dockerfile");
const WRITE = process.env.NOUGHT_GOLDEN === "write";
const CASES = readdirSync(ROOT).sort();

describe("golden Dockerfiles", () => {
  for (const name of CASES) test(name, () => judge(join(ROOT, name)));
  test("there are enough of them", () => assert.ok(CASES.length >= 80));
});

describe("P22: a tree printed as a Dockerfile reads back as the same tree", () => {
  for (const name of CASES) {
    test(name, () => {
      const syntax = parseDockerfile(readFileSync(join(ROOT, name, "Dockerfile")), "Dockerfile");
      if (syntax.errors.length > 0) return;
      const printed = printDockerfile(syntax);
      const again = parseDockerfile(printed, "Dockerfile");
      assert.deepEqual(again.errors, []);
      assert.equal(printSyntaxText(again), printSyntaxText(syntax));
      assert.deepEqual(heredocs(again), heredocs(syntax));
      assert.equal(printDockerfile(again), printed);
    });
  }
});

function heredocs(syntax: Syntax): unknown {
  return syntax.instructions.map((instruction) => instruction.heredocs);
}

function judge(folder: string): void {
  const syntax = parseDockerfile(readFileSync(join(folder, "Dockerfile")), "Dockerfile");
  const json = syntax.warnings.length > 0 || syntax.directives.length > 0 || syntax.instructions.some((one) => one.heredocs.length > 0);
  const { errors } = toProgram(syntax);
  const found: Record<string, string | undefined> = {
    "result.json": json ? `${printSyntaxJson(syntax)}\n` : undefined,
    "result.txt": json ? undefined : `${printSyntaxText(syntax)}\n`,
    "errors.txt": errors.length > 0 ? `${errors.map(shown).join("\n\n")}\n` : undefined,
  };
  for (const [file, text] of Object.entries(found)) {
    const path = join(folder, file);
    if (!WRITE) assert.equal(existsSync(path) ? readFileSync(path, "utf8") : undefined, text, file);
    else if (text === undefined) rmSync(path, { force: true });
    else writeFileSync(path, text);
  }
}

function shown({ code, message, hint, excerpt }: Failure): string {
  return [excerpt ?? "", `${code}: ${message}`, ...(hint === undefined ? [] : [`hint: ${hint}`])].join("\n");
}
