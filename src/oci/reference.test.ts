import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { familiarName, formatReference, parseNewName, parseReference, withDefaultTag } from "./reference.ts";

const HEX = "a".repeat(64);
const x = (count: number) => "x".repeat(count);

/** Names and how docker 28.5.2 lists the image after `docker tag IMAGE NAME`. */
const GOOD: readonly (readonly [string, string])[] = [
  ["a", "a:latest"],
  ["a:b", "a:b"],
  [`x/${HEX}`, `x/${HEX}:latest`],
  ["a--b", "a--b:latest"],
  ["a---b", "a---b:latest"],
  ["a__b", "a__b:latest"],
  ["a_b", "a_b:latest"],
  ["a.b", "a.b:latest"],
  ["[::1]:5000/x", "[::1]:5000/x:latest"],
  ["[::1]/x", "[::1]/x:latest"],
  ["h:65535/x", "h:65535/x:latest"],
  ["localhost/x", "localhost/x:latest"],
  ["localhost:5000/x", "localhost:5000/x:latest"],
  ["LOCALHOST/x", "LOCALHOST/x:latest"],
  ["Host/x", "Host/x:latest"],
  ["Host.com/x", "Host.com/x:latest"],
  ["host.com:80/x:t", "host.com:80/x:t"],
  [`a:${"t".repeat(128)}`, `a:${"t".repeat(128)}`],
  ["a:_t", "a:_t"],
  ["a:T.t-t_", "a:T.t-t_"],
  [`y/${x(253)}`, `y/${x(253)}:latest`],
  [`h.io/${x(251)}`, `h.io/${x(251)}:latest`],
  ["index.docker.io/a", "a:latest"],
  ["index.docker.io/library/a", "a:latest"],
  ["docker.io/a", "a:latest"],
  ["docker.io/library/a", "a:latest"],
  ["docker.io/b/a", "b/a:latest"],
  ["registry-1.docker.io/a", "registry-1.docker.io/a:latest"],
  ["library/a", "a:latest"],
  ["library/b/a", "library/b/a:latest"],
  ["a/b/c/d", "a/b/c/d:latest"],
  ["a:5000", "a:5000"],
  ["a:5000/b", "a:5000/b:latest"],
  ["a.b/c", "a.b/c:latest"],
  ["a_b/c", "a_b/c:latest"],
  ["h.io/scratch", "h.io/scratch:latest"],
  ["a/scratch", "a/scratch:latest"],
  ["1", "1:latest"],
  ["1.2", "1.2:latest"],
  ["true", "true:latest"],
  ["latest", "latest:latest"],
  ["123:456/x", "123:456/x:latest"],
  ["xn--a.io/b", "xn--a.io/b:latest"],
];

for (const [text, expected] of GOOD) {
  test(`P16: ${text.slice(0, 60)} is ${expected.slice(0, 60)}`, () => {
    const name = parseNewName(text);
    assert.equal(familiarName(name), expected);
    assert.deepEqual(parseReference(formatReference(name)), name, "the full form reads back");
    assert.deepEqual(withDefaultTag(parseReference(familiarName(name))), name, "the familiar form reads back");
  });
}

/** Refused by docker too. */
const BAD = [
  ["A", "a//b", "a/", "/a", "a:", "a:b:c", "a@sha256:zz", `a@sha256:${"A".repeat(64)}`, `a@md5:${"a".repeat(32)}`, HEX, "../x", "a/../b"],
  [
    "./a",
    "-a",
    "a-",
    "a___b",
    "_a",
    "a_",
    "a._b",
    "a..b",
    "a.-b",
    ".a",
    "a.",
    "[::1]x/y",
    "[fe80::1%25eth0]:5000/x",
    "::1/x",
    "host.com/X",
  ],
  ["a b", " a", "a ", "a\tb", "a\nb", "", "http://a/b", "docker://a", `a:${"t".repeat(129)}`, "a:.t", "a:-t", "a:tä", "ä", x(255), x(256)],
  [
    `y/${x(254)}`,
    "a-.b/c",
    "-h.io/a",
    "h-.io/a",
    "h..io/a",
    ".h/a",
    "h./a",
    "h.:5/a",
    "user@host/a",
    "a@b",
    "a@",
    `@sha256:${HEX}`,
    "a:t@",
  ],
  ["a%2fb", "a\\b", "a?b", "a#b", "a=b", "a+b", "a~b", "a*b", "*", "SCRATCH", "[::1]", "a:t/b", "a/b:t/c", `sha256:${HEX}`],
  // Digests name, they cannot be given.
  [`a@sha256:${HEX}`, `a:t@sha256:${HEX}`, `a@sha512:${"a".repeat(128)}`],
  // Docker takes these for names and fails later, or never finds the host.
  ["127.0.0.1:99999/x", "h:0/x", "h:65536/x", "h:123456/x", "h_i.io/a"],
  // Characters that mean something to a terminal or a file system.
  ["\u001b[31m", "a\u0000b", "a/\u202eb", x(300_000)],
].flat();

for (const text of BAD) {
  test(`P16: ${JSON.stringify(text.slice(0, 60))} is no name`, () => {
    assert.throws(
      () => parseNewName(text),
      (error) =>
        error instanceof Failure && error.code === "REFERENCE" && error.exit === 2 && /^[\u0020-\u007e\u00a1-\uffff]*$/.test(error.message),
    );
  });
}

test("P16: scratch is reserved in every spelling, and only as itself", () => {
  for (const text of [
    "scratch",
    "scratch:x",
    "library/scratch",
    "docker.io/scratch",
    "index.docker.io/library/scratch",
    `scratch@sha256:${HEX}`,
  ]) {
    assert.throws(() => parseReference(text), { code: "RESERVED", message: "'scratch' is a reserved name" });
  }
});

test("a digest stays with its name", () => {
  const name = parseReference(`alpine:3@sha256:${HEX}`);
  assert.equal(formatReference(name), `docker.io/library/alpine:3@sha256:${HEX}`);
  assert.deepEqual(withDefaultTag(parseReference(`alpine@sha256:${HEX}`)).tag, undefined);
});
