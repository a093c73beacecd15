import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { digestOf } from "../oci/digest.ts";
import { readContentRange, readRangeHeader } from "./range.ts";
import { Refusal } from "./refusal.ts";
import { routeOf } from "./route.ts";

const D = digestOf("x");
const refused = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code;

test("every address of the API, with names that look like parts of it", () => {
  assert.deepEqual(routeOf("/v2/"), { at: "base" });
  assert.deepEqual(routeOf("/v2/_catalog"), { at: "catalog" });
  assert.deepEqual(routeOf("/v2/a/b/tags/list"), { at: "tags", repository: "a/b" });
  assert.deepEqual(routeOf("/v2/tags/tags/list"), { at: "tags", repository: "tags" });
  assert.deepEqual(routeOf("/v2/blobs/uploads/manifests/list"), { at: "manifest", repository: "blobs/uploads", word: { tag: "list" } });
  assert.deepEqual(routeOf(`/v2/manifests/manifests/${D}`), { at: "manifest", repository: "manifests", word: { digest: D } });
  assert.deepEqual(routeOf(`/v2/a/blobs/${D.replace(":", "%3A")}`), { at: "blob", repository: "a", digest: D });
  assert.deepEqual(routeOf("/v2/a/blobs/uploads/"), { at: "uploads", repository: "a" });
  assert.deepEqual(routeOf(`/v2/a/blobs/uploads/${"0".repeat(32)}`), { at: "upload", repository: "a", session: "0".repeat(32) });
  assert.deepEqual(routeOf(`/v2/a/referrers/${D}`), { at: "referrers", repository: "a", digest: D });
  for (const none of ["/", "/v1/", "/v2/a", "/v2/a/b", "/v2/tags/list/x", ""]) assert.equal(routeOf(none), undefined, none);
});

test("names, tags, digests and sessions that are none are refused by their code", () => {
  assert.throws(() => routeOf("/v2/A/tags/list"), refused("NAME_INVALID"));
  assert.throws(() => routeOf("/v2/tags/list"), refused("NAME_INVALID"));
  assert.throws(() => routeOf(`/v2/${"a/".repeat(128)}b/tags/list`), refused("NAME_INVALID"));
  assert.throws(() => routeOf("/v2/a/manifests/-x"), refused("TAG_INVALID"));
  assert.throws(() => routeOf(`/v2/a/blobs/sha512:${"a".repeat(128)}`), refused("DIGEST_INVALID"));
  assert.equal(routeOf("/v2/a/blobs/uploads/../x"), undefined);
  assert.throws(() => routeOf("/v2/a/blobs/uploads/xyz"), refused("BLOB_UPLOAD_UNKNOWN"));
});

test("W05: whatever is asked for, a repository is a path inside, and never one of the registry's own files", () => {
  const piece = fc.constantFrom(
    "..",
    ".",
    "",
    "a",
    "_tags",
    "%2e%2e",
    "%2f",
    "\\",
    "\0",
    "uploads",
    "blobs",
    "manifests",
    "tags",
    "list",
    D,
    "é",
    "a.b",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 8 })), { maxLength: 8 }), (parts) => {
      let route: ReturnType<typeof routeOf>;
      try {
        route = routeOf(`/v2/${parts.join("/")}`);
      } catch (error) {
        assert.ok(error instanceof Refusal && error.status >= 400 && error.status < 500);
        return;
      }
      if (!route || !("repository" in route)) return;
      assert.equal(relative("/top", join("/top", route.repository)), route.repository);
      assert.ok(!route.repository.split("/").some((part) => part.startsWith("_") || part.startsWith(".")));
    }),
    { numRuns: 2_000 },
  );
});

test("ranges as RFC 9110 has them", () => {
  const of = (header: string, size = 100) => {
    const parts = readRangeHeader(header, size);
    return typeof parts !== "string" && parts.length === 1 ? parts[0] : parts;
  };
  assert.deepEqual(of("bytes=0-9"), { from: 0, to: 10 });
  assert.deepEqual(of("bytes=90-200"), { from: 90, to: 100 });
  assert.deepEqual(of("bytes=-5"), { from: 95, to: 100 });
  assert.deepEqual(of("bytes=-500"), { from: 0, to: 100 });
  assert.deepEqual(of("bytes=99-"), { from: 99, to: 100 });
  for (const none of ["bytes=100-", "bytes=100-200", "bytes=-0"]) assert.equal(of(none), "none", none);
  assert.equal(of("bytes=0-", 0), "none");
  assert.deepEqual(of("bytes=1-2, 50-59,-5,200-"), [
    { from: 1, to: 3 },
    { from: 50, to: 60 },
    { from: 95, to: 100 },
  ]);
  for (const whole of [
    "",
    "bytes=",
    "bytes=-",
    "bytes=9-1",
    "bytes=1-2,x",
    "bytes=0-,0-,0-",
    `bytes=${"0-0,".repeat(2_000)}0-0`,
    "lines=1-2",
    "bytes=a-b",
    `bytes=${"9".repeat(30)}-`,
  ])
    assert.equal(of(whole), "whole", whole);
  assert.deepEqual(readContentRange("0-99"), { first: 0, last: 99 });
  assert.deepEqual(readContentRange("bytes 5-9/10"), { first: 5, last: 9 });
  for (const none of ["9-0", "0-", "x", "bytes */10"]) assert.equal(readContentRange(none), undefined, none);
});
