import assert from "node:assert/strict";
import { lstatSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { notedOwner, OWNER_ATTRIBUTE } from "../sandbox/seccomp/owners.ts";
import { mergeTree } from "../tree/merge.ts";
import { toPath } from "../tree/path.ts";
import { ownHow } from "./open.ts";
import { removeTree } from "./remove.ts";
import { makeStubs } from "./stub.ts";
import { whyNot } from "./testing/overlay.ts";

test("parents of mount points have the attributes and the owners that the image says", { skip: whyNot() }, () => {
  const dir = mkdtempSync(join(tmpdir(), "nought-stub-"));
  try {
    const note = { xattrs: new Map([["user.note", Buffer.from("x")]]) };
    const image = mergeTree([[{ kind: "dir", path: toPath("/etc"), mode: 0o711, uid: 5, gid: 6, mtime: 1000, ...note }]]);
    const { calls } = ownHow();
    makeStubs(join(dir, "stubs"), [{ path: "/etc/hosts", kind: "file" }], image, "mine", calls);
    const [etc] = calls.attributes([join(dir, "stubs/etc")]);
    assert.equal(Buffer.from(etc?.get("user.note") ?? []).toString(), "x");
    assert.deepEqual(notedOwner(etc?.get(OWNER_ATTRIBUTE)), { uid: 5, gid: 6 });
  } finally {
    removeTree(dir);
  }
});

test("mount points that an image lacks are made, with its parents as they are", () => {
  const dir = mkdtempSync(join(tmpdir(), "nought-stub-"));
  try {
    const facts = { uid: 0, gid: 0, mtime: 1000 };
    const image = mergeTree([
      [
        { kind: "symlink", path: toPath("/dev"), mode: 0o777, ...facts, target: "/etc" },
        { kind: "dir", path: toPath("/etc"), mode: 0o711, ...facts },
      ],
    ]);
    const points = [{ path: "/dev", kind: "directory" } as const, { path: "/etc/hosts", kind: "file" } as const];
    const made = makeStubs(join(dir, "stubs"), points, image, "mine");
    assert.deepEqual([...made], ["/dev", "/etc/hosts"]);
    assert.ok(lstatSync(join(dir, "stubs/dev")).isDirectory());
    const etc = lstatSync(join(dir, "stubs/etc"));
    assert.deepEqual([etc.mode & 0o777, etc.mtimeMs], [0o711, 1_000_000]);
  } finally {
    removeTree(dir);
  }
});
