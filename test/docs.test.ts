import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generatedFiles, OWNED } from "../scripts/docs/files.ts";

const root = join(import.meta.dirname, "..");

test("the pages made from tables are as the tables are: `npm run docs` has been run", () => {
  const files = generatedFiles();
  const stale = [...files].filter(([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), "utf8") !== text);
  assert.deepEqual(
    stale.map(([path]) => path),
    [],
  );
  const left = globSync(OWNED as string[], { cwd: root }).filter((path) => !files.has(path));
  assert.deepEqual(left, []);
});
