import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { TarWriter } from "../../format/tar-write.ts";
import { RootedFolder } from "../../kit/rooted.ts";
import { createTask } from "../../task/task.ts";
import { type CopyHow, copyIn, copyOut, copyOutTo, writerInto } from "./cp.ts";
import { readTar } from "./read-tar.ts";
import { TarItems } from "./write-tar.ts";

const skip = process.platform === "linux" ? false : "not Linux";
const top = mkdtempSync(join(tmpdir(), "nought-cp-"));
after(() => rmSync(top, { recursive: true, force: true }));
let count = 0;

/** A host folder, and a folder that stands for a container's root. */
function places(): { readonly host: string; readonly root: string; readonly rooted: RootedFolder } & Disposable {
  const dir = join(top, `${++count}`);
  const [host, root] = [join(dir, "host"), join(dir, "root")];
  for (const one of [host, root]) mkdirSync(one, { recursive: true });
  mkdirSync(join(host, "src/sub"), { recursive: true });
  writeFileSync(join(host, "src/a"), "a");
  chmodSync(join(host, "src/a"), 0o640);
  utimesSync(join(host, "src/a"), 1000, 1000);
  linkSync(join(host, "src/a"), join(host, "src/hard"));
  symlinkSync("a", join(host, "src/link"));
  writeFileSync(join(host, "src/sub/b"), "b".repeat(3_000_000));
  mkdirSync(join(root, "dir"));
  writeFileSync(join(root, "file"), "file");
  symlinkSync("/dir", join(root, "to-dir"));
  symlinkSync("/nowhere", join(root, "dangling"));
  symlinkSync("/../../../../../../host", join(root, "out"));
  const rooted = new RootedFolder(root);
  return { host, root, rooted, [Symbol.dispose]: () => rooted[Symbol.dispose]() };
}

const how: CopyHow = { follow: false, owner: "mine", note: () => {} };
const follow: CopyHow = { ...how, follow: true };
const list = (dir: string) => readdirSync(dir, { recursive: true }).map(String).sort();
const TREE = ["a", "hard", "link", "sub", "sub/b"];

test("cp: where things go, by docker's rules", { skip }, async () => {
  using p = places();
  const into = (from: string, to: string) => copyIn(p.rooted, "c", `${p.host}/${from}`, to, how, createTask());
  await into("src", "/new");
  assert.deepEqual(list(join(p.root, "new")), TREE);
  await into("src", "/new");
  assert.deepEqual(list(join(p.root, "new/src")), TREE);
  await into("src/.", "/dir");
  assert.deepEqual(list(join(p.root, "dir")), TREE);
  await into("src/a", "/to-dir");
  await into("src/a", "rel");
  assert.equal(readFileSync(join(p.root, "rel"), "utf8"), "a");
  await into("src/a", "/dangling");
  assert.equal(readFileSync(join(p.root, "nowhere"), "utf8"), "a");
  await into("src/link", "/copied-link");
  assert.equal(readlinkSync(join(p.root, "copied-link")), "a");
  const facts = lstatSync(join(p.root, "new/a"));
  assert.deepEqual([facts.mode & 0o7777, facts.mtimeMs, facts.nlink], [0o640, 1_000_000, 2]);
  assert.equal(facts.ino, lstatSync(join(p.root, "new/hard")).ino);
  assert.equal(readFileSync(join(p.root, "new/sub/b")).length, 3_000_000);
  const refused = async (from: string, to: string, message: string) => assert.rejects(into(from, to), { message });
  await refused("src/a", "/nodir/", "no such directory");
  await refused("src/a", "/no/dir", "Could not find the file /no in container c");
  await refused("src", "/file", "cannot copy directory");
  await refused("nothere", "/", `lstat ${join(p.host, "nothere")}: no such file or directory`);
  await refused("src/a", "", "no such directory");
  mkdirSync(join(p.root, "new/x/a"), { recursive: true });
  await refused("src/a", "/new/x", 'cannot overwrite directory "/new/x/a" with non-directory "/new/x/a"');
});

test("cp: out of a container", { skip }, async () => {
  using p = places();
  await copyIn(p.rooted, "c", join(p.host, "src"), "/new", how, createTask());
  chmodSync(join(p.root, "new/a"), 0o6755);
  const out = (from: string, to: string, options = how) => copyOut(p.rooted, "c", from, join(p.host, to), options, createTask());
  await out("/new", "out");
  assert.deepEqual(list(join(p.host, "out")), TREE);
  await out("/new/.", "out2");
  assert.deepEqual(list(join(p.host, "out2")), TREE);
  assert.equal(lstatSync(join(p.host, "out/a")).mode & 0o7777, 0o755, "nothing on the host is set-user-id");
  await out("/new", "out");
  assert.deepEqual(list(join(p.host, "out/new")), TREE);
  await out("/new/link", "link");
  assert.equal(readlinkSync(join(p.host, "link")), "a");
  await out("/new/link", "followed", follow);
  assert.equal(readFileSync(join(p.host, "followed"), "utf8"), "a");
  await out("/to-dir/.", "through");
  const refused = async (from: string, to: string, message: string) => assert.rejects(out(from, to), { message });
  await refused("/nothere", "x", "Could not find the file /nothere in container c");
  await refused("/new/a/", "x", "lstat /new/a/: not a directory");
  await refused("/new", "src/a", "cannot copy directory");
  await refused("/new/a", "nodir/", "no such directory");
  await refused("/new/a", "no/dir", `invalid output path: directory "${join(p.host, "no")}" does not exist`);
});

test("X23: links in a container lead inside it, out of it nothing is read or written", { skip }, async () => {
  using p = places();
  writeFileSync(join(p.host, "secret"), "of the host");
  await assert.rejects(copyOut(p.rooted, "c", "/out/secret", join(p.host, "got"), follow, createTask()), { code: "NOT_FOUND" });
  await assert.rejects(copyIn(p.rooted, "c", join(p.host, "src/a"), "/out/a", how, createTask()), { code: "NOT_FOUND" });
  // A link to a directory of the host, and below the same name something that would go there.
  const evil = join(p.root, "evil");
  mkdirSync(evil);
  symlinkSync(p.host, join(evil, "up"));
  await copyOut(p.rooted, "c", "/evil", join(p.host, "copy"), how, createTask());
  rmSync(join(evil, "up"));
  mkdirSync(join(evil, "up"));
  writeFileSync(join(evil, "up/secret"), "replaced");
  await assert.rejects(copyOut(p.rooted, "c", "/evil/.", join(p.host, "copy"), how, createTask()), {
    message: 'cannot overwrite non-directory "/up" with directory "/up"',
  });
  assert.equal(readFileSync(join(p.host, "secret"), "utf8"), "of the host");
});

test("cp: tar archives in both directions", { skip }, async () => {
  using p = places();
  await copyIn(p.rooted, "c", join(p.host, "src"), "/new", how, createTask());
  const tar: Buffer[] = [];
  await copyOutTo(p.rooted, "c", "/new", how, new TarItems((chunk) => void tar.push(Buffer.from(chunk))), createTask());
  async function* pieces() {
    yield* tar;
  }
  await readTar(pieces(), writerInto(p.rooted, "c", "/to-dir", how), createTask());
  assert.deepEqual(list(join(p.root, "dir/new")), TREE);
  assert.equal(lstatSync(join(p.root, "dir/new/a")).nlink, 2);
  assert.throws(() => writerInto(p.rooted, "c", "/file", how), { message: 'destination "c:/file" must be a directory' });
  for (const path of ["../../../../escaped", "x/../../escaped"]) {
    const bytes: Buffer[] = [];
    const writer = new TarWriter((chunk) => void bytes.push(Buffer.from(chunk)));
    await writer.header({ type: "file", path, mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0 });
    await writer.end();
    await assert.rejects(readTar(toStream(bytes), writerInto(p.rooted, "c", "/dir", how), createTask()), { code: "TAR" });
  }
  assert.ok(!existsSync(join(top, "escaped")) && !existsSync(join(p.root, "escaped")));
  // Names without directories of their own, and a link on the way.
  const bytes: Buffer[] = [];
  const writer = new TarWriter((chunk) => void bytes.push(Buffer.from(chunk)));
  for (const path of ["made/on/the/way", "out/inside"])
    await writer.header({ type: "file", path, mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0 });
  await writer.end();
  await readTar(toStream(bytes), writerInto(p.rooted, "c", "/", how), createTask());
  assert.ok(existsSync(join(p.root, "made/on/the/way")));
  assert.ok(!existsSync(join(p.host, "inside")));
  assert.ok(existsSync(join(p.root, "host/inside")));
});

async function* toStream(bytes: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* bytes;
}

test("X23: whoever renames directories while they are copied gets nothing of the host copied", { skip }, async () => {
  using p = places();
  mkdirSync(join(p.root, "moved/deep/er"), { recursive: true });
  for (let at = 0; at < 50; at++) writeFileSync(join(p.root, "moved/deep/er", `f${at}`), "inside");
  mkdirSync(join(top, `${count}`, "moved/deep/er"), { recursive: true });
  writeFileSync(join(top, `${count}`, "moved/deep/er/f0"), "outside");
  const script = `const { renameSync, symlinkSync, unlinkSync } = require("node:fs"); process.chdir(process.argv[1]); console.log(1);
    for (const end = Date.now() + 1500; Date.now() < end;) {
      renameSync("moved/deep", "gone"); symlinkSync("../../moved/deep", "moved/deep");
      unlinkSync("moved/deep"); renameSync("gone", "moved/deep");
    }`;
  const child = spawn(process.execPath, ["-e", script, p.root], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  let copies = 0;
  while (child.exitCode === null) {
    const seen: string[] = [];
    const sink = { begin: () => {}, data: (chunk: Buffer) => void seen.push(chunk.toString()), done: () => {}, end: () => {} };
    await copyOutTo(p.rooted, "c", "/moved", how, sink, createTask()).catch((error: unknown) =>
      assert.equal((error as { code: string }).code, "NOT_FOUND"),
    );
    assert.ok(!seen.includes("outside"));
    if (seen.length > 0) copies++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
  assert.ok(copies > 0);
});
