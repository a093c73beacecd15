import { type GroupEntry, type PasswdEntry, parseGroup, parseId, parsePasswd } from "../format/passwd.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { SandboxUser } from "./spec.ts";

/** A user as a process needs him. */
export interface ResolvedUser extends SandboxUser {
  /** His home in passwd; `/` where he has no entry. */
  readonly home: string;
}

/**
 * Reads `name|uid[:group|gid]` against the image's passwd and group, as docker does (moby/sys/user): the first entry counts; a number
 * without an entry is taken as it is, with group 0; further groups only where none is named. Digits are always a number, so that an image
 * cannot name its root "1000". `extra` are groups of --group-add. Throws NOT_FOUND for a name that is not there.
 */
export function resolveUser(
  text: string,
  files: { readonly passwd?: string; readonly group?: string },
  extra: readonly string[] = [],
): ResolvedUser {
  const [name = "", groupName] = text.split(/:(.*)/s, 2) as [string?, string?];
  const passwd = parsePasswd(files.passwd ?? "");
  const groups = parseGroup(files.group ?? "");
  const uid = name === "" ? 0 : parseId(name);
  const entry = passwd.find((one) => (uid === undefined ? one.name === name : one.uid === uid));
  if (uid === undefined && /^\d+$/.test(name)) throw new Failure("NOT_FOUND", `user ${printable(name)} is beyond the largest id`);
  if (uid === undefined && !entry)
    throw new Failure("NOT_FOUND", `unable to find user ${printable(name)}: no matching entries in passwd file`, {
      hint: "Create the user in an earlier step, or give a number.",
    });
  const more = extra.map((one) => groupId(one, groups));
  const found = { uid: entry?.uid ?? uid ?? 0, home: entry?.home || "/" };
  if (groupName !== undefined && groupName !== "") return { ...found, gid: groupId(groupName, groups), groups: more };
  return { ...found, gid: entry?.gid ?? 0, groups: [...membership(entry, groups), ...more] };
}

function groupId(name: string, groups: readonly GroupEntry[]): number {
  const gid = parseId(name);
  if (gid !== undefined) return gid;
  const found = groups.find((one) => one.name === name);
  if (!found)
    throw new Failure("NOT_FOUND", `unable to find group ${printable(name)}: no matching entries in group file`, {
      hint: "Create the group in an earlier step, or give a number.",
    });
  return found.gid;
}

function membership(entry: PasswdEntry | undefined, groups: readonly GroupEntry[]): readonly number[] {
  return entry ? groups.filter((one) => one.members.includes(entry.name) && one.gid !== entry.gid).map((one) => one.gid) : [];
}
