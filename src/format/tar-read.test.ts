import assert from "node:assert/strict";
import { test } from "node:test";
import { END, long, member, pax, paxRecord, pieces, tar } from "../../test/craft-tar.ts";
import { decodeName } from "../kit/bytes.ts";
import { LIMITS } from "../kit/limit.ts";
import type { TarMember } from "./tar-member.ts";
import { readTar, TarParser } from "./tar-read.ts";

type Read = TarMember & { readonly content: string };

function read(bytes: Buffer, chunk = bytes.length): Read[] {
  const list: { member: TarMember; content: Buffer[] }[] = [];
  const parser = new TarParser({
    member: (one) => list.push({ member: one, content: [] }),
    data: (piece) => list[list.length - 1]?.content.push(Buffer.from(piece)),
  });
  for (let at = 0; at < bytes.length; at += chunk) parser.push(bytes.subarray(at, at + chunk));
  parser.end();
  return list.map((one) => ({ ...one.member, content: Buffer.concat(one.content).toString("latin1") }));
}

const names = (bytes: Buffer) => read(bytes).map((one) => one.path);
const first = (bytes: Buffer): Read => {
  const all = read(bytes);
  assert.equal(all.length, 1);
  return all[0] as Read;
};
const refused = (bytes: Buffer, why: RegExp, code = "TAR") =>
  assert.throws(
    () => read(bytes),
    (error: Error & { code?: string }) => {
      assert.equal(error.name, "Failure", error.stack);
      assert.equal(error.code, code);
      assert.match(error.message, why);
      return true;
    },
  );

test("a member of each type comes with its facts and its place", () => {
  const archive = tar(
    { name: "dir/", flag: "5", mode: 0o1755 },
    { name: "dir/file", body: "hello", mode: 0o4711, uid: 1_000, gid: 100, mtime: 12 },
    { name: "dir/soft", flag: "2", link: "../else" },
    { name: "dir/hard", flag: "1", link: "dir/file" },
    { name: "null", flag: "3", major: 1, minor: 3 },
    { name: "disk", flag: "4", major: 4_095, minor: 1_048_575 },
    { name: "pipe", flag: "6" },
    { name: "contiguous", flag: "7", body: "x" },
  );
  assert.deepEqual(
    read(archive).map((one) => [one.type, one.path, one.link, one.mode, one.size, one.content, one.offset]),
    [
      ["dir", "dir/", "", 0o1755, 0, "", 512],
      ["file", "dir/file", "", 0o4711, 5, "hello", 1_024],
      ["symlink", "dir/soft", "../else", 0o644, 0, "", 2_048],
      ["hardlink", "dir/hard", "dir/file", 0o644, 0, "", 2_560],
      ["char", "null", "", 0o644, 0, "", 3_072],
      ["block", "disk", "", 0o644, 0, "", 3_584],
      ["fifo", "pipe", "", 0o644, 0, "", 4_096],
      ["file", "contiguous", "", 0o644, 1, "x", 4_608],
    ],
  );
  const [, file, , , char, block] = read(archive);
  assert.deepEqual([file?.uid, file?.gid, file?.mtime, char?.major, char?.minor, block?.minor], [1_000, 100, 12, 1, 3, 1_048_575]);
});

test("the pieces in which an archive comes do not matter", () => {
  const archive = Buffer.concat([
    tar(pax({ path: "é/long", "SCHILY.xattr.user.k": Buffer.from([0, 1]) }), { body: "a".repeat(1_500) }, long("n".repeat(200)), {
      body: "b".repeat(512),
    }),
    Buffer.from("left over"),
  ]);
  const whole = read(archive);
  assert.deepEqual(
    whole.map((one) => [one.path, one.content.length]),
    [
      ["é/long", 1_500],
      ["n".repeat(200), 512],
    ],
  );
  for (const size of [1, 7, 511, 512, 513, 1_000]) assert.deepEqual(read(archive, size), whole, `pieces of ${size}`);
});

test("the stream form gives the same, member by member", async () => {
  const seen: string[] = [];
  for await (const part of readTar(pieces(tar({ name: "a", body: "12345" }, { name: "b" }), 600))) {
    seen.push(part.member ? part.member.path : part.data.toString());
  }
  assert.deepEqual(seen, ["a", "12345", "b"]);
});

test("an archive made by ustar, GNU and V7 writers: prefix, no prefix, and no magic", () => {
  assert.equal(first(tar({ name: "name", prefix: "some/prefix" })).path, "some/prefix/name");
  assert.equal(first(tar({ name: "name", magic: "gnu", prefix: "12345670123" })).path, "name", "GNU keeps times there");
  assert.equal(first(tar({ name: "name", magic: "v7", flag: "\0", body: "x" })).type, "file");
  assert.equal(first(tar({ name: "x".repeat(100), link: "" })).path.length, 100);
});

test("names that are not UTF-8 keep their bytes", () => {
  const raw = Buffer.from([0x66, 0xff, 0xfe]);
  assert.equal(first(tar({ name: raw })).path, decodeName(raw));
  assert.equal(first(tar(pax({ path: raw }), {})).path, decodeName(raw));
});

test("numbers in base-256, positive and negative", () => {
  const big = Buffer.from([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
  const before = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);
  const entry = first(tar({ uid: big, mtime: before }));
  assert.deepEqual([entry.uid, entry.mtime], [2 ** 32 - 1, -2]);
});

test("T15: sizes that are blank, garbage, negative, too large or larger than the rest are refused with the offset", () => {
  const at = member({ name: "ok" });
  for (const size of [
    "            ",
    "99999999999",
    "12x",
    "-1",
    Buffer.alloc(12),
    Buffer.from([0x80, ...Buffer.alloc(3), 0x80, ...Buffer.alloc(7)]),
    Buffer.alloc(12, 0xff),
  ]) {
    refused(tar(at, { name: "bad", size }), /^tar archive, byte 512: bad: the size is not a number$/);
  }
  refused(tar({ size: "77777777777" }), /ends in the middle of a member/);
});

test("T16: PAX records that are malformed are refused, never passed over", () => {
  const header = (body: string | Buffer) => tar(member({ flag: "x", body }), { name: "f" });
  refused(header("8 path=x\n"), /length of a PAX record is wrong/);
  refused(header("12 path=x\n"), /length of a PAX record is wrong/);
  refused(header("path=x\n"), /does not begin with its length/);
  refused(header("010 path=x\n"), /does not begin with its length/);
  refused(header("99999999999 path=x\n"), /does not begin with its length/);
  refused(header("7 =xyz\n"), /no key/);
  refused(header("8 abcde\n"), /no key/);
  refused(header("10 path=x\n\0\0"), /does not begin with its length/);
  for (const value of ["-1", "1e9", "0x10", " 5", "9".repeat(16), "1.5"])
    refused(tar(pax({ size: value }), {}), /PAX record size: not a number/);
  for (const value of ["1e300", "1".repeat(17), "12,5", "nan"]) refused(tar(pax({ mtime: value }), {}), /PAX record mtime/);
  refused(tar(pax({ path: "a\0b" }), {}), /PAX record path: the value holds a zero byte/);
  refused(tar(pax({ "SCHILY.xattr.": "x" }), {}), /no name/);
  refused(tar(pax({ path: "a" }), pax({ path: "b" }), {}), /two PAX headers/);
  refused(tar(pax({ path: "a" })), /followed by the end/);
  refused(pax({ path: "a" }), /ends after a record/);
  refused(tar(member({ flag: "x", size: 100 << 20 })), /104857600 bytes.*1048576 is the limit/, "LIMIT");
});

test("T16 ✚: PAX as it should be: numbers as names, unknown keys, global headers, the last record of a key", () => {
  assert.equal(first(tar(pax({ path: "12345" }), {})).path, "12345");
  assert.equal(first(tar(pax({ "VENDOR.thing": "x=y\n", comment: "" }), { name: "f" })).path, "f");
  assert.equal(first(tar(pax({ comment: "0123abc" }, "g"), { name: "f" })).path, "f");
  assert.equal(first(tar(pax({ mtime: "5.5", uid: "7" }, "g"), pax({ uid: "8" }), {})).mtime, 5.5);
  assert.equal(first(tar(pax({ uid: "7" }, "g"), pax({ uid: "8" }), {})).uid, 8);
  assert.equal(first(tar(member({ flag: "x", body: Buffer.concat([paxRecord("path", "a"), paxRecord("path", "b")]) }), {})).path, "b");
  assert.equal(
    first(tar(member({ flag: "x", body: Buffer.concat([paxRecord("path", "a"), paxRecord("path", "")]) }), { name: "h" })).path,
    "h",
  );
  const entry = first(
    tar(
      pax({ mtime: "1700000000.123456789", uid: "4294967295", size: "3", "SCHILY.xattr.security.capability": Buffer.from([1, 0, 0, 2]) }),
      { body: "abc", size: 0 },
    ),
  );
  assert.deepEqual([entry.mtime, entry.uid, entry.content], [Number("1700000000.123456789"), 2 ** 32 - 1, "abc"]);
  assert.deepEqual([...(entry.xattrs?.get("security.capability") ?? [])], [1, 0, 0, 2]);
  assert.equal(names(tar(pax({ comment: "a" }, "g"), {}, pax({ comment: "b" }, "g"), {})).length, 2);
  refused(tar(pax({ uid: "7" }, "g"), {}, pax({ comment: "b" }, "g"), {}), /a second global PAX header/);
  refused(tar(pax({ path: "all" }, "g"), {}), /global PAX header gives every member the same name/);
});

test("T17: GNU long names that are huge, doubled, lead nowhere or contradict PAX are refused", () => {
  refused(tar(member({ flag: "L", size: 10 << 20 })), /1048576 is the limit/, "LIMIT");
  refused(tar(long("a"), long("b"), {}), /two GNU long names/);
  refused(tar(long("a")), /followed by the end/);
  refused(long("a"), /ends after a record/);
  refused(tar(long("a"), pax({ path: "b" }), {}), /PAX and GNU records name it differently/);
  refused(tar(long("a".repeat(300)), {}), /255 is the limit/);
  refused(tar(member({ flag: "L", size: 4, body: "nameandmore" }), {}), /goes on after its size/);
  assert.equal(first(tar(member({ flag: "L", body: "name" }), {})).path, "name", "without a zero at its end");
});

test("T17 ✚: long names and long links, together and with PAX that says other things", () => {
  const path = `${"d".repeat(120)}/${"f".repeat(120)}`;
  const entry = first(tar(long(path), long("t".repeat(150), "K"), pax({ mtime: "3" }), { flag: "2", link: "short" }));
  assert.deepEqual([entry.path, entry.link, entry.mtime], [path, "t".repeat(150), 3]);
});

test("T18: sparse files are refused by name", () => {
  refused(tar({ name: "hole", flag: "S", magic: "gnu" }), /hole: sparse files are not supported/);
  refused(
    tar(pax({ "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1099511627776" }), { name: "hole" }),
    /sparse/,
  );
});

test("T19: wrong checksums and archives cut anywhere but between members are refused", () => {
  refused(tar({ name: "a" }, { name: "b", checksum: "0000000\0" }), /byte 512: the header's checksum is wrong/);
  refused(tar({ checksum: "        " }), /not a tar archive, or its first header is damaged/);
  refused(Buffer.from("x".repeat(2_000)), /not a tar archive/);
  const archive = tar({ name: "a", body: "x".repeat(600) });
  for (const cut of [1, 100, 511, 513, 1_100, 1_535]) refused(archive.subarray(0, cut), /ends in the middle of a member/);
  refused(Buffer.concat([member({ name: "a" }), Buffer.alloc(512), member({ name: "b" }), END]), /single zero block/);
});

test("T19 ✚: no end, half an end, and anything after the end are accepted; so is an empty archive", () => {
  const one = member({ name: "a", body: "x" });
  assert.deepEqual(names(one), ["a"]);
  assert.deepEqual(names(Buffer.concat([one, Buffer.alloc(512)])), ["a"]);
  assert.deepEqual(names(Buffer.concat([one, END, member({ name: "hidden" }), Buffer.from("junk")])), ["a"]);
  assert.deepEqual(names(Buffer.alloc(0)), []);
  assert.deepEqual(names(END), []);
});

test("T20: types that we do not know are refused, never taken for files", () => {
  for (const flag of ["8", "9", "A", "D", "M", "N", "V", "X", "Z", "\x7f"]) refused(tar({ flag }), /member type .* is not supported/);
});

test("T20: a header of no known form is refused", () => {
  const odd = member({ name: "a" });
  odd[262] = 0x43;
  let sum = 8 * 32;
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += odd[at] as number;
  odd.write(sum.toString(8).padStart(6, "0"), 148);
  refused(tar(odd), /neither ustar nor GNU nor V7/);
});

test("T20 ✚: V7 archives, with a slash for directories", () => {
  const entries = read(tar({ name: "old/", flag: "\0", magic: "v7" }, { name: "old/f", flag: "\0", magic: "v7", body: "x" }));
  assert.deepEqual(
    entries.map((one) => one.type),
    ["dir", "file"],
  );
});

test("T08: device numbers out of range, and content where there can be none, are refused", () => {
  refused(tar({ flag: "3", major: 4_096 }), /device number is out of range/);
  refused(tar({ flag: "4", minor: 1_048_576 }), /device number is out of range/);
  refused(tar({ flag: "3", major: "garbage" }), /device number is not a number/);
  refused(tar({ flag: "3", major: "        " }), /a device without a number/);
  for (const flag of ["2", "3", "4", "5", "6"]) refused(tar({ flag, body: "x", link: "y" }), /with 1 bytes of content/);
  assert.equal(first(tar({ flag: "1", size: 5, link: "y" })).size, 0, "a hard link may repeat the size of its file");
});

test("T28: owners and times that are no numbers, or no owners, are refused; odd times are told", () => {
  refused(tar({ uid: Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 0]) }), /owner's number is out of range/);
  refused(tar(pax({ gid: "4294967296" }), {}), /owner's number is out of range/);
  refused(tar({ uid: "garbage" }), /mode or owner is not a number/);
  refused(tar({ mtime: "garbage" }), /time is not a number/);
  refused(tar({ mtime: Buffer.from([0x80, 0xff, ...Buffer.alloc(10, 0xff)]) }), /time is not a number/);
  assert.equal(first(tar(pax({ mtime: "-1.5" }), {})).mtime, -1.5);
  assert.equal(first(tar({ mtime: Buffer.from([0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]) })).mtime, 2 ** 40);
  assert.equal(first(tar({ uid: Buffer.alloc(8), mode: "", mtime: " \0" })).uid, 0, "empty is zero");
});

test("T27, T30: names that are empty or longer than Linux allows, and files that end in a slash, are refused", () => {
  refused(tar({ name: "" }), /the name is empty/);
  refused(tar({ flag: "2", link: "" }), /the link target is empty/);
  refused(tar({ flag: "1", link: "" }), /the link target is empty/);
  refused(tar(pax({ linkpath: "x/".repeat(2_500) }), { flag: "2" }), /link target is 5000 bytes long; 4096 is the limit/);
  refused(tar(pax({ path: "d/".repeat(2_500) }), { flag: "5" }), /name is 5000 bytes long/);
  refused(tar(pax({ path: "é".repeat(128) }), {}), /a part of the name is 256 bytes long; 255 is the limit/);
  refused(tar({ name: "file/" }), /name ends with a slash/);
  assert.equal(first(tar(pax({ path: `${"d/".repeat(2_000)}${"f".repeat(96)}` }), {})).path.length, LIMITS.pathBytes);
  assert.equal(first(tar(pax({ path: "f".repeat(255) }), {})).path.length, 255);
});

test("T27: the number of members and the size of their records are bounded, and the bound itself is accepted", () => {
  const archive = tar({ name: "a" }, { name: "b" }, { name: "c" });
  const parse = (most: number) => new TarParser({ member: () => {}, data: () => {} }, "layer", most).push(archive);
  assert.doesNotThrow(() => parse(3));
  assert.throws(() => parse(2), { code: "LIMIT", message: "layer: more than 2 members" });
  const record = paxRecord("comment", "x".repeat(LIMITS.tarMetadataBytes - 17));
  assert.equal(record.length, LIMITS.tarMetadataBytes);
  assert.deepEqual(names(tar(member({ flag: "x", body: record }), { name: "f" })), ["f"]);
  refused(tar(member({ flag: "x", body: Buffer.concat([record, Buffer.from("x")]) }), {}), /1048577 bytes/, "LIMIT");
});

test("a name from outside is escaped in messages", () => {
  refused(tar({ name: "a\x1b[31m", flag: "S" }), /a\\x1b\[31m: sparse/);
});
