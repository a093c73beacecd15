import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parsePlatform } from "../oci/platform.ts";
import { listTargets, outline, outlineJson, printOutline, printTargets, targetsJson } from "./outline.ts";
import { parseDockerfile } from "./parse.ts";
import { toProgram } from "./program.ts";
import { globalScope } from "./scope.ts";

const root = join(import.meta.dirname, "../../testdata/outline");
const amd64 = parsePlatform("linux/amd64");

interface Expected {
  readonly args: Record<string, string>;
  readonly targets: { readonly text: string; readonly json: unknown };
  readonly outlines: Record<string, { readonly text: string; readonly json: unknown }>;
}

for (const name of readdirSync(root).sort()) {
  if (name === "README.md") continue;
  test(`outline: ${name} reads as docker shows it`, () => {
    const expected: Expected = JSON.parse(readFileSync(join(root, name, "expected.json"), "utf8"));
    const program = toProgram(parseDockerfile(readFileSync(join(root, name, "Dockerfile")), "Dockerfile"));
    assert.deepEqual(program.errors, []);
    const targets = listTargets(program);
    assert.equal(printTargets(targets), expected.targets.text);
    assert.deepEqual(targetsJson(targets, program), expected.targets.json);
    for (const [target, shown] of Object.entries(expected.outlines)) {
      const global = globalScope(program, new Map(Object.entries(expected.args)), amd64, amd64, target || undefined);
      const found = outline(program, { global, targetPlatform: amd64, ...(target === "" ? {} : { target }) });
      assert.deepEqual(outlineJson(found, program), shown.json, target);
      assert.equal(printOutline(found), shown.text, target);
    }
  });
}
