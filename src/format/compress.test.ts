import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { pieces } from "../../test/craft-tar.ts";
import { decompress } from "./decompress.ts";
import { gzipStream } from "./gzip.ts";
import { zstdStream } from "./zstd.ts";

let seed = 1;
/** Text-like bytes that pack to about a third, the same in every run. */
const sample = Buffer.from(
  Uint8Array.from({ length: 5_300_000 }, (_, at) => {
    if (at % 3 === 0) seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return 97 + ((seed >> (8 + (at % 3))) & 15);
  }),
);

async function join(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

/** Pieces whose buffer is used again for the next, as TarWriter's are. */
async function* reused(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) yield buffer.subarray(0, bytes.copy(buffer, 0, at, at + size));
}

test("gzip made in parallel is one member that zlib and gzip unpack to the same bytes, as small as made in one go", async () => {
  const packed = await join(gzipStream(reused(sample, 65_537), 6));
  assert.ok(gunzipSync(packed).equals(sample));
  assert.ok(packed.length < gzipSync(sample, { level: 6 }).length * 1.005);
  assert.ok(execFileSync("gzip", ["-dc"], { input: packed, maxBuffer: 1 << 26 }).equals(sample));
  assert.deepEqual([...packed.subarray(0, 10)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
});

test("zstd made in parallel unpacks to the same bytes, also over several frames", async () => {
  const long = Buffer.concat([sample, sample, sample, sample]);
  const packed = await join(zstdStream(reused(long, 65_537), 3));
  assert.ok((await join((await decompress(pieces(packed))).bytes)).equals(long));
  assert.ok(packed.length < long.length / 2);
});

test("the pieces in which the bytes come make no difference", async () => {
  for (const pack of [gzipStream, zstdStream]) {
    const one = await join(pack(pieces(sample, 1 << 20)));
    for (const size of [100_003, 1 << 22]) assert.ok((await join(pack(pieces(sample, size)))).equals(one));
  }
});

test("every level works, from nothing to the edges of a block", async () => {
  for (const length of [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1]) {
    for (const level of [0, 1, 6, 9])
      assert.ok(gunzipSync(await join(gzipStream(pieces(sample.subarray(0, length)), level))).equals(sample.subarray(0, length)));
    for (const level of [1, 3, 19]) {
      const packed = await join(zstdStream(pieces(sample.subarray(0, length)), level));
      assert.ok((await join((await decompress(pieces(packed))).bytes)).equals(sample.subarray(0, length)), `${length} at ${level}`);
    }
  }
});

test("a source that fails ends it with its own error, and nothing goes on behind", async () => {
  async function* failing() {
    yield sample.subarray(0, 3_000_000);
    throw new Error("the disk is gone");
  }
  await assert.rejects(join(gzipStream(failing())), /the disk is gone/);
  await assert.rejects(join(zstdStream(failing())), /the disk is gone/);
});
