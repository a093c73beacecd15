import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Failure } from "../kit/error.ts";
import type { PackageRecord, ResolveRequest } from "./face.ts";
import { packPackages } from "./pack-index.ts";
import { openPackages } from "./package-index.ts";
import { createPool, type Pool } from "./pool.ts";
import { solve } from "./resolve.ts";

type Fields = Partial<Omit<PackageRecord, "name" | "version">>;

function record(nameAndVersion: string, fields: Fields = {}): PackageRecord {
  const [name = "", version = "1.0"] = nameAndVersion.split("=");
  const none = { preDepends: "", depends: "", recommends: "", conflicts: "", breaks: "", replaces: "", provides: "" };
  const path = `pool/${name}_${version}.deb`;
  const facts = { architecture: "amd64", suite: "bookworm", path, size: 1, sha256: "0".repeat(64), installedSize: 1 };
  return {
    name,
    version,
    ...facts,
    multiArch: "no",
    essential: false,
    priority: "optional",
    source: name,
    sourceVersion: version,
    ...none,
    ...fields,
  };
}

/** The index that an archive with these packages would have. */
function indexOf(records: readonly PackageRecord[], suite: string, architecture: string) {
  const fields = (one: PackageRecord): [string, string][] => [
    ["Package", one.name],
    ["Version", one.version],
    ["Architecture", one.architecture],
    ["Multi-Arch", one.multiArch],
    ["Essential", one.essential ? "yes" : ""],
    ["Priority", one.priority],
    ["Pre-Depends", one.preDepends],
    ["Depends", one.depends],
    ["Recommends", one.recommends],
    ["Conflicts", one.conflicts],
    ["Breaks", one.breaks],
    ["Provides", one.provides],
    ["Filename", one.path],
    ["Size", String(one.size)],
    ["SHA256", one.sha256],
  ];
  const paragraph = (one: PackageRecord) =>
    fields(one)
      .flatMap(([key, value]) => (value === "" ? [] : [`${key}: ${value}\n`]))
      .join("");
  const bytes = Buffer.concat(packPackages(Buffer.from(records.map(paragraph).join("\n")), "Packages"));
  return openPackages((position, length) => bytes.subarray(position, position + length), suite, architecture);
}

function poolOf(...suites: readonly (readonly PackageRecord[])[]): Pool {
  const architectures = ["amd64", "arm64"];
  return createPool(
    suites.flatMap((records) =>
      architectures.map((architecture) => {
        const index = indexOf(records, "bookworm", architecture);
        assert.ok(index);
        return { architecture, index };
      }),
    ),
  );
}

function names(pool: Pool, packages: readonly string[], request: Partial<ResolveRequest> = {}, architectures = ["amd64"]): string[] {
  return solve({ packages, architecture: "amd64", ...request }, pool, architectures).packages.map((one) => one.name);
}

const failing = (about: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === "PACKAGE" && about.test(error.message) ? true : assert.fail(`${(error as Error).stack}`);

test("D21: dependencies come before what needs them, circles in the order of names", () => {
  const pool = poolOf([
    record("app", { depends: "lib (>= 1), b" }),
    record("lib", { preDepends: "base" }),
    record("base"),
    record("b", { depends: "c" }),
    record("c", { depends: "b, lib" }),
  ]);
  assert.deepEqual(names(pool, ["app"]), ["base", "lib", "b", "c", "app"]);
  assert.deepEqual(names(pool, ["c", "app"]), ["base", "lib", "b", "c", "app"]);
});

test("D21: what is missing is told with the chain that leads to it", () => {
  const pool = poolOf([
    record("app", { depends: "lib" }),
    record("lib", { depends: "gone (>= 2) | lost" }),
    record("old", { depends: "lib (>= 9)" }),
  ]);
  assert.throws(() => names(pool, ["app"]), failing(/^app \(1\.0\) needs lib \(1\.0\) needs gone \(>= 2\) \| lost, which no suite has$/));
  assert.throws(() => names(pool, ["old"]), failing(/^old \(1\.0\) needs lib \(>= 9\)/));
  assert.throws(() => names(pool, ["nothing"]), failing(/^there is no package nothing for amd64$/));
  assert.throws(() => names(pool, ["lib=7"]), failing(/^lib has no version 7$/));
  assert.throws(() => names(pool, ["lib:arm64"], {}, ["amd64", "arm64"]), failing(/no package lib:arm64/));
  assert.throws(() => names(pool, ["a b"]), failing(/not a relation/));
});

test("D21: virtual packages, versions of what is provided", () => {
  const pool = poolOf([
    record("mawk", { provides: "awk", priority: "required" }),
    record("gawk", { provides: "awk" }),
    record("java17", { provides: "java-runtime (= 17), jre" }),
    record("needs-awk", { depends: "awk" }),
    record("needs-java", { depends: "java-runtime (>= 11)" }),
    record("needs-jre", { depends: "jre (>= 1)" }),
  ]);
  assert.deepEqual(names(pool, ["needs-awk"]), ["mawk", "needs-awk"]);
  assert.deepEqual(names(pool, ["needs-awk", "gawk"]), ["gawk", "needs-awk"]);
  assert.deepEqual(names(pool, ["needs-java"]), ["java17", "needs-java"]);
  assert.throws(() => names(pool, ["needs-jre"]), failing(/needs jre \(>= 1\), which no suite has/));
  assert.throws(() => names(pool, ["awk"]), failing(/awk is not a package but a name that 2 packages provide/));
  assert.deepEqual(names(pool, ["jre"]), ["java17"]);
});

test("D21: alternatives: the first that is possible, unless another is there anyway", () => {
  const pool = poolOf([
    record("app", { depends: "first | second" }),
    record("first", { depends: "gone" }),
    record("second"),
    record("other", { depends: "good | second" }),
    record("good"),
    record("takes-second", { depends: "second" }),
  ]);
  assert.deepEqual(names(pool, ["app"]), ["second", "app"]);
  assert.deepEqual(names(pool, ["other"]), ["good", "other"]);
  assert.deepEqual(names(pool, ["takes-second", "other"]), ["second", "other", "takes-second"]);
  // The order in which packages are asked for matters, as it does for apt.
  assert.deepEqual(names(pool, ["other", "takes-second"]), ["good", "other", "second", "takes-second"]);
});

test("D21: conflicts and breaks lead to other alternatives, or to words", () => {
  const pool = poolOf([
    record("app", { depends: "mta-a | mta-b, tool" }),
    record("mta-a", { provides: "mta", conflicts: "mta" }),
    record("mta-b", { provides: "mta", conflicts: "mta" }),
    record("tool", { breaks: "mta-a (<< 2)" }),
    record("wants-a", { depends: "mta-a" }),
    record("elsewhere", { conflicts: "mta-a:arm64" }),
  ]);
  assert.deepEqual(names(pool, ["app"]), ["mta-b", "tool", "app"]);
  assert.deepEqual(names(pool, ["elsewhere", "mta-a"]), ["elsewhere", "mta-a"]);
  assert.throws(() => names(pool, ["mta-a", "mta-b"]), failing(/mta-b \(1\.0\) is refused by mta-a \(1\.0\), which conflicts with mta/));
  assert.throws(() => names(pool, ["wants-a", "tool"]), failing(/wants-a \(1\.0\) needs mta-a, but mta-a \(1\.0\) is refused by tool/));
});

test("D21: a choice that turns out wrong is taken back", () => {
  const pool = poolOf([
    record("app", { depends: "a | b, x | y" }),
    record("a", { depends: "p | q" }),
    record("b"),
    record("p", { conflicts: "x, y" }),
    record("q", { conflicts: "x, y" }),
    record("x"),
    record("y"),
  ]);
  assert.deepEqual(names(pool, ["app"]), ["b", "x", "app"]);
});

test("D21: processors: foreign, allowed, same, all", () => {
  const arm = { architecture: "arm64" };
  const pool = poolOf([
    record("app", { ...arm, depends: "tool, python:any, lib, docs" }),
    record("tool", { multiArch: "foreign" }),
    record("tool", { ...arm, multiArch: "foreign" }),
    record("python", { multiArch: "allowed" }),
    record("python", { ...arm, multiArch: "allowed" }),
    record("lib", { multiArch: "same" }),
    record("lib", { ...arm, multiArch: "same" }),
    record("docs", { architecture: "all", multiArch: "foreign" }),
    record("plain"),
    record("plain", arm),
    record("bad", { depends: "plain:any" }),
  ]);
  const both = (packages: string[]) =>
    solve({ packages, architecture: "amd64" }, pool, ["amd64", "arm64"]).packages.map((one) => `${one.name}:${one.architecture}`);
  assert.deepEqual(both(["app:arm64"]), ["docs:all", "lib:arm64", "python:amd64", "tool:amd64", "app:arm64"]);
  assert.deepEqual(both(["lib", "lib:arm64"]), ["lib:amd64", "lib:arm64"]);
  assert.throws(() => both(["plain", "plain:arm64"]), failing(/plain \(1\.0\) cannot be beside plain/));
  assert.throws(() => both(["bad"]), failing(/needs plain:any, which no suite has/));
});

test("several suites: the highest version wins, and an asked-for version is taken", () => {
  const pool = poolOf(
    [record("ssl=3.0.1"), record("app", { depends: "ssl" })],
    [record("ssl=3.0.2-1~deb12u1"), record("ssl=3.0.2-1~deb12u1")],
    [record("ssl=3.0.1+b1")],
  );
  const version = (text: string) =>
    solve({ packages: [text], architecture: "amd64" }, pool, ["amd64"]).packages.map((one) => `${one.name}=${one.version}`);
  assert.deepEqual(version("app"), ["ssl=3.0.2-1~deb12u1", "app=1.0"]);
  assert.deepEqual(version("ssl=3.0.1"), ["ssl=3.0.1"]);
});

test("suites that are not automatic (backports): only what is asked for by version or suite comes from them", () => {
  const stable = [record("tool=1"), record("lib=1")];
  const backports = [record("tool=2~bpo12+1", { depends: "lib" }), record("lib=2~bpo12+1"), record("new=1", { depends: "lib" })];
  const part = (records: readonly PackageRecord[], suite: string, notAutomatic: boolean) => {
    const index = indexOf(records, suite, "amd64");
    assert.ok(index);
    return { architecture: "amd64", index, notAutomatic };
  };
  const pool = createPool([part(stable, "bookworm", false), part(backports, "bookworm-backports", true)]);
  const of = (text: string) =>
    solve({ packages: [text], architecture: "amd64" }, pool, ["amd64"]).packages.map((one) => `${one.name}=${one.version}`);
  assert.deepEqual(of("tool"), ["tool=1"]);
  assert.deepEqual(of("tool/bookworm-backports"), ["lib=1", "tool=2~bpo12+1"]);
  assert.deepEqual(of("tool=2~bpo12+1"), ["lib=1", "tool=2~bpo12+1"]);
  assert.deepEqual(of("new"), ["lib=1", "new=1"]);
  assert.throws(() => of("tool/sid"), failing(/^tool has no version in sid$/));
});

test("essential packages, priorities, recommends, what is given and what is left out", () => {
  const pool = poolOf([
    record("base-files", { essential: true, priority: "required" }),
    record("tzdata", { priority: "required" }),
    record("app", { depends: "lib | other", recommends: "docs, gone, broken" }),
    record("broken", { depends: "lib, gone" }),
    record("lib", { depends: "libc" }),
    record("libc"),
    record("docs"),
    record("other"),
  ]);
  assert.deepEqual(names(pool, ["lib"], { essential: true }), ["base-files", "libc", "lib"]);
  assert.deepEqual(names(pool, [], { priorities: ["required"] }), ["base-files", "tzdata"]);
  assert.deepEqual(names(pool, ["app"], { recommends: true }), ["libc", "lib", "app", "docs"]);
  assert.deepEqual(names(pool, ["app"], { provided: ["libc"] }), ["lib", "app"]);
  assert.deepEqual(names(pool, ["app"], { without: ["lib"] }), ["other", "app"]);
  assert.throws(() => names(pool, ["lib"], { without: ["libc"] }), failing(/needs libc, but libc \(1\.0\) is left out/));
  const { reasons } = solve({ packages: ["app"], architecture: "amd64" }, pool, ["amd64"]);
  assert.deepEqual(
    [...reasons],
    [
      ["lib:amd64", "app:amd64"],
      ["libc:amd64", "lib:amd64"],
    ],
  );
});

test("D21: whatever the packages, a solution is whole and free of conflicts, and the same each time", () => {
  const name = fc.constantFrom("a", "b", "c", "d", "e", "f", "g");
  const group = fc.array(name, { minLength: 1, maxLength: 3 }).map((list) => list.join(" | "));
  const field = fc.array(group, { maxLength: 3 }).map((list) => list.join(", "));
  const fields = fc.record({ depends: field, conflicts: fc.option(name, { nil: "" }), provides: fc.constantFrom("", "", "v", "g (= 2)") });
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(name, fields), { selector: ([one]) => one }), name, (list, asked) => {
      const pool = poolOf(list.map(([one, more]) => record(one, more)));
      const once = attempt(() => solve({ packages: [asked], architecture: "amd64" }, pool, ["amd64"]).packages);
      assert.deepEqual(
        once,
        attempt(() => solve({ packages: [asked], architecture: "amd64" }, pool, ["amd64"]).packages),
      );
      if (typeof once === "string") return;
      const there = new Set(once.flatMap((one) => [one.name, ...pool.provides(one).map((provided) => provided.name)]));
      for (const one of once) {
        for (const each of one.depends.split(", ").filter(Boolean))
          assert.ok(
            each.split(" | ").some((wanted) => there.has(wanted)),
            each,
          );
        assert.ok(
          !once.some(
            (other) =>
              other.name !== one.name && (other.name === one.conflicts || pool.provides(other).some((p) => p.name === one.conflicts)),
          ),
        );
      }
    }),
    { numRuns: 500 },
  );
});

function attempt<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    assert.ok(error instanceof Failure);
    return error.message;
  }
}
