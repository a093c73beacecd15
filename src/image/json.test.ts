import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cpuNow } from "../../test/cpu-now.ts";
import { LIMITS } from "../kit/limit.ts";
import { encodeJson, type JsonValue, parseJson } from "./json.ts";

const parse = (text: string | Buffer): JsonValue => parseJson(Buffer.from(text), "manifest.json");
const refused = (text: string | Buffer, why: RegExp, code = "MANIFEST") =>
  assert.throws(
    () => parse(text),
    (error: Error & { code?: string }) => {
      assert.equal(error.name, "Failure", error.stack);
      assert.equal(error.code, code);
      assert.match(error.message, /^manifest\.json: /);
      assert.match(error.message, why);
      return true;
    },
  );

test("what JSON.parse reads is read alike, and written back the same", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = JSON.stringify(value);
      if (!text.isWellFormed() || /\\ud[89a-f]/i.test(text) || /[.eE]|-0|\d{16}/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, ""))) return;
      assert.deepEqual(parse(text), JSON.parse(text));
      assert.deepEqual(JSON.parse(Buffer.from(encodeJson(parse(text))).toString()), JSON.parse(text));
    }),
  );
  assert.deepEqual(parse(' {"a" : [1 , -2,true,false,null,"\\u00e9\\n\\/"], "b":{ } } '), { a: [1, -2, true, false, null, "é\n/"], b: {} });
});

test("M04: a key twice in one object is refused, in different objects it is fine", () => {
  refused('{"a":1,"a":1}', /the key "a" a second time/);
  refused('{"a":1,"\\u0061":2}', /the key "a" a second time/);
  refused('{"x":{"__proto__":1,"__proto__":2}}', /a second time/);
  assert.deepEqual(parse('{"a":{"a":1}}'), { a: { a: 1 } });
});

test("M07: marks, junk after the end, NaN, cut text and broken text are refused with their place", () => {
  refused("\ufeff{}", /character 0: no value/);
  refused("{} x", /more text after the end/);
  refused("{}{}", /more text after the end/);
  refused('{\n"a":NaN}', /line 2, character 6: no value/);
  for (const text of [
    "",
    "{",
    "[",
    '"abc',
    '{"a"',
    '{"a":',
    "[1,",
    "tru",
    "-",
    "+1",
    "01",
    ".5",
    "1.",
    "[1 2]",
    "{a:1}",
    "{'a':1}",
    "[1,]",
    '{"a":1,}',
    "Infinity",
  ])
    refused(text, /not valid JSON/);
  refused('"\t"', /a control character/);
  refused('"\\x41"', /escape that JSON does not have/);
  refused('"\\u12g4"', /four hex digits/);
  refused('"\\ud800"', /lone surrogate/);
  refused(Buffer.from([0x22, 0xff, 0x22]), /not UTF-8/);
});

test("M07: nesting is bounded, and deep documents end at once", () => {
  const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  assert.doesNotThrow(() => parse(deep(LIMITS.jsonDepth)));
  refused(deep(LIMITS.jsonDepth + 2), /nested deeper than 128/, "LIMIT");
  refused(deep(100_000), /nested deeper than 128/, "LIMIT");
  refused('{"a":'.repeat(100_000), /nested deeper than 128/, "LIMIT");
});

test("M07: documents of many megabytes are read in well under a second", () => {
  const list = JSON.stringify(Array.from({ length: 60_000 }, (_, at) => ({ digest: `sha256:${at}`, size: at, note: "some \\n text" })));
  const before = cpuNow();
  parse(list);
  refused(`"${"x".repeat(4 << 20)}`, /too early/);
  assert.ok(cpuNow() - before < 1_500);
});

test("__proto__ and constructor are keys like any other", () => {
  const value = parse('{"__proto__":{"admin":true},"constructor":1}') as Record<string, unknown>;
  assert.deepEqual(Object.keys(value), ["__proto__", "constructor"]);
  assert.equal(value["admin"], undefined);
  assert.equal(({} as Record<string, unknown>)["admin"], undefined);
});

test("numbers that are not whole and exact keep their text", () => {
  for (const text of ["1.0", "1e3", "-0", "9007199254740993", "1e400", "0.1"]) {
    assert.notEqual(typeof parse(text), "number", text);
    assert.equal(Buffer.from(encodeJson(parse(text))).toString(), text);
  }
  assert.equal(parse("9007199254740991"), Number.MAX_SAFE_INTEGER);
});

test("writing is Go's way", () => {
  assert.equal(
    Buffer.from(encodeJson({ a: "<&>\u2028é\b\u0001", b: undefined, c: [undefined] })).toString(),
    '{"a":"\\u003c\\u0026\\u003e\\u2028é\\b\\u0001","c":[null]}',
  );
  assert.equal(
    Buffer.from(
      encodeJson(
        new Map([
          ["b", 1],
          ["10", 2],
        ]),
      ),
    ).toString(),
    '{"b":1,"10":2}',
  );
});
