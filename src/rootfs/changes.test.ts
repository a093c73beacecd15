import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ownPrivileges } from "../sandbox/privileges.ts";
import { createTask } from "../task/task.ts";
import type { Draft, Entry } from "../tree/entry.ts";
import { mergeTree } from "../tree/merge.ts";
import { toPath } from "../tree/path.ts";
import { readChanges } from "./changes.ts";
import { prepareLowers, type SourceLayer } from "./lowers.ts";
import { ownHow } from "./open.ts";
import { ownerNote } from "./owner.ts";
import { removeTree } from "./remove.ts";
import { Layers } from "./testing/layers.ts";
import { Overlay, picture, treePicture, whyNot } from "./testing/overlay.ts";

const skip = whyNot();
const how = ownHow();
const { calls } = how;

const entry = {
  dir: (path: string, mode = 0o755, more: object = {}): Entry => ({
    kind: "dir",
    path: toPath(path),
    mode,
    uid: 0,
    gid: 0,
    mtime: 1000,
    ...more,
  }),
  file: (path: string, text: string, more: object = {}): Entry => ({
    kind: "file",
    path: toPath(path),
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 1000,
    size: Buffer.byteLength(text),
    content: { in: "memory", bytes: Buffer.from(text) },
    ...more,
  }),
  link: (path: string, target: string): Entry => ({
    kind: "symlink",
    path: toPath(path),
    mode: 0o777,
    uid: 0,
    gid: 0,
    mtime: 1000,
    target,
  }),
};

const BASE: Draft = [
  entry.dir("/bin", 0o711, { uid: 5, gid: 6 }),
  entry.file("/bin/tool", "tool", { mode: 0o4755 }),
  entry.dir("/etc"),
  entry.file("/etc/conf", "conf"),
  entry.dir("/etc/d"),
  entry.file("/etc/d/one", "one"),
  entry.file("/etc/d/two", "two"),
  entry.link("/etc/link", "conf"),
  entry.dir("/secret", 0),
  entry.file("/secret/x", "x", { mode: 0 }),
  entry.dir("/tmp", 0o1777),
];

/** What a step does on top of a layer: its changes as a draft, checked against what the merged directory showed. */
async function step(
  base: Draft,
  work: (root: string) => void | Promise<void>,
  check?: (draft: Draft, dir: string) => void,
): Promise<Draft> {
  const dir = mkdtempSync(join(tmpdir(), "nought-rootfs-"));
  using layers = new Layers(dir);
  const task = createTask();
  try {
    const lowest: SourceLayer = await layers.seal(base);
    const { directories, tree } = await prepareLowers(dir, [lowest], layers.files, how, task);
    let seen: string[];
    {
      await using overlay = await Overlay.mount(directories, dir);
      assert.deepEqual(
        picture(overlay.root, how),
        treePicture(tree, how, (file) => layers.read(file)),
        "the layer is unpacked as it is",
      );
      await work(overlay.root);
      seen = picture(overlay.root, how);
    }
    const draft = await readChanges(join(dir, "upper"), tree, how, task);
    const sealed = await layers.seal(draft);
    assert.deepEqual(
      treePicture(mergeTree([lowest.draft, sealed.draft]), how, (file) => layers.read(file)),
      seen,
      "the layers say what was seen",
    );
    const again = await prepareLowers(dir, [lowest, sealed], layers.files, how, task);
    mkdirSync(join(dir, "again"));
    await using overlay = await Overlay.mount(again.directories, join(dir, "again"), false);
    assert.deepEqual(picture(overlay.root, how), seen, "and show it again when they are stacked");
    check?.(draft, dir);
    return draft;
  } finally {
    removeTree(dir);
  }
}

/** chown, or where there is nobody to give it to, what the sandbox does for a step that asks for it. */
function give(path: string, uid: number, gid: number): void {
  if (how.ids === "keep") lchownSync(path, uid, gid);
  else calls.change([ownerNote(path, { uid, gid })]);
}

const lines = (draft: Draft) => draft.map((one) => `${one.kind} ${one.path}${one.kind === "dir" && one.opaque ? " opaque" : ""}`);

test("a step that changes nothing gives an empty draft", { skip }, async () => {
  assert.deepEqual(await step(BASE, () => {}), []);
});

test("changes are read back with every parent, whiteouts, opaque directories, hard links and devices", { skip }, async () => {
  const draft = await step(BASE, (root) => {
    rmSync(`${root}/etc/conf`);
    rmSync(`${root}/etc/link`);
    writeFileSync(`${root}/bin/new`, "new");
    linkSync(`${root}/bin/new`, `${root}/bin/other`);
    rmSync(`${root}/etc/d`, { recursive: true });
    mkdirSync(`${root}/etc/d`, 0o700);
    writeFileSync(`${root}/etc/d/two`, "two");
    symlinkSync("nowhere", `${root}/tmp/link`);
    give(`${root}/tmp/link`, 7, 8);
  });
  assert.deepEqual(lines(draft), [
    "dir /bin",
    "file /bin/new",
    "hardlink /bin/other",
    "dir /etc",
    "whiteout /etc/conf",
    "dir /etc/d opaque",
    "file /etc/d/two",
    "whiteout /etc/link",
    "dir /tmp",
    "symlink /tmp/link",
  ]);
  assert.deepEqual([draft[0]?.mode, draft[0]?.uid, draft[0]?.gid], [0o711, 5, 6]);
});

test("what was copied up and is as before is left out, with its directory", { skip }, async () => {
  const draft = await step(BASE, (root) => {
    closeSync(openSync(`${root}/bin/tool`, "a"));
    chmodSync(`${root}/etc/d/one`, 0o600);
    chmodSync(`${root}/etc/d/one`, 0o644);
    writeFileSync(`${root}/etc/conf`, "conf");
    utimesSync(`${root}/etc/conf`, 1000, 1000);
    give(`${root}/etc/link`, 0, 0);
    lutimesSync(`${root}/etc/link`, 1000, 1000);
    chmodSync(`${root}/secret`, 0o700);
    chmodSync(`${root}/secret`, 0);
  });
  assert.deepEqual(lines(draft), []);
});

test("the same bytes with another time, owner or mode are a change", { skip }, async () => {
  const draft = await step(BASE, (root) => {
    utimesSync(`${root}/etc/conf`, 2000, 2000);
    give(`${root}/etc/d/one`, 1, 1);
    chmodSync(`${root}/secret`, 0o755);
  });
  assert.deepEqual(lines(draft), ["dir /etc", "file /etc/conf", "dir /etc/d", "file /etc/d/one", "dir /secret"]);
});

test("a file becomes a directory, a directory a file, a link a directory", { skip }, async () => {
  const draft = await step(BASE, (root) => {
    rmSync(`${root}/etc/conf`);
    mkdirSync(`${root}/etc/conf`);
    writeFileSync(`${root}/etc/conf/inner`, "");
    rmSync(`${root}/etc/d`, { recursive: true });
    writeFileSync(`${root}/etc/d`, "file");
    rmSync(`${root}/etc/link`);
    mkdirSync(`${root}/etc/link`);
    renameSync(`${root}/bin/tool`, `${root}/etc/link/tool`);
  });
  assert.deepEqual(lines(draft), [
    "dir /bin",
    "whiteout /bin/tool",
    "dir /etc",
    "dir /etc/conf",
    "file /etc/conf/inner",
    "file /etc/d",
    "dir /etc/link",
    "file /etc/link/tool",
  ]);
});

test("attributes: capabilities and the user's own are kept, the overlay's never", { skip }, async () => {
  const draft = await step(BASE, (root) => {
    const capability = Buffer.from("0100000200040000000000000000000000000000", "hex");
    const changes = [
      { call: "setxattr", path: `${root}/bin/tool`, name: "security.capability", value: capability },
      { call: "setxattr", path: `${root}/etc/conf`, name: "user.note", value: Buffer.from("hello") },
      { call: "setxattr", path: `${root}/etc/d`, name: "trusted.mine", value: Buffer.from("x") },
      { call: "mknod", path: `${root}/tmp/null`, mode: 0o20666, major: 1, minor: 3 },
      { call: "mknod", path: `${root}/tmp/pipe`, mode: 0o10640, major: 0, minor: 0 },
      { call: "mknod", path: `${root}/tmp/socket`, mode: 0o140640, major: 0, minor: 0 },
    ] as const;
    // In a user namespace nobody may do these two.
    const refused = ownPrivileges().initial ? 0 : -1;
    assert.deepEqual(calls.change(changes), [0, 0, refused, refused, 0, 0]);
  });
  const named = (path: string) => [...(draft.find((one) => one.path === path)?.xattrs?.keys() ?? [])];
  assert.deepEqual(named("/bin/tool"), ["security.capability"]);
  assert.deepEqual(named("/etc/conf"), ["user.note"]);
  assert.deepEqual(
    draft.filter((one) => one.path.startsWith("/tmp/")).map((one) => one.kind),
    ownPrivileges().initial ? ["char", "fifo"] : ["fifo"],
  );
});
