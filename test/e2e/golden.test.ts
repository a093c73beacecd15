/** Every golden case, built by nought and compared with what docker gave for it when it was recorded. Needs no docker. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { allCases, expectedOf } from "../golden/case.ts";
import { check } from "../golden/check.ts";
import { compare } from "../golden/compare.ts";
import type { Picture } from "../golden/image.ts";
import { KNOWN } from "../golden/known.ts";
import { buildWithNought, noughtCommand } from "../golden/nought.ts";

const command = await noughtCommand();
const cases = allCases();

describe("golden builds", { concurrency: 2 }, () => {
  for (const one of cases) {
    const expected = expectedOf(one);
    test(`golden: ${one.name}`, { skip: expected ? false : `not recorded: it needs docker with ${one.args.needs}` }, async () => {
      if (expected) check(one, expected, await buildWithNought(one, command));
    });
  }
});

test("the comparator sees a difference in every field", () => {
  const file = { type: "file", mode: "0644", uid: 0, gid: 0, size: 1, sha256: "a", mtime: 5 };
  const one: Picture = {
    tree: { "/a": file },
    layers: [["/a"]],
    config: { os: "linux", config: { Env: ["A=1"] } },
    history: [{ created_by: "x" }],
  };
  assert.deepEqual(compare(one, one), []);
  const others: Picture[] = [
    { ...one, tree: {} },
    ...Object.entries({ mode: "0600", uid: 1, gid: 1, size: 2, sha256: "b", mtime: 6, same: "/b", xattrs: { u: "1" } }).map(
      ([key, value]) => ({
        ...one,
        tree: { "/a": { ...file, [key]: value } },
      }),
    ),
    { ...one, layers: [] },
    { ...one, layers: [["/a", "/b"]] },
    { ...one, layers: [["/a/b"]] },
    { ...one, config: { config: { Env: ["A=1"] }, os: "linux" } },
    { ...one, config: { os: "linux", config: {} } },
    { ...one, history: [] },
  ];
  for (const other of others) assert.notDeepEqual(compare(one, other), [], JSON.stringify(other));
});

test("the table of known differences names cases that exist", () => {
  const names = new Set(cases.map((one) => one.name));
  assert.deepEqual(
    KNOWN.filter((known) => !names.has(known.name)),
    [],
  );
});
