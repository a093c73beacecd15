import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultStoreDir } from "./where.ts";

test("the store's place: NOUGHT_STORE, then XDG_DATA_HOME, then HOME", () => {
  const HOME = "/home/ann";
  assert.equal(defaultStoreDir({ HOME, XDG_DATA_HOME: "/data", NOUGHT_STORE: "/s" }), "/s");
  assert.equal(defaultStoreDir({ HOME, XDG_DATA_HOME: "/data" }), "/data/nought");
  assert.equal(defaultStoreDir({ HOME }), "/home/ann/.local/share/nought");
  assert.equal(defaultStoreDir({ HOME, XDG_DATA_HOME: "relative", NOUGHT_STORE: "" }), "/home/ann/.local/share/nought");
  assert.equal(defaultStoreDir({ NOUGHT_STORE: "a/b" }), `${process.cwd()}/a/b`);
});

test("S10: without HOME the message names the variables", () => {
  for (const env of [{}, { HOME: "" }, { HOME: "relative" }])
    assert.throws(() => defaultStoreDir(env), { code: "STORAGE", exit: 7, message: /HOME is not/, hint: /NOUGHT_STORE/ });
});
