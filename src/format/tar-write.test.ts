import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gnuLine, gnuTar, type PythonMember, python } from "../../test/tar-peers.ts";
import { decodeName } from "../kit/bytes.ts";
import { TarParser } from "./tar-read.ts";
import { type TarHeader, type TarSink, TarWriter } from "./tar-write.ts";

const FACTS = { mode: 0o644, uid: 0, gid: 0, mtime: 1_700_000_000, size: 0 } as const;
type Member = Omit<Partial<TarHeader>, "path"> & { readonly path: string; readonly body?: Buffer };

/** Writes members through a writer with a small buffer, so that every way through it is taken. */
async function write(members: readonly Member[], sink: TarSink, bufferBytes = 1 << 13): Promise<void> {
  const tar = new TarWriter(sink, bufferBytes);
  for (const { body, ...facts } of members) {
    await tar.header({ ...FACTS, type: facts.path.endsWith("/") ? "dir" : "file", size: body?.length ?? 0, ...facts });
    await tar.bytes(body ?? Buffer.alloc(0));
    tar.pad();
  }
  await tar.end();
}

async function archiveOf(members: readonly Member[], bufferBytes?: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await write(members, (chunk) => void chunks.push(Buffer.from(chunk)), bufferBytes);
  return Buffer.concat(chunks);
}

interface Read {
  readonly facts: PythonMember;
  readonly xattrs: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What our own reader finds; names in the bytes that Python shows. */
function readBack(archive: Buffer): Read[] {
  const found: { facts: PythonMember; xattrs: Record<string, string>; body: Buffer }[] = [];
  const parser = new TarParser({
    member(one) {
      const { type, path, link = "", mode, uid, gid, size, mtime, major = 0, minor = 0, xattrs } = one;
      const facts = { type, path: path.replace(/\/$/, ""), link, mode, uid, gid, size, mtime, major, minor };
      const texts = [...(xattrs ?? [])].map(([key, value]) => [key, Buffer.from(value).toString("hex")]);
      found.push({ facts, xattrs: Object.fromEntries(texts), body: Buffer.alloc(0) });
    },
    data(chunk) {
      const last = found.at(-1) as (typeof found)[number];
      last.body = Buffer.concat([last.body, chunk]);
    },
  });
  parser.push(archive);
  parser.end();
  return found;
}

const deep = (length: number) => "directory/".repeat(40).slice(0, length);
const NON_UTF8 = decodeName(Buffer.from([0x62, 0xff, 0xfe, 0x2f, 0xc3, 0x28]));
const LONG_UTF8 = "ü".repeat(120);

const MEMBERS: readonly Member[] = [
  { path: "plain", body: Buffer.from("plain\n") },
  { path: "dir/", mode: 0o1755, uid: 1000, gid: 1001 },
  { path: "suid", mode: 0o6755, body: Buffer.alloc(512, 1) },
  ...[99, 100, 101, 155, 156, 255, 256, 257, 390].map((length) => ({
    path: deep(length - 1).concat("f"),
    body: Buffer.from(String(length)),
  })),
  ...[99, 100, 101, 256].map((length) => ({ path: `${deep(length - 2)}d/` })),
  { path: "uid", uid: 2 ** 21, gid: 2 ** 21 - 1 },
  { path: "ids", uid: 2 ** 31 - 1, gid: 2 ** 32 - 2 },
  { path: "ü/é", body: Buffer.from("not ASCII") },
  { path: LONG_UTF8 },
  { path: NON_UTF8, body: Buffer.from("not UTF-8") },
  { path: `${deep(200)}${NON_UTF8}` },
  { path: 'new\nline "quoted" back\\slash\u007f' },
  { path: "-dash" },
  { path: " blank" },
  { path: "link", type: "symlink", mode: 0o777, link: "dir/../plain" },
  { path: "link100", type: "symlink", mode: 0o777, link: deep(100) },
  { path: "link101", type: "symlink", mode: 0o777, link: `${deep(100)}x` },
  { path: "link4000", type: "symlink", mode: 0o777, link: "x/".repeat(2000) },
  { path: "linkü", type: "symlink", mode: 0o777, link: `/ü/${NON_UTF8}` },
  { path: "hard", type: "hardlink", link: "plain" },
  { path: `${deep(130)}h`, type: "hardlink", link: deep(256).concat("f") },
  { path: "char", type: "char", major: 1, minor: 3 },
  { path: "block", type: "block", major: 4095, minor: 1_048_575 },
  { path: "fifo", type: "fifo" },
  { path: "epoch", mtime: 0 },
  { path: "late", mtime: 2 ** 33 },
  { path: "last" },
];
const BEFORE_1970: readonly Member[] = [{ path: "early", mtime: -5 }, { path: "after" }];
const XATTRS: readonly Member[] = [
  {
    path: "capable",
    body: Buffer.from("#!"),
    xattrs: new Map([
      ["user.b", Buffer.from("text")],
      ["security.capability", Buffer.from("0100000202000000000000000000000000000000", "hex")],
      ["user.a", Buffer.from([0, 10, 61, 255])],
      ["user.empty", Buffer.alloc(0)],
    ]),
  },
  { path: "attributes/", xattrs: new Map([["user.large", Buffer.alloc(64 << 10, 7)]]) },
  { path: "none" },
];

test("T35: our own reader gives back what was written", async () => {
  const members = [...MEMBERS, ...BEFORE_1970, ...XATTRS];
  const found = readBack(await archiveOf(members));
  assert.equal(found.length, members.length);
  for (const [at, member] of members.entries()) {
    const { path, body = Buffer.alloc(0), xattrs, ...facts } = member;
    const one = found[at] as Read;
    assert.equal(one.facts.path, path.replace(/\/$/, ""));
    for (const [key, value] of Object.entries(facts)) assert.equal(one.facts[key as keyof PythonMember], value, `${path}: ${key}`);
    assert.deepEqual(one.body, body, path);
    assert.deepEqual(one.xattrs, Object.fromEntries([...(xattrs ?? [])].map(([key, value]) => [key, Buffer.from(value).toString("hex")])));
  }
});

const peers = [
  { name: "GNU tar", peer: gnuTar(), line: gnuLine },
  { name: "Python", peer: python((member) => JSON.stringify(member)), line: (member: PythonMember) => JSON.stringify(member) },
];
after(() => {
  for (const { peer } of peers) peer?.close();
});

for (const { name, peer, line } of peers) {
  test(`T35: ${name} lists the same members`, { skip: peer === undefined ? `${name} is not here` : false }, async () => {
    const members = [...MEMBERS, ...BEFORE_1970];
    const archive = await archiveOf(members);
    const said = await peer?.list(archive);
    assert(said && "members" in said, said && "refused" in said ? said.refused : "");
    const mine = readBack(archive).map(({ facts }) => facts);
    for (const [at, facts] of mine.entries()) assert.equal(bare(said.members[at]), bare(line(shown(name, facts))), facts.path);
    assert.equal(said.members.length, members.length);
  });
}

/** How that reader shows a member: GNU tar ends a directory's name in a slash. */
function shown(name: string, facts: PythonMember): PythonMember {
  return name === "GNU tar" && facts.type === "dir" ? { ...facts, path: `${facts.path}/` } : facts;
}

/** Python keeps the slash of a directory whose name is in a PAX header. */
function bare(line: string | undefined): string {
  return (line ?? "").replace(/"path":"((?:[^"\\]|\\.)*?)\/?"/, '"path":"$1"');
}

/** Asks a program about an archive in a file; undefined where the program is not here. */
function ask(command: string, args: readonly string[]): string | undefined {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C.UTF-8" } });
  if (error) return undefined;
  assert.equal(status, 0, stderr);
  return stdout;
}
const withoutTar = peers[0]?.peer === undefined ? "GNU tar is not here" : false;
const withoutPython = peers[1]?.peer === undefined ? "python3 is not here" : false;

async function inFile<T>(fill: (fd: number) => Promise<void>, use: (file: string) => T): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "nought-tar-"));
  try {
    const file = join(dir, "archive.tar");
    const fd = openSync(file, "w");
    await fill(fd);
    closeSync(fd);
    return use(file);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test("T35: GNU tar and Python read the same extended attributes", { skip: withoutTar || withoutPython }, async () => {
  await inFile(
    (fd) => write(XATTRS, (chunk) => void writeSync(fd, chunk)),
    (file) => {
      const listed = ask("tar", ["--xattrs", "--xattrs-include=*", "-tvvf", file]) ?? "";
      for (const row of ["x: 4 user.b", "x: 20 security.capability", "x: 4 user.a", "x: 0 user.empty", "x: 65536 user.large"])
        assert.match(listed, new RegExp(`^ *${row}$`, "m"));
      const script = `
import json, sys, tarfile
with tarfile.open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as archive:
    print(json.dumps([{k[13:]: v.encode("utf-8", "surrogateescape").hex() for k, v in m.pax_headers.items() if k.startswith("SCHILY.xattr.")} for m in archive]))`;
      const python = JSON.parse(ask("python3", ["-c", script, file]) ?? "");
      assert.deepEqual(
        python,
        XATTRS.map(({ xattrs }) =>
          Object.fromEntries([...(xattrs ?? [])].map(([key, value]) => [key, Buffer.from(value).toString("hex")])),
        ),
      );
    },
  );
});

for (const size of [2 ** 33 - 1, 2 ** 33, 9 * 2 ** 30 + 5]) {
  test(`T35: a file of ${size} bytes reads everywhere`, async () => {
    await inFile(
      async (fd) => {
        const tar = new TarWriter((chunk) => void writeSync(fd, chunk));
        await tar.header({ ...FACTS, type: "file", path: "huge", size });
        const body = tar.offset;
        await tar.flush();
        // A hole for the body: readers seek over it.
        ftruncateSync(fd, body + Math.ceil(size / 512) * 512);
        const end = new TarWriter((chunk) => void writeSync(fd, chunk, 0, chunk.length, body + Math.ceil(size / 512) * 512));
        await end.header({ ...FACTS, type: "file", path: "next" });
        await end.end();
        const members: [string, number][] = [];
        const parser = new TarParser({ member: ({ path, size: found }) => void members.push([path, found]), data() {} });
        parser.push(await archiveStart(size));
        assert.deepEqual(members, [["huge", size]]);
      },
      (file) => {
        if (withoutTar) console.log(`T35: ${withoutTar}`);
        else
          assert.match(
            ask("tar", ["--numeric-owner", "-tvf", file]) ?? "",
            new RegExp(`^-rw-r--r-- 0/0 +${size} .* huge\\n.* 0 .* next\\n$`),
          );
        if (withoutPython) console.log(`T35: ${withoutPython}`);
        else {
          const script = "import sys, tarfile\nfor m in tarfile.open(sys.argv[1]): print(m.name, m.size)";
          assert.equal(ask("python3", ["-c", script, file]), `huge ${size}\nnext 0\n`);
        }
      },
    );
  });
}

async function archiveStart(size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const tar = new TarWriter((chunk) => void chunks.push(Buffer.from(chunk)));
  await tar.header({ ...FACTS, type: "file", path: "huge", size });
  await tar.flush();
  return Buffer.concat(chunks);
}

test("PAX headers are written only where ustar cannot say it", async () => {
  const paxed = async (member: Member) => (await archiveOf([member])).toString("latin1", 156, 157) === "x";
  for (const path of ["a", deep(100), "new\nline", "-x"]) assert.equal(await paxed({ path }), false, path);
  assert.equal(await paxed({ path: "a", uid: 2 ** 21 - 1, mtime: 2 ** 33 - 1 }), false);
  for (const path of [`${deep(100)}x`, "ü", NON_UTF8]) assert.equal(await paxed({ path }), true, path);
  for (const facts of [{ uid: 2 ** 21 }, { gid: 2 ** 21 }, { mtime: -1 }, { mtime: 2 ** 33 }])
    assert.equal(await paxed({ path: "a", ...facts }), true);
});

test("the same members give the same bytes, whatever the size of the buffer", async () => {
  const members = [...MEMBERS, ...XATTRS, { path: "big", body: Buffer.alloc(300_000, 5) }];
  const first = await archiveOf(members, 1 << 20);
  for (const size of [1 << 11, 1 << 12, 5 * 512, 1 << 16]) assert.ok(first.equals(await archiveOf(members, size)), `${size} bytes`);
  assert.ok(
    first.equals(
      await archiveOf(
        members.map((one) => (one.xattrs ? { ...one, xattrs: new Map([...one.xattrs].reverse()) } : one)),
        1 << 20,
      ),
    ),
    "the order of attributes does not count",
  );
});

test("a slow sink has its buffer to itself until it is done, and gets the chunks in order", async () => {
  const body = Buffer.alloc(100_000);
  for (let at = 0; at < body.length; at++) body[at] = (at * 7 + (at >> 9)) % 256;
  const members = [{ path: "a", body }, ...MEMBERS, { path: "b", body }];
  const expected = await archiveOf(members);
  for (const bufferBytes of [1 << 11, 1 << 13]) {
    const chunks: Buffer[] = [];
    let busy = 0;
    let turn = 0;
    await write(
      members,
      async (chunk) => {
        assert.equal(++busy, 1, "one write at a time");
        const before = Buffer.from(chunk);
        await new Promise((resolve) => (turn++ % 3 === 0 ? setTimeout(resolve, 1) : setImmediate(resolve)));
        assert.ok(before.equals(chunk), "the chunk stays as it is while it is being written");
        chunks.push(before);
        busy--;
      },
      bufferBytes,
    );
    assert.ok(expected.equals(Buffer.concat(chunks)));
  }
});

test("a sink that fails ends the writing with its error, and nothing is left unhandled", async () => {
  const unhandled: unknown[] = [];
  const listen = (error: unknown) => unhandled.push(error);
  process.on("unhandledRejection", listen);
  try {
    for (const [late, at] of [
      [true, 0],
      [true, 3],
      [false, 0],
      [false, 3],
    ] as const) {
      let turn = 0;
      const sink: TarSink = (chunk) => {
        const bad = turn++ === at;
        if (!late) {
          if (bad) throw new Error("full");
          return undefined;
        }
        return new Promise((resolve, reject) => setTimeout(() => (bad ? reject(new Error("full")) : resolve()), chunk.length > 0 ? 2 : 1));
      };
      await assert.rejects(write([{ path: "a", body: Buffer.alloc(100_000) }], sink), /^Error: full$/);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.deepEqual(unhandled, []);
  } finally {
    process.off("unhandledRejection", listen);
  }
});
