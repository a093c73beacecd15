import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { program } from "../program.ts";

const nought = await program();
const root = join(import.meta.dirname, "../..");
nought.write({ "ctx/Dockerfile": "FROM scratch\n", "other file": "x" });
nought.out("build", "-q", "-t", "hello:1", "-t", "h.io:5000/app", "ctx");
const has = (name: string) => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;

/** What bash would offer for a line, asked the way bash asks: words already split, at = and : too. */
function bash(...words: string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(" ");
  const script = `eval "$(nought completion bash)"; COMP_WORDS=(nought ${list}); COMP_CWORD=${words.length}; compopt() { echo "compopt $*"; }
    _nought nought; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = nought.shell(script);
  assert.equal(status, 0, stderr);
  return stdout.split("\n").filter(Boolean);
}

test("bash completes commands, flags, values and image names", () => {
  assert.deepEqual(bash("im"), ["image", "images", "import"]);
  assert.deepEqual(bash("image", "l"), ["load", "ls", "ls-files"]);
  assert.deepEqual(bash("build", "--no"), ["--no-cache", "--no-cache-filter"]);
  assert.deepEqual(bash("rmi", "he"), ["hello:1"]);
  assert.deepEqual(bash("rmi", "h"), ["h.io:5000/app", "h.io:5000/app:latest", "hello:1"]);
  assert.deepEqual(bash("build", "-f", ""), ["compopt -o default"]);
  assert.deepEqual(bash("build", ""), ["compopt -o dirnames"]);
});

test("asking never fails and never makes a store", () => {
  const ran = nought.run(["__complete", "rmi", ""], { env: { NOUGHT_STORE: join(nought.dir, "none") } });
  assert.deepEqual([ran.status, ran.stdout, ran.stderr], [0, "", ""]);
  const bad = nought.run(["__complete", "rmi", ""], { env: { NOUGHT_STORE: nought.dir } });
  assert.deepEqual([bad.status, bad.stdout, bad.stderr], [0, "", ""]);
  assert.equal(nought.run(["__complete"]).status, 0);
  assert.equal(nought.run(["__complete", "build", "--", "-x"]).status, 0);
});

for (const [shell, file] of [
  ["bash", "nought.bash"],
  ["zsh", "_nought"],
  ["fish", "nought.fish"],
] as const) {
  test(`the ${shell} script parses`, { skip: !has(shell) && `${shell} is not installed` }, () => {
    const { status, stderr } = spawnSync(shell, ["-n", join(root, "completions", file)], { encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""]);
  });
}

test("fish completes image names", { skip: !has("fish") && "fish is not installed" }, () => {
  const { stdout } = nought.shell("fish -c 'nought completion fish | source; complete -C \"nought rmi he\"'");
  assert.match(stdout, /^hello:1\t/);
});

test("the manual page has no mistakes", { skip: !has("groff") && "groff is not installed" }, () => {
  const { status, stderr } = spawnSync("groff", ["-man", "-Tutf8", "-ww", "-z", join(root, "man/nought.1")], { encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
});
