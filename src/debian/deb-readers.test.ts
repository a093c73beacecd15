import assert from "node:assert/strict";
import { closeSync, existsSync, mkdtempSync, readdirSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { digestOf, hexOf } from "../oci/digest.ts";
import { createTask } from "../task/task.ts";
import { readDeb } from "./deb.ts";
import { DebContents, inMemory } from "./deb-contents.ts";
import { openDebReaders } from "./deb-readers.ts";
import type { LockEntry } from "./face.ts";
import { type DebParts, debMembers, makeAr, makeDeb } from "./testing/make-deb.ts";

const LARGE = 8 << 20;

/** A folder for packages and temporary files, and readers in two threads. */
class Desk implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "nought-readers-"));
  readonly stop = new AbortController();
  readonly notes: string[] = [];
  readonly task = createTask((event) => event.type === "note" && this.notes.push(event.text), this.stop.signal);
  readonly contents: DebContents;
  readonly readers: ReturnType<typeof openDebReaders>;
  #files = 0;

  constructor(memory?: number) {
    const temporary = async () => join(this.dir, `spill-${this.#files++}`);
    this.contents = new DebContents(temporary, memory);
    this.readers = openDebReaders(LARGE, { contents: this.contents, temporary, task: this.task }, 2);
  }

  put(bytes: Buffer, name = "x"): { readonly file: { path: string; size: number; sha256: string }; readonly expect: LockEntry } {
    const sha256 = hexOf(digestOf(bytes));
    const path = join(this.dir, `deb-${this.#files++}`);
    writeFileSync(path, bytes);
    const expect = { name, version: "1.0-1", architecture: "all", suite: "s", path: "pool/x.deb", size: bytes.length, sha256 };
    return { file: { path, size: bytes.length, sha256 }, expect };
  }

  async read(bytes: Buffer, expect: Partial<LockEntry> = {}) {
    const one = this.put(bytes);
    return this.readers.read(one.file, "x 1.0-1", { ...one.expect, ...expect });
  }

  async [Symbol.asyncDispose]() {
    await this.readers[Symbol.asyncDispose]();
    this.contents[Symbol.dispose]();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const PARTS: DebParts = {
  scripts: { postinst: "#!/bin/sh\n" },
  files: [
    { path: "./usr/" },
    { path: "./usr/large", text: Buffer.alloc(300_000, "nought") },
    { path: "./usr/none", text: "" },
    { path: "./usr/small", text: "small\n", mode: 0o755 },
    { path: "./usr/link", type: "symlink", link: "small" },
  ],
};

test("threads read packages as one thread does, several at a time and in any order", async () => {
  await using desk = new Desk();
  const all = await Promise.all(
    Array.from({ length: 7 }, async (_, n) => {
      const bytes = await makeDeb({ ...PARTS, compression: n % 2 === 0 ? "zst" : "gz", control: { Description: `number ${n}` } });
      const whole = async function* () {
        yield bytes;
      };
      return [await desk.read(bytes), await readDeb(whole(), "x", inMemory(), createTask(), desk.put(bytes).expect)] as const;
    }),
  );
  for (const [threaded, plain] of all) {
    assert.deepEqual(plainOf(threaded), plainOf(plain));
    assert.ok(Buffer.isBuffer(threaded.files.get("postinst")));
  }
});

/** With the bytes of files as text, whatever kind of array holds them. */
function plainOf({ draft, files, ...rest }: Awaited<ReturnType<typeof readDeb>>) {
  const entries = draft.map((entry) =>
    entry.kind === "file" && entry.content.in === "memory" ? { ...entry, content: Buffer.from(entry.content.bytes).toString() } : entry,
  );
  return { ...rest, entries, files: [...files].map(([name, bytes]) => [name, bytes.toString()]) };
}

test("what does not fit into memory goes to a file, which is removed in the end", async () => {
  let dir: string;
  {
    await using desk = new Desk(100_000);
    dir = desk.dir;
    const deb = await desk.read(await makeDeb(PARTS));
    const large = deb.draft.find((entry) => entry.path === "/usr/large");
    assert(large?.kind === "file" && large.content.in === "layer");
    assert.equal(readdirSync(dir).filter((name) => name.startsWith("spill")).length, 1);
    const open = desk.contents.opener(async () => assert.fail("it is in no layer"));
    const fd = await open(large.content.diffId);
    const bytes = Buffer.alloc(6);
    readSync(fd, bytes, 0, 6, large.content.offset);
    closeSync(fd);
    assert.equal(bytes.toString(), "nought");
    desk.contents[Symbol.dispose]();
    assert.deepEqual(
      readdirSync(dir).filter((name) => name.startsWith("spill")),
      [],
    );
  }
  assert(!existsSync(dir));
});

test("D14, D15, D16, D23: what is wrong with a package is told by a thread as by the program itself, and nothing stays behind", async () => {
  await using desk = new Desk(100_000);
  const good = await makeDeb(PARTS);
  const members = await debMembers(PARTS);
  const refused = async (reading: Promise<unknown>, code: string, about: RegExp) =>
    assert.rejects(reading, (error) => {
      assert(error instanceof Failure, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, about);
      return true;
    });
  await refused(desk.read(good, { sha256: "0".repeat(64) }), "DIGEST", /x 1\.0-1: \d+ bytes with sha256/);
  await refused(desk.read(makeAr(members, "!<mark>\n")), "PACKAGE", /does not begin as a Debian package/);
  await refused(desk.read(good, { name: "y" }), "PACKAGE", /it says that its name is x, the index says y/);
  const cut = (await debMembers({ ...PARTS, compression: "zst" })).map(([name, body]) =>
    name.startsWith("data") ? ([name, body.subarray(0, body.length - 9)] as const) : ([name, body] as const),
  );
  await refused(desk.read(makeAr(cut)), "COMPRESSION", /zstd stream/);
  const junk = (await debMembers(PARTS)).map(([name, body]) =>
    name.startsWith("data") ? (["data.tar.xz", Buffer.from("\xfd7zXZ\0 and what follows", "latin1")] as const) : ([name, body] as const),
  );
  await refused(desk.read(makeAr(junk)), "COMPRESSION", /xz stream: damaged/);
  assert.equal((await desk.read(good)).name, "x");
  assert.deepEqual(readdirSync(desk.dir).filter((name) => name.startsWith("spill")).length, 1, "only the good one's");
});

test("an interrupt ends the threads at once, and what was asked of them is INTERRUPTED", async () => {
  await using desk = new Desk();
  const bytes = await makeDeb({ files: [{ path: "./zeros", text: Buffer.alloc(64 << 20) }], compression: "zst" });
  const reads = Array.from({ length: 6 }, () => desk.read(bytes));
  setTimeout(() => desk.stop.abort(), 20);
  for (const one of await Promise.allSettled(reads))
    if (one.status === "rejected") assert.equal((one.reason as Failure).code, "INTERRUPTED");
  assert.equal(desk.task.signal.aborted, true);
  await assert.rejects(desk.read(bytes), { code: "INTERRUPTED" });
});
