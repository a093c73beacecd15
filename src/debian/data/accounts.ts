import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Site } from "./site.ts";

/** A user of an image. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  /** Number of the main group, which gets the user's name where no other has it. Default: the uid. */
  readonly gid?: number;
  readonly home?: string;
  readonly shell?: string;
  /** The full name (GECOS). */
  readonly comment?: string;
}

export interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members?: readonly string[];
}

const NAME = /^[a-z_][a-z0-9_-]{0,31}$/i;
const PASSWD = "base-passwd";

/**
 * base-passwd: the users and groups that every Debian system has; with the package passwd, also the files for passwords, which nobody
 * has.
 */
export async function systemAccounts(site: Site): Promise<void> {
  if (!site.isNew(PASSWD)) return;
  const passwd = await site.text("/usr/share/base-passwd/passwd.master");
  const group = await site.text("/usr/share/base-passwd/group.master");
  if (passwd === undefined || group === undefined) return;
  const script =
    site.debs
      .find(({ name }) => name === PASSWD)
      ?.files.get("postinst")
      ?.toString("latin1") ?? "";
  const shadow = site.has("passwd");
  const bare = (text: string) => (shadow ? text.replace(/^([^:]+):\*:/gm, "$1:x:") : text);
  site.file("/etc/passwd", bare(passwd), PASSWD);
  site.file("/etc/group", bare(group), PASSWD);
  for (const name of ["subuid", "subgid"])
    if (script.includes(`/etc/${name}`) || shadow) site.file(`/etc/${name}`, "", script.includes(`/etc/${name}`) ? PASSWD : "passwd");
  if (!shadow) return;
  const day = Math.floor(site.time() / 86_400);
  const names = (text: string) => text.split("\n").flatMap((line) => (line.includes(":") ? [line.slice(0, line.indexOf(":"))] : []));
  const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");
  site.file("/etc/shadow", text(names(passwd).map((name) => `${name}:*:${day}:0:99999:7:::`)), "passwd", { mode: 0o640, gid: 42 });
  site.file("/etc/gshadow", text(names(group).map((name) => `${name}:*::`)), "passwd", { mode: 0o640, gid: 42 });
}

/**
 * Adds users and groups to the files that are there, or makes those files with root and nobody in them. Homes are made where they are
 * not there. Throws PACKAGE for a name or number that is taken or malformed.
 */
export async function addAccounts(site: Site, accounts: readonly Account[], groups: readonly Group[], from = ""): Promise<void> {
  const passwd = lines(
    (await site.text("/etc/passwd")) ?? "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n",
  );
  const group = lines((await site.text("/etc/group")) ?? "root:x:0:\ntty:x:5:\nstaff:x:50:\nnobody:x:65534:\n");
  const gids = new Map(group.map((line) => [line.split(":")[0] as string, Number(line.split(":")[2])]));
  const addGroup = ({ name, gid, members = [] }: Group) => {
    check(name, gid);
    if (gids.get(name) === gid) return;
    if (gids.has(name)) throw new Failure("PACKAGE", `the group ${printable(name)} is there already, with the number ${gids.get(name)}`);
    gids.set(name, gid);
    group.push(`${name}:x:${gid}:${members.join(",")}`);
  };
  for (const one of groups) addGroup(one);
  for (const { name, uid, gid = uid, home = `/home/${name}`, shell = "/sbin/nologin", comment = "" } of accounts) {
    check(name, uid);
    for (const text of [home, shell, comment])
      if (/[:\n\0]/.test(text)) throw new Failure("PACKAGE", `user ${printable(name)}: "${printable(text)}" cannot stand in /etc/passwd`);
    const there = passwd.findIndex((line) => line.startsWith(`${name}:`));
    const line = `${name}:x:${uid}:${gid}:${comment}:${home}:${shell}`;
    if (there >= 0) passwd[there] = line;
    else passwd.push(line);
    if (![...gids.values()].includes(gid)) addGroup({ name, gid });
    if (home !== "/" && home !== "/nonexistent") site.dir(home, from, { mode: 0o700, uid, gid });
  }
  site.file("/etc/passwd", `${passwd.join("\n")}\n`, from);
  site.file("/etc/group", `${group.join("\n")}\n`, from);
}

function check(name: string, id: number): void {
  if (!NAME.test(name)) throw new Failure("PACKAGE", `"${printable(name)}" cannot be the name of a user or group`);
  if (!Number.isInteger(id) || id < 0 || id > 2 ** 31 - 1)
    throw new Failure("PACKAGE", `${printable(name)}: ${id} cannot be the number of a user or group`);
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
