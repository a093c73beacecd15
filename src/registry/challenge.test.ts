import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readChallenges } from "./challenge.ts";

const plain = (header: string | undefined) =>
  readChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test("challenges are read as registries write them", () => {
  assert.deepEqual(plain(undefined), []);
  assert.deepEqual(plain('Basic realm="here"'), [["basic", { realm: "here" }]]);
  assert.deepEqual(plain('Bearer realm="https://a.example/token",service="a.example",scope="repository:x/y:pull,push"'), [
    ["bearer", { realm: "https://a.example/token", service: "a.example", scope: "repository:x/y:pull,push" }],
  ]);
  assert.deepEqual(plain('BEARER Realm = "a\\"b" , service=bare,scope="", error="insufficient_scope"'), [
    ["bearer", { realm: 'a"b', service: "bare", scope: "", error: "insufficient_scope" }],
  ]);
  assert.deepEqual(plain('Negotiate, Basic realm="x", Bearer realm="y"'), [
    ["negotiate", {}],
    ["basic", { realm: "x" }],
    ["bearer", { realm: "y" }],
  ]);
  // What stands twice counts once: the first time.
  assert.deepEqual(plain('Bearer realm="a",realm="b"'), [["bearer", { realm: "a" }]]);
  assert.deepEqual(plain("="), []);
  assert.deepEqual(plain(`Bearer realm="${"x".repeat(20_000)}"`), []);
});

test("any header is read in no time, and what was written is found", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 2_000 }), (text) => {
      const began = performance.now();
      readChallenges(text);
      assert.ok(performance.now() - began < 1_000);
    }),
    { numRuns: 500 },
  );
  const value = fc.string({ unit: fc.constantFrom(...'abc:/,= \\"'), maxLength: 30 });
  fc.assert(
    fc.property(value, value, (realm, scope) => {
      const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
      assert.deepEqual(plain(`Bearer realm=${quoted(realm)},scope=${quoted(scope)}`), [["bearer", { realm, scope }]]);
    }),
  );
});
