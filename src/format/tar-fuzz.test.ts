import assert from "node:assert/strict";
import { test } from "node:test";
import { END, long, member, pax, tar } from "../../test/craft-tar.ts";
import { gnuLine, gnuTar, type PythonMember, python } from "../../test/tar-peers.ts";
import { Failure } from "../kit/error.ts";
import type { TarMember } from "./tar-member.ts";
import { TarParser } from "./tar-read.ts";

// Bounded in time: about four seconds, or NOUGHT_FUZZ_SECONDS. A find is printed as base64.
const SECONDS = Number(process.env["NOUGHT_FUZZ_SECONDS"] ?? 4);
const SEED = Number(process.env["NOUGHT_FUZZ_SEED"] ?? 1);

const path = "d/".repeat(60);
const SEEDS: readonly Buffer[] = [
  tar(
    { name: "dir/", flag: "5", mode: 0o1755 },
    { name: "dir/file", body: "hello", mode: 0o4711, uid: 1_000 },
    { name: "dir/l", flag: "2", link: "../x" },
  ),
  tar(
    { name: "a", body: "x".repeat(513) },
    { name: "b", flag: "1", link: "a" },
    { name: "c", flag: "3", major: 1, minor: 3 },
    { name: "p", flag: "6" },
  ),
  tar(pax({ path: "é/long", mtime: "5.5", size: "3", uid: "70000", comment: "x" }), { body: "abc" }, { name: "after" }),
  tar(pax({ linkpath: "elsewhere", "SCHILY.xattr.user.k": "v" }), { name: "s", flag: "2", link: "short" }, { name: "after" }),
  tar(pax({ uid: "7", comment: "global" }, "g"), { name: "one" }, pax({ uid: "8" }), { name: "two" }),
  tar(long(`${path}file`), { name: "short", magic: "gnu" }, long(`${path}link`, "K"), long(`${path}name`), {
    flag: "2",
    link: "x",
    magic: "gnu",
  }),
  tar(
    { name: "name", prefix: "some/prefix" },
    { name: "old", magic: "v7", flag: "\0", body: "x" },
    { name: "old/", magic: "v7", flag: "\0" },
  ),
  tar(
    { name: "n", uid: Buffer.from([0x80, 0, 0, 0, 0, 1, 0, 0]), mtime: Buffer.from([0x80, ...Buffer.alloc(7), 1, 2, 3, 4]) },
    { name: "z" },
  ),
  Buffer.concat([member({ name: "no end", body: "x" }), member({ name: "at all" })]),
  Buffer.concat([member({ name: "a" }), END, member({ name: "hidden" })]),
];

/** A small generator of numbers that gives the same ones for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const FIELDS = [0, 100, 108, 116, 124, 136, 148, 156, 157, 257, 263, 265, 297, 329, 337, 345, 500] as const;
const TEXTS = [
  "",
  "0",
  "7777777",
  "            ",
  "-1",
  "00000000005 ",
  "+5",
  "\x80\0\0\0\0\0\0\0\0\0\0\x05",
  "\xff".repeat(12),
  "x/",
  "/abs",
  "../up",
  "a\0b",
  "ustar  \0",
  "ustar\x0000",
];

/** One change: a byte, a field, a block moved, cut or doubled; mostly with checksums made right again, so that readers go on. */
function mutate(archive: Buffer, next: (below: number) => number): Buffer {
  let bytes: Buffer = Buffer.from(archive);
  for (let times = 1 + next(3); times > 0; times--) {
    const blocks = Math.floor(bytes.length / 512);
    const block = next(Math.max(1, blocks)) * 512;
    switch (next(7)) {
      case 0:
        if (bytes.length > 0) bytes[next(bytes.length)] = next(256);
        break;
      case 1:
        Buffer.from(TEXTS[next(TEXTS.length)] as string, "latin1").copy(bytes, block + (FIELDS[next(FIELDS.length)] as number));
        break;
      case 2:
        if (block + 156 < bytes.length) bytes[block + 156] = "0123567xgLKSVMDNAX\0".charCodeAt(next(19));
        break;
      case 3:
        bytes = bytes.subarray(0, next(4) === 0 ? next(bytes.length + 1) : block);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, block), bytes.subarray(block + 512)]);
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, block + 512), bytes.subarray(block)]);
        break;
      default: {
        const other = SEEDS[next(SEEDS.length)] as Buffer;
        bytes = Buffer.concat([bytes.subarray(0, block), other]);
      }
    }
  }
  if (next(8) > 0) for (let at = 0; at + 512 <= bytes.length; at += 512) rightSum(bytes, at);
  return bytes;
}

/** Makes the checksum of what looks like a header right. */
function rightSum(bytes: Buffer, at: number): void {
  const block = bytes.subarray(at, at + 512);
  if (!/^[0-7 ]/.test(block.toString("latin1", 148, 149)) && block.toString("latin1", 257, 262) !== "ustar") return;
  let sum = 8 * 32;
  for (let byte = 0; byte < 512; byte++) if (byte < 148 || byte >= 156) sum += block[byte] as number;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}

function read(archive: Buffer): TarMember[] | undefined {
  const members: TarMember[] = [];
  const parser = new TarParser({ member: (one) => members.push(one), data: () => {} });
  try {
    parser.push(archive);
    parser.end();
    return members;
  } catch (error) {
    assert.ok(error instanceof Failure, String((error as Error).stack));
    return undefined;
  }
}

/** GNU tar keeps times where ustar has the prefix of names; Python takes them for one even so. */
function hasGnuTimes(archive: Buffer): boolean {
  for (let at = 0; at + 512 <= archive.length; at += 512) {
    if (archive.toString("latin1", at + 257, at + 264) === "ustar  " && archive[at + 345] !== 0) return true;
  }
  return false;
}

/** A trailing slash of a name means nothing but "directory", which the type says already. */
const bare = (name: string) => name.replace(/\/+$/, "");
const pythonLine = (m: PythonMember | TarMember) => {
  const link = m.type === "symlink" || m.type === "hardlink" ? m.link : "";
  const device = m.type === "char" || m.type === "block" ? `${m.major},${m.minor}` : "";
  return [m.type, bare(m.path), link, m.mode & 0o7777, m.uid, m.gid, m.type === "file" ? m.size : 0, m.mtime, device].join(" ");
};

test("T36: mutated archives: GNU tar and Python list the same members, or nought refuses", async (t) => {
  const peers = [
    { name: "python3 tarfile", peer: python(pythonLine), line: pythonLine },
    { name: "GNU tar", peer: gnuTar(), line: gnuLine },
  ];
  for (const { name, peer } of peers) if (!peer) t.diagnostic(`${name} is not installed: not compared with it`);
  const next = numbers(SEED);
  const until = performance.now() + SECONDS * 1_000;
  let tried = 0;
  let accepted = 0;
  try {
    while (performance.now() < until) {
      const archive = tried < SEEDS.length ? (SEEDS[tried] as Buffer) : mutate(SEEDS[next(SEEDS.length)] as Buffer, next);
      tried++;
      const members = read(archive);
      if (!members || members.length === 0) continue;
      accepted++;
      for (const { name, peer, line } of peers) {
        if (line === pythonLine && hasGnuTimes(archive)) continue;
        const said = await peer?.list(archive);
        if (!said) continue;
        const what = `${name}, found by fuzzing: ${archive.toString("base64")}`;
        // Python wants a member after a global header; an archive of git with no file in it has none.
        if ("refused" in said && /^ReadError: (?:empty|end of file) header$/.test(said.refused)) continue;
        assert.ok("members" in said, `${"refused" in said ? said.refused : ""} ${what}`);
        assert.deepEqual(members.map(line), said.members, what);
      }
    }
  } finally {
    for (const { peer } of peers) peer?.close();
  }
  t.diagnostic(`${tried} archives, of which ${accepted} were accepted and compared`);
  assert.ok(accepted > SEEDS.length / 2);
});
