import { readFileSync, readlinkSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { identityOf, livenessOf, type ProcessIdentity } from "../kit/liveness.ts";
import { RootedFolder } from "../kit/rooted.ts";
import { errnoOf } from "../kit/storage-failure.ts";
import type { SandboxSpec } from "../sandbox/spec.ts";

/** Linux counts no further (proc(5), pid_max). */
const MAX_PID = 2 ** 22;

/** A running process that somebody wants to look at. */
export interface DebugTarget {
  readonly process: ProcessIdentity;
  /** How it calls itself; may be empty. Text from outside. */
  readonly command: string;
  /** Its namespaces. */
  readonly join: Required<NonNullable<SandboxSpec["join"]>>;
  readonly network: "host" | { readonly join: string };
}

/**
 * The process with this number, if we may look into it: that takes the right to trace it (ptrace(2), "Ptrace access mode checking"),
 * whoever
 * started it. Throws NOT_FOUND where there is none, SANDBOX where we may not.
 */
export function findTarget(pid: number): DebugTarget {
  const process = pid > 0 && pid <= MAX_PID ? identityOf(pid) : undefined;
  if (process === undefined)
    throw new Failure("NOT_FOUND", `there is no process ${pid}`, { hint: "It may have ended; `nought ps` and `ps -e` show what runs." });
  const own = (name: string) => linkOf(pid, name) === readlinkSync(`/proc/self/ns/${name}`);
  const path = (name: string) => `/proc/${own(name) ? "self" : pid}/ns/${name}`;
  linkOf(pid, "mnt");
  return {
    process,
    command: readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean).join(" "),
    join: { pid: path("pid"), ipc: path("ipc"), uts: path("uts") },
    network: own("net") ? "host" : { join: path("net") },
  };
}

/** Which namespace it is in: `net:[4026531840]`. Throws as findTarget. */
function linkOf(pid: number, name: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/${name}`);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ESRCH") throw gone(pid);
    if (code !== "EACCES" && code !== "EPERM") throw error;
    throw new Failure(
      "SANDBOX",
      `process ${pid} may not be looked into: ${code === "EACCES" ? "permission denied" : "operation not permitted"}`,
      {
        hint: "It belongs to another user, or runs with rights that you do not have: call nought as root (sudo nought debug …).",
      },
    );
  }
}

/** Throws NOT_FOUND when the target ended, or its number was given to another process. */
export function requireAlive({ process }: DebugTarget): void {
  if (livenessOf(process) === "dead") throw gone(process.pid);
}

function gone(pid: number): Failure {
  return new Failure("NOT_FOUND", `process ${pid} has ended`, { hint: "`nought debug IMAGE` looks into what it was made from." });
}

/** Names and addresses as the target finds them: for the toolbox, which is in its network. */
export function networkFiles({ process }: DebugTarget): { readonly resolvConf?: Buffer; readonly hosts?: Buffer } {
  using root = new RootedFolder(`/proc/${process.pid}/root`);
  const [resolvConf, hosts] = ["/etc/resolv.conf", "/etc/hosts"].map((path) => root.readSmall(path, 1 << 20));
  return { ...(resolvConf ? { resolvConf } : {}), ...(hosts ? { hosts } : {}) };
}
