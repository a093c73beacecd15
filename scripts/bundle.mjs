// Bundles the sources into dist/: the entry, the command line, the library with its types. Run by `npm ci` (prepare) and `npm run build`.

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
mkdirSync(join(root, "dist"), { recursive: true });

const shared = {
  bundle: true,
  platform: "node",
  target: "node24",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  external: ["@noble/ciphers", "@sigstore/bundle", "openpgp", "smol-toml", "yaml"],
  define: { NOUGHT_VERSION: JSON.stringify(version), NOUGHT_DEB_WORKER: JSON.stringify("deb-worker.cjs") },
  logLevel: "warning",
  absWorkingDir: root,
};
// In a module of the older kind, the folder of a file goes by another name.
const cjs = { format: "cjs", define: { ...shared.define, "import.meta.dirname": "__dirname" } };
await Promise.all([
  build({ ...shared, ...cjs, entryPoints: ["src/cli/main.ts"], outfile: "dist/cli.cjs" }),
  build({ ...shared, ...cjs, entryPoints: ["src/debian/deb-worker.ts"], outfile: "dist/deb-worker.cjs" }),
  build({ ...shared, entryPoints: ["src/index.ts"], outfile: "dist/index.mjs", format: "esm" }),
]);
writeFileSync(join(root, "dist/nought.cjs"), readFileSync(join(root, "scripts/entry.cjs"), "utf8").replace("@VERSION@", version));
if (!process.argv.includes("--no-types")) types();

/** Declarations of the library for those who import it. Written beside and renamed, so that a failure leaves the old ones. */
function types() {
  const fresh = mkdtempSync(join(root, "dist/types-"));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const flags = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--noCheck", "--outDir", fresh];
  const { status } = spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.types.json"), ...flags], { stdio: "inherit" });
  if (status !== 0) {
    rmSync(fresh, { recursive: true });
    throw new Error("tsc could not write the types of the library");
  }
  rmSync(join(root, "dist/types"), { recursive: true, force: true });
  chmodSync(fresh, 0o755);
  renameSync(fresh, join(root, "dist/types"));
}
