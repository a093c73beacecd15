import type { LockEntry } from "../debian/face.ts";
import { compareVersions } from "../debian/version.ts";
import { compareNames } from "../kit/bytes.ts";

/** What a package of a lock would become. */
export interface Move {
  readonly name: string;
  readonly kind: "new" | "gone" | "newer" | "older" | "rebuilt";
  readonly from?: LockEntry;
  readonly to?: LockEntry;
}

/** What differs between two choices of packages, by name. `rebuilt`: the same version with other bytes. */
export function movesBetween(before: readonly LockEntry[], after: readonly LockEntry[]): readonly Move[] {
  const old = new Map(before.map((one) => [one.name, one]));
  const now = new Map(after.map((one) => [one.name, one]));
  const names = [...new Set([...old.keys(), ...now.keys()])].sort(compareNames);
  return names.flatMap((name): Move[] => {
    const [from, to] = [old.get(name), now.get(name)];
    if (!from) return to ? [{ name, kind: "new", to }] : [];
    if (!to) return [{ name, kind: "gone", from }];
    const order = compareVersions(from.version, to.version);
    if (order === 0) return from.sha256 === to.sha256 ? [] : [{ name, kind: "rebuilt", from, to }];
    return [{ name, kind: order < 0 ? "newer" : "older", from, to }];
  });
}
