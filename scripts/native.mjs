// Builds native/nbox.c and writes its bytes to src/sandbox/nbox-bytes.ts. `--check` compares instead, with each compiler whose version is
// the one that built what is there; others are named and passed over. `npm run native`.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = join(root, "src/sandbox/nbox-bytes.ts");
// No build id, no paths, no relocations, no stack canaries: the same compiler gives the same bytes anywhere.
const COMMON = [
  ..."-Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic -no-pie -fno-ident".split(" "),
  ..."-Wall -Wextra -Werror -Wl,--build-id=none,-z,noseparate-code,-z,norelro,-z,noexecstack,-s".split(" "),
];
const COMPILERS = {
  x64: {
    program: ["x86_64-linux-gnu-gcc", "gcc"],
    flags: ["-fcf-protection=none", "-march=x86-64", "-mtune=generic"],
    machine: "x86_64-linux-gnu",
  },
  // Kernels for arm64 may have pages of 64 KiB.
  arm64: {
    program: ["aarch64-linux-gnu-gcc", "gcc"],
    flags: ["-march=armv8-a", "-Wl,-z,max-page-size=65536"],
    machine: "aarch64-linux-gnu",
  },
};

/** The compiler for an architecture and what it calls itself, or nothing. */
function compilerFor({ program, machine }) {
  for (const one of program) {
    const { status, stdout } = spawnSync(one, ["-dumpmachine"], { encoding: "utf8" });
    if (status !== 0 || stdout.trim() !== machine) continue;
    const full = spawnSync(one, ["-dumpfullversion"], { encoding: "utf8" }).stdout.trim();
    const linker = spawnSync(one, ["-Wl,--version"], { encoding: "utf8" }).stdout.split("\n")[0];
    return { program: one, version: `gcc ${full}, ${linker}` };
  }
  return undefined;
}

function compile(program, flags) {
  const folder = mkdtempSync(join(tmpdir(), "nought-native-"));
  try {
    const out = join(folder, "nbox");
    const { status, stderr } = spawnSync(program, [...COMMON, ...flags, "-o", out, "native/nbox.c"], { cwd: root, encoding: "utf8" });
    if (status !== 0) throw new Error(`${program} refused native/nbox.c:\n${stderr}`);
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const check = process.argv.includes("--check");
const { NBOX } = await import(target).catch(() => ({ NBOX: {} }));
const built = { ...NBOX };
let wrong = false;
for (const [architecture, one] of Object.entries(COMPILERS)) {
  const compiler = compilerFor(one);
  const known = NBOX[architecture];
  if (!compiler) console.log(`${architecture}: skipped, no compiler (${one.program[0]})`);
  else if (check && known?.compiler !== compiler.version)
    console.log(`${architecture}: skipped, built by ${known?.compiler}, here is ${compiler.version}`);
  else {
    const bytes = compile(compiler.program, one.flags);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    if (check && sha256 !== known?.sha256) {
      wrong = true;
      console.log(`${architecture}: native/nbox.c gives ${sha256}, shipped is ${known?.sha256}: run \`npm run native\``);
    } else console.log(`${architecture}: ${bytes.length} bytes, sha256:${sha256}`);
    built[architecture] = { compiler: compiler.version, sha256, base64: bytes.toString("base64") };
  }
}
if (!check) writeFileSync(target, source(built));
process.exit(wrong ? 1 : 0);

function source(of) {
  const parts = Object.entries(of).map(([name, { compiler, sha256, base64 }]) => {
    const lines = base64.match(/.{1,128}/g).map((line) => `\n      "${line}"`);
    return `  ${name}: {\n    compiler: ${JSON.stringify(compiler)},\n    sha256: "${sha256}",\n    base64:${lines.join(" +")},\n  },\n`;
  });
  return `// Made from native/nbox.c by scripts/native.mjs: \`npm run native\`. Do not edit.

/** The helper for each architecture, under Node's names for them. */
export const NBOX: Readonly<Record<string, { readonly compiler: string; readonly sha256: string; readonly base64: string }>> = {
${parts.join("")}};
`;
}
