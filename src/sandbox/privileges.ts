import { readFileSync } from "node:fs";
import { capabilityMask } from "./capability.ts";

/** What this process may do, in the user namespace it is in. */
export interface Privileges {
  /** The machine's own user namespace, where root is the real one. */
  readonly initial: boolean;
  /** Whether we are root here and may mount. */
  readonly mayMount: boolean;
  /** Only one user id and one group id exist here. */
  readonly single: boolean;
  /** Whether that id exists here. */
  hasGid(gid: number): boolean;
}

let known: Privileges | undefined;

/** The privileges of this process. Reads /proc once. */
export function ownPrivileges(): Privileges {
  if (known) return known;
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0"}`);
  known = privileges("self", process.geteuid?.() === 0 && (effective & capabilityMask(["CAP_SYS_ADMIN"])) !== 0n);
  return known;
}

/** The privileges of who enters the user namespace of that process. */
export function privilegesOf(pid: number): Privileges {
  return privileges(`${pid}`, true);
}

function privileges(pid: string, mayMount: boolean): Privileges {
  const uids = idMap("uid_map", pid);
  const gids = idMap("gid_map", pid);
  const count = (map: readonly IdRange[]) => map.reduce((sum, one) => sum + one.count, 0);
  return {
    initial: uids.length === 1 && uids[0]?.inside === 0 && uids[0].outside === 0 && uids[0].count === 2 ** 32 - 1,
    mayMount,
    single: count(uids) === 1 || count(gids) === 1,
    hasGid: (gid) => gids.some((one) => gid >= one.inside && gid < one.inside + one.count),
  };
}

/** Ids inside a user namespace and what they are in the one around it. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** The id map of a process's user namespace; what is outside is as this process sees it. user_namespaces(7). */
export function idMap(file: "uid_map" | "gid_map", pid = "self"): readonly IdRange[] {
  return readFileSync(`/proc/${pid}/${file}`, "latin1")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [inside = 0, outside = 0, count = 0] = line.trim().split(/\s+/).map(Number);
      return { inside, outside, count };
    });
}
