import { lstatSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf } from "../kit/storage-failure.ts";
import { notedOwner, OWNER_ATTRIBUTE } from "../sandbox/seccomp/owners.ts";
import type { Entry } from "../tree/entry.ts";
import type { HostChange } from "./calls.ts";
import type { UnpackHow } from "./unpack.ts";

/**
 * Writes down whose a file or directory is where only one id exists, as the sandbox does for a step that changes it. The note stands also
 * for root: a file without one was made by a step. Other kinds of files cannot have such attributes.
 */
export function ownerNote(path: string, { uid, gid }: Pick<Entry, "uid" | "gid">): HostChange {
  const value = Buffer.alloc(8);
  value.writeUInt32LE(uid >>> 0, 0);
  value.writeUInt32LE(gid >>> 0, 4);
  return { call: "setxattr", path, name: OWNER_ATTRIBUTE, value };
}

/** Whose a directory is, and its mode: where only one id exists, by its note. */
export function ownerOf(path: string, how: UnpackHow): { readonly mode: number; readonly uid: number; readonly gid: number } {
  const { mode, uid, gid } = lstatSync(path);
  const owner =
    how.ids === "keep" ? { uid, gid } : (notedOwner(how.calls.attributes([path])[0]?.get(OWNER_ATTRIBUTE)) ?? { uid: 0, gid: 0 });
  return { mode: mode & 0o7777, ...owner };
}

/** Whether an attribute is one of nought's own or of an overlay's books, which no image has a say in. */
export function isOwnBook(name: string): boolean {
  return name.startsWith("user.nought.") || /^(?:trusted|user)\.overlay\./.test(name) || name.startsWith("user.fuseoverlayfs.");
}

/** Says what it means when the kernel does not know an id (EINVAL of chown(2)). Other errors stay as they are. */
export function orUnknownOwner<T>(entry: Entry, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (errnoOf(error) !== "EINVAL") throw error;
    throw new Failure("SANDBOX", `${printable(entry.path)} belongs to user ${entry.uid} and group ${entry.gid}, which do not exist here`, {
      hint: "The ranges of this user in /etc/subuid and /etc/subgid are too short for this image: make them longer.",
      cause: error,
    });
  }
}
