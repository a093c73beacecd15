import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { Feed } from "./feed.ts";
import { unxz } from "./unxz.ts";

const program = spawnSync("xz", ["--version"]).status === 0;
const skip = program ? false : "the program xz is not installed";

function pack(bytes: Buffer, ...words: string[]): Buffer {
  const { status, stdout, stderr } = spawnSync("xz", ["-c", "-T1", ...words], { input: bytes, maxBuffer: 1 << 28 });
  assert.equal(status, 0, `xz ${words.join(" ")}: ${stderr}`);
  return stdout;
}

async function unpack(bytes: Buffer, size = bytes.length || 1): Promise<Buffer> {
  async function* pieces() {
    // One buffer for all pieces, as a careless source has it.
    const own = Buffer.alloc(size);
    for (let at = 0; at < bytes.length; at += size) yield own.subarray(0, bytes.copy(own, 0, at, at + size));
  }
  const found: Buffer[] = [];
  for await (const piece of unxz(new Feed(pieces()))) found.push(piece);
  return Buffer.concat(found);
}

async function refused(bytes: Buffer, about: RegExp): Promise<void> {
  await assert.rejects(unpack(bytes), (error) => {
    assert(error instanceof Failure, String(error));
    assert.equal(error.code, "COMPRESSION");
    assert.match(error.message, about);
    return true;
  });
}

/** Numbers that are the same in every run. */
function noise(length: number, kinds = 256): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 88_172_645;
  for (let n = 0; n < length; n++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[n] = (state >>> 24) % kinds;
  }
  return bytes;
}

/** Words, and runs of every distance. */
function text(length: number): Buffer {
  const words = Array.from({ length: 400 }, (_, n) => noise(3 + (n % 9), 26).map((byte) => 97 + ((byte + n) % 26)));
  const picks = noise(length >> 2);
  const parts: Uint8Array[] = [];
  for (let n = 0, have = 0; have < length; n++) {
    const one = (picks[n] as number) < 9 ? Buffer.alloc(1 + (n % 300), n) : (words[(picks[n] as number) + (n % 3) * 64] as Uint8Array);
    parts.push(one);
    have += one.length;
  }
  return Buffer.concat(parts).subarray(0, length);
}

const SAMPLES: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  "one byte": Buffer.from("x"),
  zeros: Buffer.alloc(5_000_000),
  noise: noise(300_000),
  "few letters": noise(400_000, 4),
  text: text(1_500_000),
  program: spawnSync("cat", [process.execPath], { maxBuffer: 1 << 28 }).stdout.subarray(5_000_000, 8_000_000),
};

test("what xz packs comes out as it went in, whatever its settings", { skip }, async () => {
  const settings = [
    ["-0"],
    ["-6"],
    ["-9e"],
    ["--check=none"],
    ["--check=crc32"],
    ["--check=sha256"],
    ["--lzma2=dict=4KiB,lc=4,lp=0,pb=0"],
    ["--lzma2=dict=64KiB,lc=0,lp=4,pb=4,nice=273"],
    ["--lzma2=dict=6KiB,lc=2,lp=2,pb=1,mode=fast"],
    ["--block-size=100000"],
  ];
  for (const [name, bytes] of Object.entries(SAMPLES))
    for (const words of settings) assert.ok((await unpack(pack(bytes, ...words))).equals(bytes), `${name}, ${words.join(" ")}`);
});

test("pieces of any size, several streams, padding between them, and several at a time", { skip }, async () => {
  const bytes = text(120_000);
  const one = pack(bytes);
  const padded = Buffer.concat([one, Buffer.alloc(8), pack(Buffer.alloc(0)), one, Buffer.alloc(4)]);
  for (const size of [1, 7, 4096, padded.length])
    assert.ok((await unpack(padded, size)).equals(Buffer.concat([bytes, bytes])), `pieces of ${size}`);
  const all = await Promise.all(Object.values(SAMPLES).map((sample) => unpack(pack(sample, "-1"), 5000)));
  for (const [n, sample] of Object.values(SAMPLES).entries()) assert.ok((all[n] as Buffer).equals(sample));
});

test("D12, D23: any byte changed, or any byte missing, is refused", { skip }, async () => {
  for (const words of [["--check=crc64"], ["--check=sha256"], ["--block-size=700"]]) {
    const bytes = text(2_000);
    const good = pack(bytes, ...words);
    for (let at = 0; at < good.length; at++)
      for (const bit of [1, 128]) {
        const changed = Buffer.from(good);
        changed[at] = (changed[at] as number) ^ bit;
        // A property of the coder may be another and the text the same; xz takes that, too.
        const found = await unpack(changed).catch((error: Failure) => error);
        const right = found instanceof Failure ? found.code === "COMPRESSION" : found.equals(bytes) && good[at] === 0x5d;
        assert.ok(right, `byte ${at} of ${words}`);
      }
    for (let cut = 0; cut < good.length; cut++) await refused(good.subarray(0, cut), /it ends too early/);
  }
  // Without a check over the content the container still notices sizes, and the decoder whatever leads out of its window.
  const unchecked = pack(text(100_000), "--check=none");
  for (let at = 40; at < unchecked.length - 40; at += 97) {
    const changed = Buffer.from(unchecked);
    changed[at] = (changed[at] as number) ^ 0x55;
    const found = await unpack(changed).catch((error: Failure) => error);
    assert.ok(found instanceof Failure ? found.code === "COMPRESSION" : found.length === 100_000);
  }
});

test("what follows, what is not known, and dictionaries beyond bounds are told apart", { skip }, async () => {
  const one = pack(Buffer.from("hello"));

  await refused(Buffer.concat([one, Buffer.from("junk")]), /other bytes follow after its end/);
  await refused(Buffer.concat([one, Buffer.from("a longer piece of junk")]), /other bytes follow after its end/);
  await refused(Buffer.concat([one, Buffer.from([0, 0, 1, 0])]), /other bytes follow after its end/);
  await refused(pack(Buffer.from("hello"), "--x86", "--lzma2"), /filter or a checksum that the decoder does not know/);
  await refused(pack(Buffer.from("hello"), "--lzma2=dict=512MiB"), /dictionary is larger than the decoder allows/);
});

test("the shipped bytes are what the source comes to, where the compiler is the same", () => {
  const root = join(import.meta.dirname, "../..");
  const { status, stdout } = spawnSync(process.execPath, ["scripts/lzma.mjs", "--check"], { cwd: root, encoding: "utf8" });
  assert.equal(status, 0, stdout);
});
