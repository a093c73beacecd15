/** The rules of the house that no other tool checks: links, paths and host names in the tree, line lengths, docstrings. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const sources = globSync("src/**/*.ts", { cwd: root, exclude: ["**/testdata/**"] });

/** Every text file that git has or would take. */
function tree(): string[] {
  const listed = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  assert.equal(listed.status, 0, listed.stderr);
  return listed.stdout.split("\0").filter((file) => file !== "" && existsSync(join(root, file)));
}

/** The text without its blank. */
const together = (text: string) => text.replace(" ", "");

/** The anchors of a Markdown file's headings, as GitHub makes them. */
function anchors(text: string): Set<string> {
  const headings = text.replaceAll(/^```[^]*?^```/gm, "").matchAll(/^#+ +(.*)$/gm);
  const plain = (heading: string) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .trim()
      .replaceAll(" ", "-");
  return new Set([...headings].map(([, heading = ""]) => plain(heading)));
}

test("every relative link of the documents leads to a file, and its anchor to a heading", () => {
  const wrong: string[] = [];
  for (const file of ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...globSync("{docs,examples}/**/*.md", { cwd: root })]) {
    const text = read(file);
    for (const [, target = ""] of text.replaceAll(/^```[^]*?^```/gm, "").matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const to = path === "" ? file : relative(root, join(root, dirname(file), path));
      if (to.startsWith("..") || !existsSync(join(root, to))) wrong.push(`${file}: ${target}: no such file`);
      else if (anchor !== undefined && !anchors(read(to)).has(anchor)) wrong.push(`${file}: ${target}: no such heading`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("no path of a developer's machine and no host of a package registry stands in the tree", () => {
  // Written apart, so that this file does not hold what it looks for.
  const machines = ["/wo rk/", "/fa rm/"].map(together);
  const hosts = ["registry.npm js.", "deb.deb ian.", "security.deb ian.", "snapshot.deb ian.", "npm mirror.", "pypi .org"].map(together);
  const wrong: string[] = [];
  for (const file of tree()) {
    const bytes = readFileSync(join(root, file));
    if (bytes.subarray(0, 8000).includes(0)) continue;
    const lines = bytes.toString("latin1").split("\n");
    for (const [at, line] of lines.entries()) {
      const path = machines.find((one) => line.includes(one) && !/[a-z0-9._-]/i.test(line[line.indexOf(one) - 1] ?? ""));
      const host = hosts.find((one) => line.includes(one));
      if (path ?? host) wrong.push(`${file}:${at + 1}: ${path ?? host}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(!read("package-lock.json").includes('"resolved"'), "the lock file names where packages were fetched: see .npmrc");
});

/** Sentences in strings stay in one piece. */
const withoutStrings = (line: string) => line.replaceAll(/(["'`])(?:\\.|(?!\1).)*\1/g, '""');

test("no line of src is longer than 140 characters, strings aside", () => {
  const long = sources.flatMap((file) =>
    read(file)
      .split("\n")
      .flatMap((line, at) => (line.length > 140 && withoutStrings(line).length > 140 ? [`${file}:${at + 1}: ${line.length}`] : [])),
  );
  assert.deepEqual(long, []);
});

test("every exported function and class has a docstring", () => {
  const bare: string[] = [];
  for (const file of sources.filter((one) => !one.endsWith(".test.ts"))) {
    const lines = read(file).split("\n");
    const seen = new Set<string>(); // overloads share the first one's
    for (const [at, line] of lines.entries()) {
      const name =
        /^export (?:default )?(?:(?:async )?function\*? *|(?:abstract )?class |const (?=\w+ = (?:async )?(?:\(|function|<)))(\w+)/.exec(
          line,
        )?.[1];
      if (name === undefined || seen.has(name)) continue;
      seen.add(name);
      if (name === "run" && file.startsWith("src/cli/commands/")) continue; // its contract is the face in cli/command.ts
      if (!/\*\/\s*$/.test(lines[at - 1] ?? "")) bare.push(`${file}:${at + 1}: ${name}`);
    }
  }
  assert.deepEqual(bare, []);
});
