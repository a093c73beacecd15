import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { Failure } from "../kit/error.ts";
import { createTask } from "../task/task.ts";
import { openArchive } from "./archive.ts";
import type { Archive } from "./face.ts";

// Against the mirror that this machine's apt uses; each test says why it is skipped where there is none.

const folder = mkdtempSync(join(tmpdir(), "nought-real-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const task = createTask();
const suite = existsSync("/etc/os-release") ? /VERSION_CODENAME=(\w+)/.exec(readFileSync("/etc/os-release", "utf8"))?.[1] : undefined;
const architecture = spawnSync("dpkg", ["--print-architecture"], { encoding: "utf8" }).stdout?.trim() ?? "";

async function withArchive(t: TestContext, use: (archive: Archive) => Promise<void>): Promise<void> {
  try {
    using archive = openArchive({ suite: suite ?? "stable", cacheDir: join(folder, "cache") }, task);
    await archive.packages(architecture || "amd64", ["libc6"], task);
    await use(archive);
  } catch (error) {
    if (!(error instanceof Failure) || !["USAGE", "NETWORK"].includes(error.code)) throw error;
    t.skip(`no mirror of Debian can be used here: ${error.message}`);
  }
}

test("the machine's own archive: signed, parsed, resolved; a package is fetched and then found offline", async (t) => {
  await withArchive(t, async (archive) => {
    const { packages, suites } = await archive.resolve({ packages: ["bash"], architecture: architecture || "amd64" }, task);
    const names = packages.map((one) => one.name);
    assert.ok(names.indexOf("libc6") < names.indexOf("bash"), names.join());
    assert.ok(suites.length >= 1 && suites.every((one) => one.date > 1_500_000_000));
    const [smallest] = [...packages].sort((a, b) => a.size - b.size);
    assert.ok(smallest);
    const deb = await archive.fetchDeb(smallest, task);
    assert.equal(readFileSync(deb.path).toString("latin1", 0, 8), "!<arch>\n");
    using offline = openArchive({ suite: suite ?? "stable", cacheDir: join(folder, "cache"), offline: true }, task);
    assert.deepEqual(await offline.fetchDeb(smallest, task), deb);
    const again = await offline.resolve({ packages: ["bash"], architecture: architecture || "amd64" }, task);
    assert.deepEqual(
      again.packages.map((one) => one.sha256),
      packages.map((one) => one.sha256),
    );
  });
});

test("the same packages as apt-get --simulate chooses", async (t) => {
  const lists = "/var/lib/apt/lists";
  if (!existsSync(lists) || !readdirSync(lists).some((name) => name.includes("_Packages"))) return t.skip("apt has no package lists here");
  await withArchive(t, async (archive) => {
    for (const name of ["ca-certificates", "default-jre-headless"]) {
      const flags = ["--simulate", "--no-install-recommends", "-o", "Dir::State::status=/dev/null", "-o", "Debug::NoLocking=1"];
      const { status, stdout } = spawnSync("apt-get", [...flags, "install", name], {
        encoding: "utf8",
        env: { ...process.env, LC_ALL: "C" },
      });
      assert.equal(status, 0);
      const apt = [...stdout.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]?.replace(/:.*/, "")).sort();
      const own = (await archive.resolve({ packages: [name], architecture }, task)).packages.map((one) => one.name).sort();
      assert.deepEqual(own, apt, name);
    }
  });
});

test("looking up ten packages in an index that is parsed takes a few milliseconds", async (t) => {
  await withArchive(t, async () => {
    const start = performance.now();
    using archive = openArchive({ suite: suite ?? "stable", cacheDir: join(folder, "cache") }, task);
    const names = ["libc6", "bash", "openssl", "ca-certificates", "python3", "nodejs", "golang", "default-jre", "gcc", "zlib1g"];
    assert.equal(new Set((await archive.packages(architecture || "amd64", names, task)).map((one) => one.name)).size, names.length);
    // 12 ms on a quiet machine; the bound only tells reading from parsing again (above 1,500).
    assert.ok(performance.now() - start < 500, `${performance.now() - start} ms`);
  });
});
