import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { TarParser } from "../format/tar-read.ts";
import { Failure } from "../kit/error.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { openStore } from "../store/store.ts";
import { createTask } from "../task/task.ts";
import type { Draft, Entry, FileEntry } from "../tree/entry.ts";
import { hostTree } from "../tree/host.ts";
import { toPath } from "../tree/path.ts";
import { type SealTarget, seal } from "./seal.ts";

const noLayers = () => Promise.reject(new Error("no layer is read here"));
/** Files that fit into the tar's buffer, that need a fresh one, and that need several. */
const SIZES = [1, 4096, 1_000_000, 3_000_000];

class Memory implements SealTarget {
  readonly chunks: Buffer[] = [];
  aborted = false;
  committed = false;
  /** Called before each chunk is taken. */
  onChunk: () => void = () => {};
  write(chunk: Uint8Array): void {
    this.onChunk();
    this.chunks.push(Buffer.from(chunk));
  }
  async writeLater(chunk: Uint8Array): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.write(chunk);
  }
  async commit(digest: Digest) {
    this.committed = true;
    return { digest, size: this.tar.length };
  }
  abort(): void {
    this.aborted = true;
  }
  get tar(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

/** Every member of a tar with the digest of its body. */
function membersOf(tar: Buffer): { path: string; type: string; size: number; digest: Digest; link: string }[] {
  const members: { path: string; type: string; size: number; digest: Digest; link: string }[] = [];
  let body: Buffer[] = [];
  const parser = new TarParser({
    member: ({ path, type, size, link = "" }) => {
      members.push({ path, type, size, digest: digestOf(""), link });
      body = [];
    },
    data: (chunk) => void body.push(Buffer.from(chunk)),
    done: () => {
      const last = members.at(-1);
      if (last) last.digest = digestOf(Buffer.concat(body));
    },
  });
  parser.push(tar);
  parser.end();
  return members;
}

async function inFolder(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "nought-seal-"));
  try {
    await use(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function draftOf(dir: string): Draft {
  return [...hostTree(dir).walk()];
}

const CHANGES: Readonly<Record<string, (file: string) => void>> = {
  grows: (file) => appendFileSync(file, "more"),
  shrinks: (file) => truncateSync(file, 0),
  vanishes: (file) => unlinkSync(file),
  "becomes a link": (file) => {
    renameSync(file, `${file}.was`);
    symlinkSync(`${file}.was`, file);
  },
  "becomes a folder": (file) => {
    unlinkSync(file);
    mkdirSync(file);
  },
  "becomes a FIFO": (file) => {
    unlinkSync(file);
    execFileSync("mkfifo", [file]);
  },
  "is written over": (file) => writeFileSync(file, Buffer.alloc(readFileSync(file).length, 9)),
  "is replaced by a twin": (file) => {
    writeFileSync(`${file}.new`, readFileSync(file));
    renameSync(`${file}.new`, file);
  },
  "is written over and its time put back": (file) => {
    writeFileSync(file, Buffer.alloc(readFileSync(file).length, 9));
    utimesSync(file, 1e9, 1e9);
  },
};

for (const [what, change] of Object.entries(CHANGES)) {
  test(`C08: a file that ${what} after it was looked at fails the step`, async () => {
    for (const size of SIZES) {
      await inFolder(async (dir) => {
        const file = join(dir, "file");
        writeFileSync(file, Buffer.alloc(size, 1));
        utimesSync(file, 1e9, 1e9);
        const draft = draftOf(dir);
        // The kernel's clock for file times ticks every few milliseconds.
        await new Promise((resolve) => setTimeout(resolve, 15));
        change(file);
        const target = new Memory();
        await assert.rejects(
          seal(draft, noLayers, target, createTask()),
          (error: Failure) =>
            error.code === "CHANGED" && error.message.includes("file") && error.message.includes("changed while it was being read"),
        );
        assert.ok(target.aborted && !target.committed, `${size} bytes`);
      });
    }
  });
}

test("C08: a file that changes while it is being read fails the step", async () => {
  for (const change of ["grows", "shrinks", "is written over"]) {
    await inFolder(async (dir) => {
      const file = join(dir, "file");
      writeFileSync(file, Buffer.alloc(5_000_000, 1));
      const draft = draftOf(dir);
      await new Promise((resolve) => setTimeout(resolve, 15));
      const target = new Memory();
      let once = true;
      target.onChunk = () => {
        if (once) CHANGES[change]?.(file);
        once = false;
      };
      await assert.rejects(seal(draft, noLayers, target, createTask()), { code: "CHANGED" });
      assert.ok(target.aborted, change);
    });
  }
});

test("C08: beside a process that writes all the time, a layer is refused or agrees with itself", async () => {
  await inFolder(async (dir) => {
    const names = ["small", "large"];
    const script = `
      const fs = require("node:fs");
      for (let turn = 0; ; turn++) {
        for (const [name, most] of [["small", 3000], ["large", 2_000_000]]) {
          const bytes = Buffer.alloc(1 + ((turn * 7919) % most), turn % 251);
          const path = ${JSON.stringify(dir)} + "/" + name;
          if (turn % 3 === 0) fs.writeFileSync(path, bytes);
          else if (turn % 3 === 1) { fs.writeFileSync(path + ".new", bytes); fs.renameSync(path + ".new", path); }
          else { fs.unlinkSync(path); fs.writeFileSync(path, bytes); }
        }
        if (turn === 3) fs.writeSync(1, "ready");
      }`;
    const child: ChildProcess = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await new Promise((resolve) => child.stdout?.once("data", resolve));
      const counts = { sealed: 0, refused: 0 };
      for (const end = Date.now() + 1500; Date.now() < end; ) {
        const draft = draftOf(dir).filter((entry) => names.includes(entry.path.slice(1)));
        const target = new Memory();
        try {
          const { draft: indexed } = await seal(draft, noLayers, target, createTask());
          counts.sealed++;
          for (const [at, member] of membersOf(target.tar).entries()) {
            const entry = indexed[at] as FileEntry;
            assert.equal(`/${member.path}`, entry.path);
            assert.equal(member.size, entry.size);
            assert.equal(member.digest, entry.digest, "what the index says is what the layer holds");
          }
        } catch (error) {
          if (!(error instanceof Failure) || error.code !== "CHANGED") throw error;
          counts.refused++;
        }
      }
      assert.ok(counts.refused > 0, `${counts.sealed} sealed, ${counts.refused} refused`);
    } finally {
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
    }
  });
});

/** A sealed layer with these files, on disk. */
async function layerWith(dir: string, files: Readonly<Record<string, Buffer>>): Promise<{ path: string; draft: Draft; diffId: Digest }> {
  mkdirSync(join(dir, "in"));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, "in", name), bytes);
  const target = new Memory();
  const { draft, layer } = await seal(draftOf(join(dir, "in")), noLayers, target, createTask());
  const path = join(dir, "layer.tar");
  writeFileSync(path, target.tar);
  return { path, draft, diffId: layer.diffId };
}

test("what is taken from a layer comes out the same, and a draft gives the same bytes each time", async () => {
  await inFolder(async (dir) => {
    const files = Object.fromEntries(SIZES.map((size) => [`f${size}`, Buffer.alloc(size, size % 251)]));
    const { path, draft, diffId } = await layerWith(dir, { ...files, empty: Buffer.alloc(0) });
    const target = new Memory();
    const { layer, draft: again } = await seal(draft, async () => openSync(path, "r"), target, createTask());
    assert.equal(layer.diffId, diffId);
    assert.equal(layer.diffId, digestOf(target.tar));
    assert.equal(layer.blob.size, target.tar.length);
    assert.deepEqual(again, draft);
  });
});

for (const damage of ["a flipped bit", "a cut"]) {
  test(`S16: ${damage} in a layer that files are taken from is found, whatever the size`, async () => {
    for (const size of SIZES) {
      await inFolder(async (dir) => {
        const { path, draft, diffId } = await layerWith(dir, { file: Buffer.alloc(size, 7) });
        const { offset } = (draft[0] as FileEntry).content as { offset: number };
        const fd = openSync(path, "r+");
        if (damage === "a cut") truncateSync(path, offset + size - 1);
        else writeSync(fd, Buffer.from([8]), 0, 1, offset + size - 1);
        const target = new Memory();
        await assert.rejects(
          seal(draft, async () => openSync(path, "r"), target, createTask()),
          (error: Failure) => error.code === "DIGEST" && error.message.includes(diffId) && (error.hint ?? "").includes("builder prune"),
        );
        closeSync(fd);
        assert.ok(target.aborted, `${size} bytes`);
      });
    }
  });
}

test("an interruption ends the sealing at once, also inside a large file, and leaves nothing in the store", async () => {
  await inFolder(async (dir) => {
    mkdirSync(join(dir, "in"));
    // Sparse: more than can be written meanwhile.
    writeFileSync(join(dir, "in/huge"), "");
    truncateSync(join(dir, "in/huge"), 2 ** 33);
    await using store = await openStore(join(dir, "store"));
    const abort = new AbortController();
    const draft = draftOf(join(dir, "in"));
    const started = Date.now();
    setTimeout(() => abort.abort(), 100);
    await assert.rejects(
      seal(
        draft,
        noLayers,
        store.writer(),
        createTask(() => {}, abort.signal),
      ),
      { code: "INTERRUPTED" },
    );
    assert.ok(Date.now() - started < 3000, "well before three seconds");
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(
      readdirSync(join(dir, "store/tmp"), { recursive: true, withFileTypes: true }).filter((one) => one.isFile()),
      [],
    );
    assert.deepEqual(readdirSync(join(dir, "store/blobs/sha256")), []);
  });
});

test("a failure of the disk ends the sealing with it, and nothing goes on behind", async () => {
  await inFolder(async (dir) => {
    writeFileSync(join(dir, "large"), Buffer.alloc(8_000_000, 1));
    const target = new Memory();
    target.onChunk = () => {
      throw new Failure("NO_SPACE", "no space left");
    };
    const unhandled: unknown[] = [];
    const listen = (error: unknown) => void unhandled.push(error);
    process.on("unhandledRejection", listen);
    await assert.rejects(seal(draftOf(dir), noLayers, target, createTask()), { code: "NO_SPACE" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off("unhandledRejection", listen);
    assert.deepEqual(unhandled, []);
    assert.ok(target.aborted && !target.committed);
  });
});

test("each byte is read once and written once", { skip: process.platform === "linux" ? false : "needs /proc" }, async () => {
  await inFolder(async (dir) => {
    mkdirSync(join(dir, "in"));
    const size = 200_000_000;
    writeFileSync(join(dir, "in/file"), Buffer.alloc(size, 3));
    await using store = await openStore(join(dir, "store"));
    const draft = draftOf(join(dir, "in"));
    const before = traffic();
    const { layer } = await seal(draft, noLayers, store.writer(), createTask());
    const now = traffic();
    const [read, written] = [now.read - before.read, now.written - before.written];
    assert.ok(layer.blob.size > size);
    assert.ok(read >= size && read <= 1.05 * size, `${read} bytes read of ${size}`);
    assert.ok(written >= size && written <= 1.05 * size, `${written} bytes written of ${size}`);
  });
});

/** Bytes that this process has moved by system calls. */
function traffic(): { read: number; written: number } {
  const text = readFileSync("/proc/self/io", "utf8");
  const number = (key: string) => Number(new RegExp(`^${key}: (\\d+)$`, "m").exec(text)?.[1]);
  return { read: number("rchar"), written: number("wchar") };
}

test("every kind of entry has its header, deletions included", async () => {
  const common = { mode: 0o600, uid: 5, gid: 6, mtime: 7 };
  const at = (path: string) => ({ ...common, path: toPath(path) });
  const entries: Entry[] = [
    { ...at("/"), kind: "dir" },
    { ...at("/d"), kind: "dir", opaque: true, xattrs: new Map([["user.x", Buffer.from("y")]]) },
    { ...at("/d/c"), kind: "char", major: 1, minor: 3 },
    { ...at("/d/gone"), kind: "whiteout" },
    { ...at("/f"), kind: "file", size: 2, content: { in: "memory", bytes: Buffer.from("hi") } },
    { ...at("/h"), kind: "hardlink", target: toPath("/f") },
    { ...at("/l"), kind: "symlink", target: "f" },
    { ...at("/p"), kind: "fifo" },
  ];
  const target = new Memory();
  const { draft } = await seal(entries, noLayers, target, createTask());
  const members = membersOf(target.tar);
  assert.deepEqual(
    members.map(({ path, type, size, link }) => `${type} ${path} ${size} ${link}`.trim()),
    ["dir d/ 0", "file d/.wh..wh..opq 0", "char d/c 0", "file d/.wh.gone 0", "file f 2", "hardlink h 0 f", "symlink l 0 f", "fifo p 0"],
  );
  assert.equal(target.tar.toString("latin1").split("SCHILY.xattr.user.x").length, 2, "the marker has no attributes of its own");
  assert.equal(draft.length, entries.length - 1, "the root has no entry of its own");
  assert.equal((draft[3] as FileEntry).digest, digestOf("hi"));
});
