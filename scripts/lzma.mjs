// Builds native/lzma.c for WebAssembly and writes its bytes to src/format/lzma-bytes.ts. `--check` compares instead, where the compiler is the one
// that built what is there. Needs clang and lld.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const target = join(root, "src/format/lzma-bytes.ts");
const FLAGS = "--target=wasm32 -O3 -nostdlib -ffreestanding -mbulk-memory -Wall -Wextra -Werror -Wl,--no-entry -Wl,--strip-all".split(" ");

const { status, stdout } = spawnSync("clang", ["--version"], { encoding: "utf8" });
if (status !== 0) {
  console.log("lzma: skipped, no compiler (clang)");
  process.exit(0);
}
const compiler = stdout.split("\n")[0].trim();
const { LZMA } = await import(target).catch(() => ({ LZMA: undefined }));
const check = process.argv.includes("--check");
if (check && LZMA?.compiler !== compiler) {
  console.log(`lzma: skipped, built by ${LZMA?.compiler}, here is ${compiler}`);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), "nought-lzma-"));
try {
  const out = join(folder, "lzma.wasm");
  const made = spawnSync("clang", [...FLAGS, "-o", out, "native/lzma.c"], { cwd: root, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`clang refused native/lzma.c:\n${made.stderr}`);
  const bytes = readFileSync(out);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const same = sha256 === LZMA?.sha256;
  console.log(
    `lzma: ${bytes.length} bytes, sha256:${sha256}${check && !same ? `, shipped is ${LZMA?.sha256}: run \`npm run native\`` : ""}`,
  );
  if (!check) writeFileSync(target, source({ compiler, sha256, base64: bytes.toString("base64") }));
  process.exitCode = check && !same ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true });
}

function source({ compiler, sha256, base64 }) {
  const lines = base64.match(/.{1,128}/g).map((line) => `\n    "${line}"`);
  return `// Made from native/lzma.c by scripts/lzma.mjs: \`npm run native\`. Do not edit.

/** The decoder's module (WebAssembly). */
export const LZMA: { readonly compiler: string; readonly sha256: string; readonly base64: string } = {
  compiler: ${JSON.stringify(compiler)},
  sha256: "${sha256}",
  base64:${lines.join(" +")},
};
`;
}
