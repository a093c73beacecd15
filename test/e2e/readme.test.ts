/**
 * README.md and docs/tour.md show what a reader would see: their commands are run, and what they print is compared with what stands there.
 * Ages and durations count as equal. `NOUGHT_UPDATE=1 npm test -- test/e2e/readme.test.ts` writes what was printed into them.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { whyNot } from "../../src/sandbox/testing/box.ts";
import { noMirror } from "../mirror.ts";

const root = join(import.meta.dirname, "../..");
const BLOCK = /^```console\n([^]*?)^```$/gm;

/** A command of the tour (lines after a trailing backslash or inside a here-document belong to it) and what it printed. */
interface Shown {
  readonly command: string;
  readonly output: string;
}

function parse(block: string): Shown[] {
  const shown: { command: string; output: string }[] = [];
  for (const line of block.split("\n").slice(0, -1)) {
    if (line.startsWith("$ ")) shown.push({ command: line.slice(2), output: "" });
    else if (line.startsWith("> ") && shown.length > 0) (shown.at(-1) as Shown & { command: string }).command += `\n${line.slice(2)}`;
    else if (shown.length > 0) (shown.at(-1) as { output: string }).output += `${line}\n`;
  }
  return shown;
}

/** Runs all commands in one shell, so that `cd` and `export` hold on. */
function perform(commands: readonly string[]): string[] {
  const dir = mkdtempSync(join(tmpdir(), "nought-tour-"));
  const env = { PATH: `${join(root, "bin")}${delimiter}${process.env.PATH}`, HOME: join(dir, "home"), LC_ALL: "C.UTF-8", TZ: "UTC" };
  const cwd = join(dir, "nought");
  try {
    cpSync(join(root, "examples"), join(cwd, "examples"), { recursive: true });
    mkdirSync(join(dir, "home/.cache"), { recursive: true });
    const mark = "\u001e";
    const script = commands.map((command) => `${command}\nprintf '${mark}'\n`).join("");
    const { stdout, stderr, status } = spawnSync("bash", ["-c", `exec 2>&1\n${script}`], {
      cwd,
      encoding: "utf8",
      env,
      timeout: 400_000,
    });
    assert.equal(status, 0, stdout + stderr);
    return stdout.split(mark).slice(0, -1);
  } finally {
    // Containers that a command which failed left running.
    spawnSync("bash", ["-c", "nought ps -aq | xargs -r nought rm -f"], { cwd, env, timeout: 30_000 });
    rmSync(dir, { recursive: true, force: true });
  }
}

const calm = (text: string) =>
  text
    .replaceAll(/(?:About |Less than )?(?:an?|\d+) (?:second|minute|hour|day|week|month|year)s? ago/g, "some time ago")
    .replaceAll(/\d+\.\d+ ?s\b/g, "0.0s")
    .replaceAll(/\d+ ms\b/g, "0 ms")
    .replaceAll(/ +/g, " ")
    .replaceAll(/ $/gm, "");

/** Compares what a page shows with what happens, or writes it there. */
function follow(page: string): void {
  const path = join(root, page);
  const text = readFileSync(path, "utf8");
  const shown = [...text.matchAll(BLOCK)].flatMap(([, block = ""]) => parse(block));
  assert.notEqual(shown.length, 0, page);
  const printed = perform(shown.map((one) => one.command));
  if (process.env["NOUGHT_UPDATE"] === "1") {
    let at = 0;
    const fresh = text.replaceAll(BLOCK, (_, block: string) => {
      const lines = parse(block).map(({ command }) => `$ ${command.replaceAll("\n", "\n> ")}\n${printed[at++]}`);
      return `\`\`\`console\n${lines.join("")}\`\`\``;
    });
    writeFileSync(path, fresh.replaceAll(/[ \t]+$/gm, ""));
    return;
  }
  for (const [at, { command, output }] of shown.entries()) assert.equal(calm(printed[at] ?? ""), calm(output), command);
}

test("docs/tour.md shows what really happens", (t) => {
  if (process.arch !== "x64") return t.skip("the digests shown are those of linux/amd64");
  follow("docs/tour.md");
});

test("README.md: a Go program compiled in nought/golang, run from scratch and looked into", { timeout: 500_000 }, (t) => {
  const skip = whyNot() || noMirror();
  if (skip) return t.skip(skip);
  follow("README.md");
});
