import { readFileSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";

/** linux/capability.h, by number. */
const NAMES =
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE".split(
    " ",
  );

/** All capabilities that this kernel knows, `CAP_CHOWN` first. */
export function allCapabilities(): readonly string[] {
  return NAMES.slice(0, lastCapability() + 1).map((name) => `CAP_${name}`);
}

/** What a container has unless told otherwise: docker's list (mask a80425fb). */
export const DEFAULT_CAPABILITIES: readonly string[] =
  "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
    .split(" ")
    .map((name) => `CAP_${name}`);

/** Bits of the named capabilities. Throws USAGE for a name that is none. */
export function capabilityMask(names: readonly string[]): bigint {
  let mask = 0n;
  for (const name of names) {
    const at = NAMES.indexOf(name.replace(/^CAP_/, ""));
    if (at < 0) throw new Failure("USAGE", `"${printable(name)}" is no capability`, { hint: "Names are those of capabilities(7)." });
    mask |= 1n << BigInt(at);
  }
  return mask;
}

/** Bits of those that this process has itself, and hence may give. A container around it may have fewer than the kernel knows. */
export function ownCapabilityMask(): bigint {
  try {
    return BigInt(`0x${/^CapPrm:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0"}`);
  } catch {
    return 0n;
  }
}

let last: number | undefined;

/** The number of the last capability that the kernel knows. Read once. */
export function lastCapability(): number {
  try {
    last ??= Number(readFileSync("/proc/sys/kernel/cap_last_cap", "latin1"));
  } catch {
    last = 40;
  }
  return last;
}
