import type { Deb } from "../deb.ts";
import type { Site } from "./site.ts";

/** Numbers that are given out, from the highest on (login.defs(5), SYS_UID_MAX and SYS_UID_MIN of Debian). */
const HIGHEST = 999;
const LOWEST = 100;

const NAME = /^[a-z_][a-z0-9_-]{0,31}$/i;

/**
 * The users and groups that packages ask for in `/usr/lib/sysusers.d`, as systemd-sysusers makes them when the packages are set up, one
 * package after the other: without a password, and without their homes. What is there already stays. Lines that say nothing that can
 * be understood are passed over, as there. sysusers.d(5).
 */
export async function systemUsers(site: Site): Promise<void> {
  for (const deb of site.debs) {
    if (!site.isNew(deb.name) || deb.name === "base-passwd") continue;
    for (const { path } of deb.draft) {
      if (!/^\/usr\/lib\/sysusers\.d\/[^/]+\.conf$/.test(path)) continue;
      const text = await site.text(path);
      if (text !== undefined) await apply(site, deb, parseSysusers(text));
    }
  }
}

/** A line of a file of sysusers.d(5). Fields that are left out or `-` are empty. */
export interface SysusersLine {
  readonly type: "u" | "g" | "m";
  /** `u!`: the account is locked for good. */
  readonly locked: boolean;
  readonly name: string;
  /** Number, `number:number`, `number:group`, path; of `m` the group. */
  readonly id: string;
  readonly comment: string;
  readonly home: string;
  readonly shell: string;
}

/** Reads a file of sysusers.d(5): groups first, then users, then members, as they are made. */
export function parseSysusers(text: string): readonly SysusersLine[] {
  const lines = text.split("\n").flatMap((raw): SysusersLine[] => {
    if (/^\s*(?:#|$)/.test(raw)) return [];
    const fields = [...raw.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? "");
    const [kind = "", name = "", id = "", comment = "", home = "", shell = ""] = fields.map((one) => (one === "-" ? "" : one));
    const type = kind.replace("!", "");
    if ((type !== "u" && type !== "g" && type !== "m") || !NAME.test(name) || [comment, home, shell].some((one) => one.includes(":")))
      return [];
    return [{ type, locked: kind.endsWith("!"), name, id, comment, home, shell }];
  });
  return (["g", "u", "m"] as const).flatMap((type) => lines.filter((line) => line.type === type));
}

async function apply(site: Site, deb: Deb, lines: readonly SysusersLine[]): Promise<void> {
  if (lines.length === 0) return;
  const passwd = table((await site.text("/etc/passwd")) ?? "root:x:0:0:root:/root:/sbin/nologin\n");
  const group = table((await site.text("/etc/group")) ?? "root:x:0:\n");
  const hidden = { shadow: await tableOf(site, "/etc/shadow"), gshadow: await tableOf(site, "/etc/gshadow") };
  const numbers = (rows: readonly string[][]) => new Set(rows.map((row) => Number(row[2])));
  const free = (wanted: number | undefined): number | undefined => {
    const [uids, gids] = [numbers(passwd), numbers(group)];
    if (wanted !== undefined && !uids.has(wanted) && !gids.has(wanted)) return wanted;
    for (let id = HIGHEST; id >= LOWEST; id--) if (!uids.has(id) && !gids.has(id)) return id;
    return undefined;
  };
  const addGroup = (name: string, wanted: number | undefined): string | undefined => {
    const there = group.find((row) => row[0] === name);
    if (there) return there[2];
    const gid = wanted !== undefined && !numbers(group).has(wanted) ? wanted : free(wanted);
    if (gid === undefined) return undefined;
    group.push([name, "x", `${gid}`, ""]);
    hidden.gshadow?.push([name, "!*", "", ""]);
    return `${gid}`;
  };
  const idOf = (text: string, which: "uid" | "gid"): number | undefined => {
    const entry = text.startsWith("/") ? site.lookup(text) : undefined;
    return entry ? entry[which] : /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  };
  const addUser = ({ name, id, comment, home, shell, locked }: Pick<SysusersLine, "name"> & Partial<SysusersLine>): void => {
    if (passwd.some((row) => row[0] === name)) return;
    const [first = "", second] = (id ?? "").split(":");
    const wanted = idOf(first, "uid");
    const named = second === undefined ? undefined : (group.find((row) => row[0] === second)?.[2] ?? `${idOf(second, "gid") ?? ""}`);
    const gid = named || addGroup(name, second === undefined && first.startsWith("/") ? idOf(first, "gid") : wanted);
    const uids = numbers(passwd);
    // The number asked for, else that of a group of its own, else the next.
    const uid = [wanted, named ? undefined : Number(gid)].find((one) => one !== undefined && !uids.has(one)) ?? free(undefined);
    if (gid === undefined || uid === undefined) return;
    passwd.push([name, "x", `${uid}`, gid, comment ?? "", home || "/", shell || "/usr/sbin/nologin"]);
    const day = Math.floor(site.time(deb.name) / 86_400);
    hidden.shadow?.push([name, "!*", `${day}`, "", "", "", "", locked ? "1" : "", ""]);
  };
  for (const line of lines) {
    if (line.type === "g") addGroup(line.name, idOf(line.id, "gid"));
    else if (line.type === "u") addUser(line);
    else if (NAME.test(line.id)) {
      addGroup(line.id, undefined);
      addUser({ name: line.name });
      for (const rows of [group, hidden.gshadow]) {
        const row = rows?.find(([name]) => name === line.id);
        if (row) row[3] = [...new Set([...(row[3] ?? "").split(",").filter(Boolean), line.name])].join(",");
      }
    }
  }
  for (const [path, rows] of [
    ["/etc/passwd", passwd],
    ["/etc/group", group],
    ["/etc/shadow", hidden.shadow],
    ["/etc/gshadow", hidden.gshadow],
  ] as const) {
    if (rows === undefined) continue;
    const { mode = 0o644, uid = 0, gid = 0 } = site.lookup(path) ?? {};
    site.file(path, rows.map((row) => `${row.join(":")}\n`).join(""), deb.name, { mode, uid, gid });
  }
}

function table(text: string): string[][] {
  return text.split("\n").flatMap((line) => (line === "" ? [] : [line.split(":")]));
}

async function tableOf(site: Site, path: string): Promise<string[][] | undefined> {
  const text = await site.text(path);
  return text === undefined ? undefined : table(text);
}
