/** For tests of this room: arbitrary layers, and arbitrary things that a step may do to a root. */
import {
  appendFileSync,
  chmodSync,
  constants,
  cpSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import fc from "fast-check";
import { LayerDraft } from "../../image/layer-draft.ts";
import { Failure } from "../../kit/error.ts";
import { errnoOf } from "../../kit/storage-failure.ts";
import type { Draft, Entry } from "../../tree/entry.ts";
import { mergeTree, stack } from "../../tree/merge.ts";
import { toPath } from "../../tree/path.ts";
import { ownerNote } from "../owner.ts";
import type { UnpackHow } from "../unpack.ts";

/** Few names, so that things meet. One of them has bytes that are no UTF-8, one looks odd in a tar. */
const NAMES = ["a", "b", "c", "d e", "\udcff"];
const name = fc.constantFrom(...NAMES);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join("/")}`);
const text = fc.constantFrom("", "one", "two", "x".repeat(5000));
const mode = fc.constantFrom(0o644, 0o755, 0o700, 0, 0o4755, 0o2755, 0o1777, 0o600);
const id = fc.constantFrom(0, 1, 1000, 65000);
const time = fc.constantFrom(0, 1000, 1_700_000_000);
const target = fc.oneof(path, fc.constantFrom("a", "../b", "..", "/", "nowhere", "../../../../c"));

/** File capabilities as the kernel keeps them: version 2, cap_net_raw. linux/capability.h, struct vfs_cap_data. */
const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex");
const xattrs = fc.constantFrom(undefined, undefined, new Map<string, Uint8Array>([["user.note", Buffer.from("x")]]));

type Member = { readonly entry?: Entry; readonly whiteout?: string; readonly opaque?: string };

const member: fc.Arbitrary<Member> = fc.oneof(
  { weight: 4, arbitrary: entryOf("file") },
  { weight: 4, arbitrary: entryOf("dir") },
  { weight: 2, arbitrary: entryOf("symlink") },
  { weight: 1, arbitrary: entryOf("hardlink") },
  { weight: 1, arbitrary: entryOf("fifo") },
  { weight: 2, arbitrary: path.map((one) => ({ whiteout: one })) },
  { weight: 1, arbitrary: path.map((one) => ({ opaque: one })) },
);

function entryOf(kind: "file" | "dir" | "symlink" | "hardlink" | "fifo"): fc.Arbitrary<Member> {
  return fc.record({ path, mode, uid: id, gid: id, mtime: time, text, target, link: path, xattrs }).map((all) => {
    const facts = { path: toPath(all.path), mode: all.mode, uid: all.uid, gid: all.gid, mtime: all.mtime };
    const noted = all.xattrs && (kind === "file" || kind === "dir") ? { xattrs: all.xattrs } : {};
    if (kind === "file") {
      const bytes = Buffer.from(all.text);
      return { entry: { kind, ...facts, ...noted, size: bytes.length, content: { in: "memory", bytes } } };
    }
    if (kind === "symlink") return { entry: { kind, ...facts, mode: 0o777, target: all.target } };
    if (kind === "hardlink") return { entry: { kind, ...facts, target: toPath(all.link) } };
    return { entry: { kind, ...facts, ...noted } };
  });
}

/** Layers as archives from anywhere have them: without parents, through links, with whiteouts of what is not there. Lowest first. */
export const layers: fc.Arbitrary<readonly Draft[]> = fc
  .array(fc.array(member, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 })
  .map((all) => {
    const drafts: Draft[] = [];
    let below = mergeTree([]);
    for (const members of all) {
      const draft = draftOf(members);
      try {
        if (draft) below = stack(below, draft);
        if (draft) drafts.push(draft);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
      }
    }
    return drafts;
  });

function draftOf(members: readonly Member[]): Draft | undefined {
  const draft = new LayerDraft();
  for (const { entry, whiteout, opaque } of members) {
    try {
      if (entry) draft.add(entry);
      else if (whiteout) draft.whiteout(toPath(whiteout), { mode: 0, uid: 0, gid: 0, mtime: 0 });
      else if (opaque) draft.opaque(toPath(opaque));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  try {
    return draft.finish();
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** One thing that a program does. What the kernel refuses is left undone. */
export type Deed = { readonly does: string; readonly at: string; readonly to: string; readonly text: string; readonly number: number };

const DOES = "write append truncate mkdir mkdir remove remove rename rename move link symlink chmod chown time note capability".split(" ");
DOES.push("fifo", "device", "anew", "touch back", "socket");

export const deeds: fc.Arbitrary<readonly Deed[]> = fc.array(
  fc.record({ does: fc.constantFrom(...DOES), at: path, to: path, text, number: fc.nat(1000) }),
  { minLength: 1, maxLength: 25 },
);

/** Does things in a root. */
export function perform(all: readonly Deed[], root: string, how: UnpackHow): void {
  for (const deed of all) {
    try {
      performOne(deed, root, how);
    } catch (error) {
      if (errnoOf(error) === undefined && !`${(error as { code?: unknown }).code}`.startsWith("ERR_FS_")) throw error;
    }
  }
}

function performOne({ does, at, to, text: bytes, number }: Deed, root: string, { calls, ids }: UnpackHow): void {
  const [file, other] = [root + encoded(at), root + encoded(to)];
  const set = (attribute: string, value: Buffer) => calls.change([{ call: "setxattr", path: root + at, name: attribute, value }]);
  // Links are followed by the kernel as outside of the root: only what is no link is written through.
  // A FIFO would wait for somebody to read.
  const there = lstatSync(file, { throwIfNoEntry: false });
  const plain = there === undefined || there.isFile() || there.isDirectory();
  if (!plain && ["write", "append", "truncate", "chmod", "move", "touch back"].includes(does)) return;
  switch (does) {
    case "write":
      return writeFileSync(file, bytes);
    case "append":
      return appendFileSync(file, bytes);
    case "truncate":
      return truncateSync(file, number % 7);
    case "mkdir":
      return mkdirSync(file, number % 2 ? 0o755 : 0o700);
    case "remove":
      return rmSync(file, { recursive: true });
    case "rename":
      return renameSync(file, other);
    case "move":
      cpSync(file, other, { recursive: true, verbatimSymlinks: true });
      return rmSync(file, { recursive: true });
    case "link":
      return linkSync(file, other);
    case "symlink":
      return symlinkSync(number % 2 ? to : "../b", file);
    case "chmod":
      return chmodSync(file, [0o644, 0o4711, 0, 0o1777][number % 4] as number);
    case "chown":
      if (ids === "keep") return lchownSync(file, number % 5, number % 3);
      calls.change([ownerNote(root + at, { uid: number % 5, gid: number % 3 })]);
      return;
    case "time":
      return lutimesSync(file, number, number);
    case "note":
      return void set("user.note", Buffer.from(bytes.slice(0, 20)));
    case "capability":
      return void set("security.capability", CAPABILITY);
    case "fifo":
      return void calls.change([{ call: "mknod", path: root + at, mode: constants.S_IFIFO | 0o640, major: 0, minor: 0 }]);
    case "socket":
      return void calls.change([{ call: "mknod", path: root + at, mode: constants.S_IFSOCK | 0o640, major: 0, minor: 0 }]);
    case "device":
      return void calls.change([{ call: "mknod", path: root + at, mode: constants.S_IFBLK | 0o660, major: 7, minor: 300 }]);
    case "anew":
      rmSync(file, { recursive: true });
      return mkdirSync(file);
    case "touch back": {
      const { mtimeMs, mode: before } = lstatSync(file);
      chmodSync(file, 0o711);
      chmodSync(file, before & 0o7777);
      return lutimesSync(file, mtimeMs / 1000, mtimeMs / 1000);
    }
  }
}

/** Names with bytes that are no UTF-8 cannot be said in a string; they are left to the layers. */
function encoded(at: string): string {
  return at.replaceAll("\udcff", "f");
}
