import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readTar } from "../format/tar-read.ts";
import { digestOf } from "../oci/digest.ts";
import { createTask } from "../task/task.ts";
import type { Entry } from "./entry.ts";
import { exportTar } from "./export.ts";
import { mergeTree } from "./merge.ts";
import { sortByPath } from "./order.ts";
import type { Path } from "./path.ts";

const facts = { mode: 0o644, uid: 0, gid: 0, mtime: 1_000_000_000.75 };
const file = (path: string, text: string): Entry => {
  const bytes = Buffer.from(text);
  return { ...facts, kind: "file", path: path as Path, size: bytes.length, content: { in: "memory", bytes } };
};

test("a tree becomes a tar in canonical order, with owners, devices, attributes, long names and hard links", async () => {
  const dir = mkdtempSync(join(tmpdir(), "nought-export-"));
  writeFileSync(join(dir, "layer"), "0123456789");
  const fd = openSync(join(dir, "layer"), "r");
  const shared = {
    ...facts,
    kind: "file",
    size: 3,
    content: { in: "layer", diffId: digestOf("l"), offset: 4 },
    digest: digestOf("456"),
  } as const;
  const long = `/${"n".repeat(150)}`;
  const tree = mergeTree([
    sortByPath([
      { ...facts, kind: "dir", path: "/a" as Path, mode: 0o2755 },
      { ...shared, path: "/a/one" as Path },
      { ...shared, path: "/two" as Path },
      file("/a-b", "between"),
      file(long, "long"),
      { ...facts, kind: "symlink", path: "/s" as Path, target: "/etc/passwd" },
      { ...facts, kind: "char", path: "/null" as Path, major: 1, minor: 3, uid: 3_000_000 },
      { ...facts, kind: "fifo", path: "/p" as Path },
      { ...file("/x", "x"), xattrs: new Map([["user.foo", Buffer.from("bar")]]) },
    ]),
  ]);
  try {
    const chunks: Buffer[] = [];
    await exportTar(
      tree,
      async () => fd,
      (chunk) => void chunks.push(Buffer.from(chunk)),
      createTask(),
    );
    const bytes = Buffer.concat(chunks);
    const members: string[] = [];
    for await (const { member } of readTar(
      (async function* () {
        yield bytes;
      })(),
    )) {
      if (member)
        members.push(
          `${member.type} ${member.path.length > 50 ? "long" : member.path} ${member.link} ${member.uid} ${member.mtime} ${member.major}`,
        );
    }
    assert.deepEqual(members, [
      "dir a/  0 1000000001 0",
      "file a/one  0 1000000001 0",
      "file a-b  0 1000000001 0",
      "file long  0 1000000001 0",
      "char null  3000000 1000000001 1",
      "fifo p  0 1000000001 0",
      "symlink s /etc/passwd 0 1000000001 0",
      "hardlink two a/one 0 1000000001 0",
      "file x  0 1000000001 0",
    ]);
    writeFileSync(join(dir, "t.tar"), bytes);
    assert.equal(execFileSync("tar", ["-xOf", join(dir, "t.tar"), "a/one", "a-b"], { encoding: "utf8" }), "456between");
  } finally {
    closeSync(fd);
    rmSync(dir, { recursive: true });
  }
});
