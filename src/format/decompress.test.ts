import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import { member, pieces, tar } from "../../test/craft-tar.ts";
import { decompress } from "./decompress.ts";
import { detect, foreignKind } from "./detect.ts";

const text = Buffer.from(Array.from({ length: 40_000 }, (_, at) => `line ${(at * 7919) % 1_000}\n`).join(""));

async function unpack(bytes: Buffer, size = 65_536, bounds?: { bytes?: number; ratio?: number }): Promise<Buffer> {
  const { bytes: unpacked } = await decompress(pieces(bytes, size), bounds);
  const parts: Buffer[] = [];
  for await (const part of unpacked) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

const refused = (bytes: Buffer, why: RegExp, code = "COMPRESSION", size?: number) =>
  assert.rejects(unpack(bytes, size), (error: Error & { code?: string }) => {
    assert.equal(error.name, "Failure", error.stack);
    assert.equal(error.code, code);
    assert.match(error.message, why);
    return true;
  });

function tool(name: string, bytes: Buffer, ...flags: string[]): Buffer | undefined {
  try {
    return execFileSync(name, [...flags, "-c"], { input: bytes, maxBuffer: 1 << 28, stdio: ["pipe", "pipe", "ignore"] });
  } catch {
    return undefined;
  }
}

test("the first bytes tell the kind", () => {
  const kinds: [Buffer, string][] = [
    [gzipSync("x"), "gzip"],
    [zstdCompressSync("x"), "zstd"],
    [Buffer.from([0x53, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]), "zstd"],
    [Buffer.from("\xfd7zXZ\0", "latin1"), "xz"],
    [Buffer.from("BZh9"), "bzip2"],
    [Buffer.from("BZh0"), "other"],
    [tar({ name: "a" }), "tar"],
    [member({ magic: "v7", flag: "\0" }), "tar"],
    [Buffer.alloc(1_024), "other"],
    [Buffer.alloc(0), "other"],
    [Buffer.from([0x1f]), "other"],
  ];
  for (const [bytes, kind] of kinds) assert.equal(detect(bytes), kind, bytes.toString("hex", 0, 8));
});

test("T24: a compression that we do not read is named", () => {
  assert.equal(foreignKind(Buffer.from("04224d18", "hex")), "lz4");
  assert.equal(foreignKind(Buffer.from("5d00008000", "hex")), "lzma");
  assert.equal(foreignKind(Buffer.from("PK\x03\x04")), "zip");
  assert.equal(foreignKind(Buffer.from("hello")), undefined);
});

test("a plain stream passes as it is, in whatever pieces it comes", async () => {
  for (const size of [1, 100, 512, 70_000]) assert.deepEqual(await unpack(text.subarray(0, 3_000), size), text.subarray(0, 3_000));
  assert.deepEqual(await unpack(Buffer.alloc(0)), Buffer.alloc(0));
});

test("T21 ✚: gzip with several members, with padding of zeros, in any pieces", async () => {
  const one = gzipSync(text.subarray(0, 5_000));
  const two = gzipSync(text.subarray(5_000, 20_000));
  const whole = text.subarray(0, 20_000);
  const joined = Buffer.concat([one, two]);
  for (const size of [1, 17, one.length, one.length + 1, 65_536]) {
    assert.deepEqual(await unpack(joined, size), whole, `pieces of ${size}`);
    assert.deepEqual(await unpack(Buffer.concat([joined, Buffer.alloc(700)]), size), whole, `padded, pieces of ${size}`);
  }
  assert.deepEqual(await unpack(gzipSync("")), Buffer.alloc(0));
});

test("T21: gzip that is cut, damaged, or followed by other bytes is refused", async () => {
  const one = gzipSync(text.subarray(0, 5_000));
  for (let cut = 2; cut < one.length; cut += 41) await refused(one.subarray(0, cut), /gzip stream: it ends too early/);
  for (let cut = 2; cut < 30; cut++) await refused(Buffer.concat([one, one.subarray(0, cut)]), /gzip stream/, "COMPRESSION", one.length);
  await refused(Buffer.concat([one, one.subarray(0, 1)]), /gzip stream/);
  for (const size of [1, 7, one.length, 65_536]) {
    await refused(Buffer.concat([one, Buffer.from("junk")]), /gzip stream/, "COMPRESSION", size);
    await refused(Buffer.concat([one, Buffer.alloc(3), Buffer.from("junk")]), /other bytes follow/, "COMPRESSION", size);
    await refused(Buffer.concat([one, Buffer.alloc(3), one]), /other bytes follow/, "COMPRESSION", size);
  }
  for (const at of [one.length - 1, one.length - 5, one.length >> 1]) {
    const flipped = Buffer.from(one);
    flipped[at] = (flipped[at] as number) ^ 1;
    await refused(flipped, /gzip stream: (damaged|it ends too early)/);
  }
});

test("zstd: frames one after the other, skippable frames anywhere, in any pieces", async () => {
  const parts = [text.subarray(0, 9_000), text.subarray(9_000, 9_001), text.subarray(9_001, 200_000)];
  const frames = parts.map((part) => zstdCompressSync(part));
  const skip = Buffer.concat([Buffer.from([0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from("hello")]);
  const nothing = Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  const stream = Buffer.concat([
    skip,
    nothing,
    frames[0] as Buffer,
    skip,
    frames[1] as Buffer,
    zstdCompressSync(""),
    frames[2] as Buffer,
    nothing,
  ]);
  for (const size of [1, 3, 1_000, 65_536, stream.length])
    assert.deepEqual(await unpack(stream, size), Buffer.concat(parts), `pieces of ${size}`);
  assert.deepEqual(await unpack(skip), Buffer.alloc(0));
});

test("zstd that is cut, damaged, or followed by other bytes is refused", async () => {
  const one = zstdCompressSync(text);
  for (let cut = 4; cut < one.length; cut += 101) await refused(one.subarray(0, cut), /zstd stream: it ends too early/);
  await refused(Buffer.concat([one, one.subarray(0, 3)]), /zstd stream: it ends too early/);
  await refused(Buffer.concat([one, Buffer.from("junk")]), /zstd stream: other bytes follow/);
  await refused(Buffer.concat([one, Buffer.alloc(8)]), /zstd stream: other bytes follow/);
  await refused(Buffer.from([0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1]), /it ends too early/);
  const flipped = Buffer.from(one);
  flipped[one.length >> 1] = (flipped[one.length >> 1] as number) ^ 255;
  await refused(flipped, /zstd stream/);
});

test("bzip2 and xz, also several streams in one file", async (t) => {
  for (const name of ["bzip2", "xz"]) {
    const one = tool(name, text.subarray(0, 90_000));
    const two = tool(name, text.subarray(90_000));
    if (!one || !two) {
      t.diagnostic(`${name} is not installed: skipped`);
      continue;
    }
    for (const size of [9, one.length, 1 << 20])
      assert.deepEqual(await unpack(Buffer.concat([one, two]), size), text, `${name}, pieces of ${size}`);
    await refused(one.subarray(0, one.length - 5), new RegExp(`${name} stream: it ends too early`));
    await refused(Buffer.concat([one, Buffer.from("junk!")]), new RegExp(`${name} stream: .*other bytes follow after its end`));
    const flipped = Buffer.from(one);
    flipped[one.length >> 1] = (flipped[one.length >> 1] as number) ^ 4;
    await refused(flipped, new RegExp(`${name} stream`));
  }
});

test("bzip2 and xz from files that came with the tests", async () => {
  // Made by bzip2 1.0.8 and xz 5.4 from the text "hello", and from nothing.
  const bz = Buffer.from("QlpoOTFBWSZTWRkxZT0AAACBAAJEoAAhmmgzTQczi7kinChIDJiynoA=", "base64");
  const none = Buffer.from("QlpoORdyRThQkAAAAAA=", "base64");
  const xz = Buffer.from("/Td6WFoAAATm1rRGAgAhARwAAAAQz1jMAQAEaGVsbG8AAAAAsTe52+XaHpsAAR0FuC2Arx+2830BAAAAAARZWg==", "base64");
  for (const size of [1, 5, 100]) {
    assert.equal((await unpack(Buffer.concat([bz, none, bz]), size)).toString(), "hellohello");
    assert.equal((await unpack(Buffer.concat([xz, xz]), size)).toString(), "hellohello");
  }
  for (let cut = 4; cut < bz.length; cut++) await refused(bz.subarray(0, cut), /bzip2 stream: it ends too early/);
  for (let cut = 6; cut < xz.length; cut += 3) await refused(xz.subarray(0, cut), /xz stream: it ends too early/);
  for (let at = 4; at < bz.length - 1; at++) {
    const flipped = Buffer.from(bz);
    flipped[at] = (flipped[at] as number) ^ 0x10;
    await refused(flipped, /bzip2 stream/);
  }
});

test("xz with what its decoder does not know says so", async (t) => {
  const odd = tool("xz", text, "--x86", "--lzma2");
  if (!odd) return t.diagnostic("xz is not installed: skipped");
  await refused(odd, /filter or a checksum that the decoder does not know/);
});

test("T23: a bomb is stopped at the bound that it names", async () => {
  const zeros = Buffer.alloc(1 << 20);
  const gz = gzipSync(zeros);
  const bomb = Buffer.concat(Array.from({ length: 300 }, () => gz));
  await assert.rejects(unpack(bomb, 65_536, { bytes: 5 << 20 }), /LIMIT|more than 5242880 bytes/);
  await assert.rejects(unpack(bomb, 65_536, { ratio: 100 }), { code: "LIMIT", message: /more than 100 times as many/ });
});

test("T23 ✚: a thousandfold is fine below the bounds", async () => {
  let total = 0;
  const { bytes } = await decompress(pieces(gzipSync(Buffer.alloc(64 << 20))));
  for await (const piece of bytes) total += piece.length;
  assert.equal(total, 64 << 20);
});

test("a source that fails is told as its own error, and a reader that stops lets go of the source", async () => {
  let closed = false;
  async function* failing() {
    try {
      yield gzipSync(text).subarray(0, 600);
      throw new Error("the disk is gone");
    } finally {
      closed = true;
    }
  }
  const { bytes } = await decompress(failing());
  await assert.rejects(
    (async () => {
      for await (const _ of bytes);
    })(),
    /the disk is gone/,
  );
  assert.ok(closed);
  for (const stream of [gzipSync(text), zstdCompressSync(text), text]) {
    let let_go = false;
    async function* endless() {
      try {
        for (;;) yield* pieces(stream, 1_000);
      } finally {
        let_go = true;
      }
    }
    const { bytes } = await decompress(endless());
    for await (const _ of bytes) break;
    assert.ok(let_go, detect(stream));
  }
});

test("raw deflate is no gzip", async () => {
  assert.equal((await decompress(pieces(deflateRawSync(text)))).kind, "other");
});
