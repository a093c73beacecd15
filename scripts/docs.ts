// Writes everything that is made from tables in src/: `npm run docs`. test/docs.test.ts compares what it would write with what is there.
import { globSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { generatedFiles, OWNED } from "./docs/files.ts";

const root = join(import.meta.dirname, "..");
const files = generatedFiles();
for (const stale of globSync(OWNED as string[], { cwd: root })) {
  if (!files.has(stale)) rmSync(join(root, stale));
}
for (const [path, text] of files) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
console.log(`${files.size} files written`);
