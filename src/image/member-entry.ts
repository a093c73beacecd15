import type { TarMember } from "../format/tar-member.ts";
import { type Path, ROOT, toPath } from "../tree/path.ts";

/** Seconds that a file system can keep: from the epoch to the last nanosecond of a signed 64-bit count (containerd's bounds). */
const LAST_SECOND = 9_223_372_036;

/**
 * Where a member of a layer lies: leading slashes, `./` and double slashes mean nothing. Undefined for a name with a `..` part:
 * no builder writes one, and what it would mean depends on links that the layer may hold.
 */
export function memberPath(name: string): Path | undefined {
  const from = name.charCodeAt(0) === 47 ? 1 : 0;
  const to = name.length - (name.length > from && name.charCodeAt(name.length - 1) === 47 ? 1 : 0);
  const plain = from === 1 && to === name.length ? name : `/${name.slice(from, to)}`;
  if (!/\/(?:\.{0,2}(?:\/|$))/.test(plain)) return plain as Path;
  if (name.split("/").includes("..")) return undefined;
  return toPath(name, ROOT);
}

/** The time of a member as its entry has it: what no file system could keep becomes the epoch, as containerd has it. */
export function memberTime(member: TarMember): number {
  return member.mtime >= 0 && member.mtime <= LAST_SECOND ? member.mtime : 0;
}

/**
 * The extended attributes that belong to an image. Those with which overlayfs keeps its own books (`trusted.overlay.`,
 * `user.overlay.`) do not: on a disk they would change what a directory shows.
 */
export function memberXattrs(member: TarMember): ReadonlyMap<string, Uint8Array> | undefined {
  if (!member.xattrs) return undefined;
  const kept = [...member.xattrs].filter(([name]) => !/^(?:trusted|user)\.overlay\./.test(name));
  return kept.length === 0 ? undefined : new Map(kept);
}
