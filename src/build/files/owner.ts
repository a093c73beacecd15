import { MAX_ID, parseGroup, parseId, parsePasswd } from "../../format/passwd.ts";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import type { FileEntry } from "../../tree/entry.ts";
import { type Path, toPath } from "../../tree/path.ts";
import type { Tree } from "../../tree/tree.ts";
import type { Owner } from "./place.ts";

/** Reads a whole small file of the image. */
export type ReadFile = (file: FileEntry) => Promise<Uint8Array>;

const PASSWD = toPath("/etc/passwd");
const GROUP = toPath("/etc/group");

/**
 * Reads `--chown=USER[:GROUP]` or a USER instruction as docker does: numbers are ids and a number alone is user and group; names come from
 * /etc/passwd and /etc/group of the image, and a user's name alone brings its own group. Throws PLAN for names that are not there (docker
 * takes them for root without a word) and for numbers that would wrap.
 */
export async function parseOwner(text: string, tree: () => Promise<Tree>, read: ReadFile, what: string): Promise<Owner> {
  const [user = "", group, ...more] = text.split(":");
  if (more.length > 0) throw new Failure("PLAN", `${what}: invalid user "${printable(text)}": it is not of the form user[:group]`);
  const uid = numeric(user, what);
  const gid = group === undefined || group === "" ? undefined : numeric(group, what);
  const needsUser = user !== "" && uid === undefined;
  const needsGroup = group !== undefined && group !== "" && gid === undefined;
  let found: Owner = { uid: uid ?? 0, gid: uid ?? 0 };
  if (needsUser && !(user === "root" && (await tree()).lookup(PASSWD) === undefined)) {
    const entry = parsePasswd(await file(await tree(), PASSWD, read, what, user)).find((one) => one.name === user);
    if (!entry) throw unknown("user", user, PASSWD, what);
    found = { uid: entry.uid, gid: entry.gid };
  }
  if (gid !== undefined) return { uid: found.uid, gid };
  if (!needsGroup) return group === "" ? { uid: found.uid, gid: 0 } : found;
  if (group === "root" && (await tree()).lookup(GROUP) === undefined) return { uid: found.uid, gid: 0 };
  const entry = parseGroup(await file(await tree(), GROUP, read, what, group)).find((one) => one.name === group);
  if (!entry) throw unknown("group", group, GROUP, what);
  return { uid: found.uid, gid: entry.gid };
}

function numeric(text: string, what: string): number | undefined {
  if (!/^[+-]?[0-9]+$/.test(text)) return undefined;
  const id = parseId(text);
  if (id === undefined)
    throw new Failure("PLAN", `${what}: uids and gids must be in range 0-${MAX_ID}, not ${printable(text.slice(0, 40))}`);
  return id;
}

function unknown(kind: "user" | "group", name: string, path: Path, what: string): Failure {
  return new Failure("PLAN", `${what}: unable to find ${kind} ${printable(name)}: no matching entry in ${path}`, {
    hint: `COPY a ${path} that names it before, or use a number.`,
  });
}

async function file(tree: Tree, path: Path, read: ReadFile, what: string, name: string): Promise<string> {
  const entry = tree.lookup(path);
  if (entry === undefined) {
    throw new Failure("PLAN", `${what}: invalid user or group "${printable(name)}": there is no ${path} to look it up in`, {
      hint: `Use numbers, or COPY a ${path} first; FROM scratch starts without one, and --link sees nothing of what was there before.`,
    });
  }
  if (entry.kind !== "file") throw new Failure("PLAN", `${what}: ${path} of the image is not a regular file`);
  if (entry.size > LIMITS.passwdBytes)
    throw new Failure("LIMIT", `${what}: ${path} of the image is larger than ${LIMITS.passwdBytes} bytes`);
  return Buffer.from(await read(entry)).toString("utf8");
}
