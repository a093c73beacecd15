import { lstatSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { ownHow } from "../rootfs/open.ts";
import type { Shelf } from "../shelf/shelf.ts";
import { fsName } from "../tree/content.ts";
import { type Path, parentOf, ROOT, toPath } from "../tree/path.ts";
import type { Tree } from "../tree/tree.ts";
import { readDocument, writeDocument } from "./documents.ts";
import type { Places } from "./places.ts";

/** An image's passwd or group file: where it really lies, and its text. */
interface Account {
  readonly path: Path;
  readonly text?: string;
}

/** Users and groups as a container has them; for resolveUser. */
export interface Accounts {
  readonly passwd?: string;
  readonly group?: string;
}

const FILES = { passwd: "/etc/passwd", group: "/etc/group" } as const;

/** Keeps the image's users and groups beside the container, so that a start need not look into layers. Throws LIMIT. */
export async function keepAccounts(places: Places, tree: Tree, shelf: Shelf): Promise<void> {
  const found: Record<string, Account> = {};
  for (const [name, text] of Object.entries(FILES)) {
    const path = tree.resolve(toPath(text)) ?? toPath(text);
    const entry = tree.get(path);
    // Anything but a file says nothing, as for docker: a directory, a pipe, a device.
    if (entry?.kind !== "file") found[name] = { path };
    else if (entry.size > LIMITS.passwdBytes) throw tooLarge(path, entry.size);
    else found[name] = { path, text: Buffer.from(await shelf.read(entry)).toString("utf8") };
  }
  writeDocument(places.accounts, found);
}

function tooLarge(path: string, size: number): Failure {
  return new Failure("LIMIT", `${printable(path)} is ${size} bytes long; ${LIMITS.passwdBytes} are read`);
}

/** Users and groups as they are now: the image's, unless the container has files of its own. Throws LIMIT, STORAGE. */
export function readAccounts(places: Places): Accounts {
  const kept = (readDocument(places.accounts) ?? {}) as Record<string, Account>;
  const found: { passwd?: string; group?: string } = {};
  for (const name of ["passwd", "group"] as const) {
    const { path = toPath(FILES[name]), text } = kept[name] ?? {};
    const changed = changedText(places.upper, path);
    const now = changed === "as before" ? text : changed;
    if (now !== undefined) found[name] = now;
  }
  return found;
}

/** The text that the container's own changes say for a path, undefined where they took it away. */
function changedText(upper: string, path: Path): string | undefined | "as before" {
  try {
    for (const folder of foldersTo(path)) {
      const facts = lstatSync(fsName(upper + folder), { throwIfNoEntry: false });
      if (facts === undefined) return "as before";
      if (!facts.isDirectory()) return undefined;
    }
    const facts = lstatSync(fsName(upper + path), { throwIfNoEntry: false });
    if (facts === undefined) return hidesLower(upper, path) ? undefined : "as before";
    if (!facts.isFile()) return undefined;
    if (facts.size > LIMITS.passwdBytes) throw tooLarge(path, facts.size);
    return readSmallFile(fsName(upper + path) as string, LIMITS.passwdBytes)?.toString("utf8");
  } catch (error) {
    throw storageFailure(error, "could not read", join(upper, path));
  }
}

function foldersTo(path: Path): readonly Path[] {
  const folders: Path[] = [];
  for (let one = parentOf(path); one !== ROOT; one = parentOf(one)) folders.unshift(one);
  return folders;
}

/** Whether a directory on the way was made anew, so that nothing of the image shows through. */
function hidesLower(upper: string, path: Path): boolean {
  const { calls } = ownHow();
  const marks = calls.attributes(foldersTo(path).map((one) => upper + one));
  return marks.some((one) => one.get(`${calls.overlay}.overlay.opaque`)?.[0] === 0x79);
}
