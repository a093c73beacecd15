import assert from "node:assert/strict";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { digestOf, hexOf } from "../oci/digest.ts";
import { ownHow } from "../rootfs/open.ts";
import { ownerNote } from "../rootfs/owner.ts";
import { removeTree } from "../rootfs/remove.ts";
import { Layers } from "../rootfs/testing/layers.ts";
import { picture, whyNot } from "../rootfs/testing/overlay.ts";
import { testRootless, whyNotRootless } from "../rootfs/testing/rootless.ts";
import { openStore } from "../store/store.ts";
import { createTask } from "../task/task.ts";
import type { Draft } from "../tree/entry.ts";
import { type Path, toPath } from "../tree/path.ts";
import { type ArchivedMount, EMPTY_CONFIG, encodeArchive } from "./archive.ts";
import { exportCacheMounts } from "./export.ts";
import { importCacheMounts } from "./import.ts";
import { listCacheMounts, removeCacheMounts } from "./list.ts";
import type { CacheMountStore } from "./mount.ts";
import { takeCacheMount } from "./take.ts";

const skip = whyNot();
const how = ownHow();
const task = createTask();
const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex");

async function within(work: (store: CacheMountStore, dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "nought-archive-"));
  try {
    await using store = await openStore(join(dir, "store"));
    await work(store, dir);
  } finally {
    removeTree(dir);
  }
}

async function fill(store: CacheMountStore, id: string): Promise<string[]> {
  await using mount = await takeCacheMount(
    store,
    { id, sharing: "locked", mode: 0o2750, uid: 7, gid: 8, description: "filled" },
    how,
    task,
  );
  const at = (name: string) => join(mount.path, name);
  writeFileSync(at("file"), "bytes", { mode: 0o600 });
  linkSync(at("file"), at("link"));
  symlinkSync("nowhere", at("symlink"));
  mkdirSync(at("folder"), 0o700);
  writeFileSync(at("folder/inner"), "x".repeat(3_000_000));
  const done = how.calls.change([
    { call: "setxattr", path: at("file"), name: "user.note", value: Buffer.from("x") },
    { call: "setxattr", path: at("file"), name: "security.capability", value: CAPABILITY },
    { call: "mknod", path: at("fifo"), mode: 0o10640, major: 0, minor: 0 },
    ...(how.ids === "mine" ? [ownerNote(at("folder"), { uid: 5, gid: 6 })] : []),
  ]);
  assert.ok(
    done.every((result) => result === 0),
    `${done}`,
  );
  return picture(mount.path, how);
}

test("what is exported and imported is what it was: owners, modes, links, attributes, the directory itself", { skip }, async () => {
  await within(async (store, dir) => {
    const before = await fill(store, "go");
    const [mount] = listCacheMounts(store.dir);
    assert.ok(mount && mount.size > 3_000_000 && mount.id === "go" && mount.description === "filled");
    for (const output of [{ file: join(dir, "a.tar") }, { folder: join(dir, "a") }])
      await exportCacheMounts(store, [mount], output, how, task);
    await exportCacheMounts(store, [mount], { file: join(dir, "b.tar") }, how, task);
    assert.ok(readFileSync(join(dir, "a.tar")).equals(readFileSync(join(dir, "b.tar"))), "equal contents, equal bytes");
    for (const path of [join(dir, "a.tar"), join(dir, "a")]) {
      assert.equal((await removeCacheMounts(store.dir, () => true)).length, 1);
      const [done] = await importCacheMounts(store, { path }, false, how, task);
      assert.equal(done?.outcome, "made");
      const [again] = listCacheMounts(store.dir);
      assert.deepEqual([again?.id, again?.sharing, again?.description], ["go", "locked", "filled"]);
      await using taken = await takeCacheMount(store, { id: "go", sharing: "locked", mode: 0o2750, uid: 7, gid: 8 }, how, task);
      assert.equal(taken.fresh, false, "who asks for the same finds it");
      assert.deepEqual(picture(taken.path, how), before);
      assert.match(picture(join(taken.path, ".."), how).find((line) => line.startsWith("/data ")) ?? "", /^\/data dir 2750 7:8 /);
    }
  });
});

test("in use: it is not exported, not replaced and not removed", { skip }, async () => {
  await within(async (store, dir) => {
    await fill(store, "go");
    const [idle] = listCacheMounts(store.dir);
    assert.ok(idle);
    await exportCacheMounts(store, [idle], { folder: join(dir, "a") }, how, task);
    await using _taken = await takeCacheMount(store, { id: "go", sharing: "shared", mode: 0o2750, uid: 7, gid: 8 }, how, task);
    const [busy] = listCacheMounts(store.dir);
    assert.ok(busy?.inUse);
    await assert.rejects(
      exportCacheMounts(store, [busy], { folder: join(dir, "b") }, how, task),
      (error: Failure) => error.code === "CONFLICT",
    );
    assert.equal((await importCacheMounts(store, { path: join(dir, "a") }, true, how, task))[0]?.outcome, "busy");
    assert.deepEqual(await removeCacheMounts(store.dir, () => true), []);
  });
});

/** An archive in a folder, of one mount with this draft. */
async function archiveOf(dir: string, draft: Draft, change: (mount: ArchivedMount) => object = (mount) => mount): Promise<string> {
  const path = mkdtempSync(join(dir, "made-"));
  const blobs = join(path, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  using layers = new Layers(blobs);
  const { diffId } = await layers.seal(draft);
  const record = { id: "go", sharing: "shared", created: 1, lastUsed: 1, uses: 1 } as const;
  const size = readFileSync(join(blobs, hexOf(diffId))).length;
  const mount = { digest: diffId, size, key: "a".repeat(64), record, root: { mode: 0o755, uid: 0, gid: 0 } };
  const { manifest, index } = encodeArchive([change(mount) as ArchivedMount]);
  writeFileSync(join(blobs, hexOf(digestOf(manifest))), manifest);
  writeFileSync(join(blobs, hexOf(digestOf(EMPTY_CONFIG))), EMPTY_CONFIG);
  writeFileSync(join(path, "index.json"), index);
  return path;
}

test("X08: an archive from anybody makes no devices, leaves its place nowhere and is read within bounds", { skip }, async () => {
  const facts = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
  const plain: Draft = [{ kind: "dir", path: toPath("/a"), ...facts }];
  await within(async (store, dir) => {
    const bad: Draft = [
      ...plain,
      { kind: "block", path: toPath("/a/disk"), major: 8, minor: 0, ...facts },
      { kind: "hardlink", path: toPath("/a/other"), target: toPath("/a/disk"), ...facts },
      { kind: "symlink", path: toPath("/a/out"), target: "/etc", ...facts },
    ];
    const done = await importCacheMounts(store, { path: await archiveOf(dir, bad) }, false, how, task);
    assert.deepEqual(
      done.map(({ outcome }) => outcome),
      ["made"],
    );
    const [mount] = listCacheMounts(store.dir);
    assert.deepEqual(
      picture(mount?.data ?? "", how).map((line) => line.split(" ").slice(0, 2).join(" ")),
      ["/a dir", "/a/out link"],
    );
    const refused = async (draft: Draft, code: string, change?: (mount: ArchivedMount) => object) => {
      const path = await archiveOf(dir, draft, change);
      await assert.rejects(importCacheMounts(store, { path }, true, how, task), (error: Failure) => error.code === code, code);
    };
    await refused(plain, "MANIFEST", (one) => ({ ...one, key: "../../x" }));
    await refused(plain, "MANIFEST", (one) => ({ ...one, root: { ...one.root, mode: 0o100755 } }));
    await refused(plain, "MANIFEST", (one) => ({ ...one, record: { id: 5 } }));
    await refused(plain, "DIGEST", (one) => ({ ...one, size: one.size + 1 }));
    await refused(
      [
        { kind: "symlink", path: toPath("/l"), target: "/etc", ...facts },
        { kind: "fifo", path: "/l/x" as Path, ...facts },
      ],
      "TAR",
    );
    assert.equal(listCacheMounts(store.dir).length, 1);
  });
});

for (const kind of ["ranges", "single"] as const) {
  test(`X28: cache mounts of an ordinary user, ${kind === "ranges" ? "with ranges of ids" : "with a single id"}`, {
    skip: whyNotRootless(kind),
  }, (t) => {
    const { failed, passed, report } = testRootless(kind, [join(import.meta.dirname, "archive.test.ts")]);
    if (report.includes("# cannot enter")) return t.skip(report);
    assert.deepEqual(failed, [], report);
    assert.ok(passed >= 3, report);
  });
}
