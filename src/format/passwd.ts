/** One line of /etc/passwd. passwd(5). */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/** One line of /etc/group. group(5). */
export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Ids above this are not accepted anywhere: 2^32-1 means "no change" to the kernel, and larger ones would wrap to small ones. */
export const MAX_ID = 2 ** 31 - 1;

/** Reads passwd text; lines that are no entry are passed over, as libc does. */
export function parsePasswd(text: string): readonly PasswdEntry[] {
  const entries: PasswdEntry[] = [];
  for (const line of text.split("\n")) {
    const [name = "", , uid = "", gid = "", , home = "", shell = ""] = line.split(":");
    const ids = [parseId(uid), parseId(gid)] as const;
    if (name === "" || name.startsWith("#") || ids[0] === undefined || ids[1] === undefined) continue;
    entries.push({ name, uid: ids[0], gid: ids[1], home, shell });
  }
  return entries;
}

/** Reads group text; lines that are no entry are passed over. */
export function parseGroup(text: string): readonly GroupEntry[] {
  const entries: GroupEntry[] = [];
  for (const line of text.split("\n")) {
    const [name = "", , gid = "", members = ""] = line.split(":");
    const id = parseId(gid);
    if (name === "" || name.startsWith("#") || id === undefined) continue;
    entries.push({ name, gid: id, members: members.split(",").filter(Boolean) });
  }
  return entries;
}

/** A user or group id in decimal, or undefined for anything else; never wraps. */
export function parseId(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}
