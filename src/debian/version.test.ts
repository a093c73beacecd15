import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { compareVersions, isVersion, satisfies } from "./version.ts";

/** Pairs in ascending order. */
const ASCENDING: readonly (readonly [string, string])[] = [
  ["1.0", "1.1"],
  ["9", "10"],
  ["1.0~rc1", "1.0"],
  ["1.0~~", "1.0~"],
  ["1.0~rc1-1", "1.0~rc2-0"],
  ["1.0", "1.0a"],
  ["1.0a", "1.0+b1"],
  ["1.0-1", "1.0-1+b1"],
  ["1.0-1+b9", "1.0-1+b10"],
  ["2.0", "1:0.1"],
  ["1:9", "10:1"],
  ["1.0-1~deb12u1", "1.0-1"],
  ["1.0-1~bpo12+1", "1.0-1~deb12u1"],
  ["1.0-0", "1.0-0.1"],
  ["1", "1-1"],
  ["99999999999999999998", "99999999999999999999"],
  ["1.2-a", "1.2.a"],
  ["Z", "a"],
  ["1.2-3-1", "1.2-4-0"],
];

const versions = fc
  .tuple(
    fc.option(fc.nat(3), { nil: undefined }),
    fc.nat(12),
    fc.stringMatching(/^[a-c0-2.+~-]{0,5}$/),
    fc.option(fc.stringMatching(/^[ab01+.~]{1,3}$/), { nil: undefined }),
  )
  .map(([epoch, first, rest, revision]) => `${epoch === undefined ? "" : `${epoch}:`}${first}${rest}${revision ? `-${revision}` : ""}`)
  .filter(isVersion);

test("D22: epochs, tildes, binary rebuilds, long digits, letters against signs", () => {
  for (const [older, newer] of ASCENDING) {
    assert.ok(compareVersions(older, newer) < 0, `${older} < ${newer}`);
    assert.ok(compareVersions(newer, older) > 0, `${newer} > ${older}`);
  }
  for (const [a, b] of [
    ["1.0", "0:1.0"],
    ["1.0", "1.0-0"],
    ["1.00", "1.0"],
    ["1.0-01", "1.0-1"],
    ["007", "7"],
  ] as const)
    assert.ok(compareVersions(a, b) === 0, `${a} = ${b}`);
});

test("the order is total: reflexive, antisymmetric, transitive", () => {
  fc.assert(
    fc.property(versions, versions, versions, (a, b, c) => {
      assert.equal(compareVersions(a, a), 0);
      assert.equal(Math.sign(compareVersions(a, b)), -Math.sign(compareVersions(b, a)) + 0);
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) assert.ok(compareVersions(a, c) <= 0);
    }),
    { numRuns: 3000 },
  );
});

test("relations", () => {
  assert.ok(satisfies("1.2", ">=", "1.2-0"));
  assert.ok(satisfies("1.2", "<=", "1.2"));
  assert.ok(!satisfies("1.2", ">>", "1.2"));
  assert.ok(satisfies("1.1", "<<", "1.2"));
  assert.ok(satisfies("0:1.2", "=", "1.2"));
});

test("what is no version", () => {
  for (const text of ["", "-1", "1_2", "1 2", "1:", "a:1", "1.0-", "1\n", "ä", `1${"0".repeat(600)}`]) assert.ok(!isVersion(text), text);
  for (const text of ["1", "2:1.0-1", "1.0+dfsg-1~deb12u1+b1", "20230311+deb12u1"]) assert.ok(isVersion(text), text);
});

test("D22: as dpkg --compare-versions says", { skip: dpkgMissing() }, () => {
  const random = fc.sample(fc.tuple(versions, versions), { numRuns: 300, seed: 7 });
  const pairs = [...ASCENDING, ...random];
  const script = pairs
    .map(
      ([a, b]) =>
        `if dpkg --compare-versions '${a}' lt '${b}'; then echo lt; elif dpkg --compare-versions '${a}' eq '${b}'; then echo eq; else echo gt; fi`,
    )
    .join("\n");
  const { stdout } = spawnSync("sh", ["-c", script], { encoding: "utf8", timeout: 60_000 });
  const answers = stdout.trim().split("\n");
  pairs.forEach(([a, b], n) => {
    const order = compareVersions(a, b);
    assert.equal(order < 0 ? "lt" : order > 0 ? "gt" : "eq", answers[n], `${a} ${b}`);
  });
});

function dpkgMissing(): string | false {
  return spawnSync("dpkg", ["--version"]).status === 0 ? false : "dpkg is not installed";
}
