// Compares nought's choice of packages with apt's, for packages drawn from this machine's suites: `node scripts/apt-agreement.ts [COUNT [SEED [NAME…]]]`.
// apt simulates an install on an empty system (`--simulate --no-install-recommends`). Prints each difference and the sums; ends with 1 below 97 % agreement.
// Also compares some thousand real pairs of versions with `dpkg --compare-versions`.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openArchive } from "../src/debian/archive.ts";
import { compareVersions } from "../src/debian/version.ts";
import { createTask } from "../src/task/task.ts";

const [count = "100", seed = "1", ...given] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "nought-apt-"));
const task = createTask((event) => event.type === "note" && console.error(event.text));
const architecture = spawnSync("dpkg", ["--print-architecture"], { encoding: "utf8" }).stdout?.trim();
let state = Number(seed);
const random = (below: number) => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return (state >>> 8) % below;
};

try {
  if (!architecture) throw new Error("this is no Debian: dpkg is missing");
  const suite = /VERSION_CODENAME=(\S+)/.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "stable";
  using archive = openArchive({ suite, cacheDir: process.env["NOUGHT_DEBIAN_CACHE"] ?? join(folder, "cache") }, task);
  const all = await allNames(folder);
  const names = given.length > 0 ? given : Array.from({ length: Number(count) }, () => all[random(all.length)] as string);
  const sums = { same: 0, bothRefuse: 0, differ: 0, onlyApt: 0, onlyNought: 0, aptSeconds: 0, noughtSeconds: 0 };
  const versions = new Set<string>();
  for (const name of names) {
    let start = performance.now();
    const apt = simulate(name);
    sums.aptSeconds += (performance.now() - start) / 1000;
    start = performance.now();
    let own: string[] | undefined;
    let why = "";
    try {
      own = (await archive.resolve({ packages: [name], architecture }, task)).packages.map((one) => `${one.name}=${one.version}`).sort();
    } catch (error) {
      why = (error as Error).message;
    }
    sums.noughtSeconds += (performance.now() - start) / 1000;
    for (const text of own ?? []) versions.add(text.slice(text.indexOf("=") + 1));
    if (apt === undefined && own === undefined) sums.bothRefuse++;
    else if (own === undefined) sums.onlyApt += report(`${name}: only apt finds packages; nought: ${why}`);
    else if (apt === undefined) sums.onlyNought += report(`${name}: only nought finds packages`);
    else if (apt.join() === own.join()) sums.same++;
    else {
      const only = (a: readonly string[], b: readonly string[]) => a.filter((one) => !b.includes(one)).join(" ") || "nothing";
      sums.differ += report(`${name}: only apt ${only(apt, own)}; only nought ${only(own, apt)}`);
    }
  }
  console.log(`${names.length} packages:`, sums);
  const wrong = compareWithDpkg([...versions].slice(0, 3000));
  if (wrong > 0 || (sums.same + sums.bothRefuse) / names.length < 0.97) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function report(text: string): 1 {
  console.log(text);
  return 1;
}

/** The names of all packages that apt knows. */
async function allNames(folder: string): Promise<string[]> {
  const { stdout } = spawnSync("apt-cache", [...options(folder), "pkgnames"], { encoding: "utf8", maxBuffer: 1 << 28 });
  const names = stdout.split("\n").filter(Boolean).sort();
  const dump = spawnSync("apt-cache", [...options(folder), "dumpavail"], { encoding: "latin1", maxBuffer: 1 << 30 }).stdout;
  const real = new Set([...dump.matchAll(/^Package: (\S+)/gm)].map((match) => match[1]));
  if (real.size === 0) throw new Error(`apt has no lists here (${readdirSync("/var/lib/apt/lists").length} files); run apt-get update`);
  return names.filter((name) => real.has(name));
}

function options(folder: string): string[] {
  mkdirSync(join(folder, "apt/archives/partial"), { recursive: true });
  const set = [
    "Dir::State::status=/dev/null",
    `Dir::Cache=${folder}/apt`,
    "Dir::Cache::pkgcache=pkgcache.bin",
    "Dir::Cache::srcpkgcache=srcpkgcache.bin",
  ];
  return [...set, "Debug::NoLocking=1"].flatMap((one) => ["-o", one]);
}

/** `name=version` of all that apt would install; undefined where it refuses. */
function simulate(name: string): string[] | undefined {
  const { status, stdout } = spawnSync("apt-get", [...options(folder), "--simulate", "--no-install-recommends", "install", name], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  if (status !== 0) return undefined;
  return [...stdout.matchAll(/^Inst (\S+) \((\S+)/gm)].map((match) => `${match[1]?.replace(/:.*/, "")}=${match[2]}`).sort();
}

/** Each version with its neighbour and with one drawn from all. Returns how many differ. */
function compareWithDpkg(versions: readonly string[]): number {
  const sorted = [...versions].sort();
  const pairs = sorted.flatMap((one, n) => [
    [one, sorted[n + 1] ?? one],
    [one, sorted[random(sorted.length)] ?? one],
  ]) as [string, string][];
  const script = pairs
    .map(
      ([a, b]) =>
        `if dpkg --compare-versions '${a}' lt '${b}'; then echo lt; elif dpkg --compare-versions '${a}' eq '${b}'; then echo eq; else echo gt; fi`,
    )
    .join("\n");
  const answers = spawnSync("sh", { input: script, encoding: "utf8", maxBuffer: 1 << 24 })
    .stdout.trim()
    .split("\n");
  const wrong = pairs.filter(([a, b], n) => {
    const order = compareVersions(a, b);
    return (order < 0 ? "lt" : order > 0 ? "gt" : "eq") !== answers[n];
  });
  for (const [a, b] of wrong) console.log(`versions: ${a} ${b} are ordered otherwise by dpkg`);
  console.log(`${pairs.length} pairs of versions compared with dpkg, ${wrong.length} differ`);
  return wrong.length;
}
