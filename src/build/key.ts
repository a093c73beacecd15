import { createHash } from "node:crypto";
import { type Digest, digestOf } from "../oci/digest.ts";
import type { Entry } from "../tree/entry.ts";
import { type Pick, relativeFrom } from "./files/select.ts";

/**
 * Cache keys say what goes into a step, never when or where: contents, names, modes, owners, link targets, extended attributes;
 * no time stamps (unless they end up in the layer because SOURCE_DATE_EPOCH asks for them, which is part of the operation).
 */

/** The key of named parts: a length before each part, so that `ab`+`c` is not `a`+`bc`. */
export function keyOf(...parts: readonly (string | number | undefined | readonly string[])[]): Digest {
  return digestOf(JSON.stringify(parts));
}

/** Finds the digest of an entry's content that the entry itself does not know. */
export type FindDigest = (entry: Entry) => Digest | undefined;

/** The digest of what sources chose; undefined while a content's digest is not known. */
export function selectionDigest(picks: readonly Pick[], find: FindDigest): Digest | undefined {
  const hash = createHash("sha256");
  const twins = new Map<string, string>();
  let text = "";
  for (const pick of picks) {
    text += `pick ${quote(pick.name)}\n`;
    const from = relativeFrom(pick);
    for (const entry of [pick.top, ...pick.below]) {
      const relative = entry === pick.top ? "" : entry.path.slice(from);
      const line = factsOf(relative, entry, find);
      if (line === undefined) return undefined;
      text += line;
      const twin = twinOf(entry);
      if (twin !== undefined) {
        const first = twins.get(twin);
        if (first === undefined) twins.set(twin, relative);
        else text += `twin of ${quote(first)}\n`;
      }
      if (text.length > 1 << 18) {
        hash.update(text);
        text = "";
      }
    }
  }
  return `sha256:${hash.update(text).digest("hex")}` as Digest;
}

/** The digest of a draft: two steps that add the same have the same layer. Undefined while a content's digest is not known. */
export function draftDigest(draft: readonly Entry[], epoch: number | undefined, find: FindDigest): Digest | undefined {
  const hash = createHash("sha256").update(`draft/1 ${epoch ?? "-"}\n`);
  let text = "";
  for (const entry of draft) {
    const line = factsOf(entry.path, entry, find);
    if (line === undefined) return undefined;
    text += line;
    if (text.length > 1 << 18) {
      hash.update(text);
      text = "";
    }
  }
  return `sha256:${hash.update(text).digest("hex")}` as Digest;
}

/** The same text for all names of one file: an inode of the host, or a place in a layer. */
export function twinOf(entry: Entry): string | undefined {
  if (entry.kind !== "file") return undefined;
  if (entry.twin !== undefined) return entry.twin;
  return entry.content.in === "layer" && entry.size > 0 ? `${entry.content.diffId}:${entry.content.offset}` : undefined;
}

function factsOf(name: string, entry: Entry, find: FindDigest): string | undefined {
  let line = `${entry.kind} ${quote(name)} ${entry.mode} ${entry.uid} ${entry.gid}`;
  switch (entry.kind) {
    case "file":
      {
        const digest = entry.digest ?? find(entry);
        if (digest === undefined) return undefined;
        line += ` ${entry.size} ${digest}`;
      }
      break;
    case "symlink":
    case "hardlink":
      line += ` ${quote(entry.target)}`;
      break;
    case "char":
    case "block":
      line += ` ${entry.major}:${entry.minor}`;
      break;
    case "dir":
      if (entry.opaque) line += " opaque";
      break;
    case "fifo":
    case "whiteout":
      break;
  }
  if (entry.xattrs) {
    for (const [key, value] of [...entry.xattrs].sort(([a], [b]) => (a < b ? -1 : 1)))
      line += ` ${quote(key)}=${Buffer.from(value).toString("base64")}`;
  }
  return `${line}\n`;
}

/** Names may hold blanks and newlines; quoting keeps the lines apart. Plain names, nearly all, are kept as they are. */
function quote(name: string): string {
  return /^[!-~]+$/.test(name) && !name.startsWith('"') ? name : JSON.stringify(name);
}
