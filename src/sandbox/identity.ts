import { capabilityMask, lastCapability, ownCapabilityMask } from "./capability.ts";
import { PR, PR_CAP_AMBIENT_CLEAR_ALL } from "./flags.ts";
import type { Inside } from "./inside.ts";
import { type Address, TableBuilder } from "./table.ts";

/** _LINUX_CAPABILITY_VERSION_3 */
const VERSION = 0x20080522;

/** Sets permitted, effective and inheritable capabilities to the mask and nothing more. capset(2). */
function capset(table: TableBuilder, mask: bigint, inheritable: bigint): void {
  const low = Number(mask & 0xffffffffn);
  const high = Number(mask >> 32n);
  const inherit: readonly number[] = [Number(inheritable & 0xffffffffn), Number(inheritable >> 32n)];
  const header = table.words32(VERSION, 0);
  const data = table.words32(low, low, inherit[0] as number, high, high, inherit[1] as number);
  table.call("capset", [header, data], { label: "capset" });
}

/**
 * Nobody can give what he has not: "all" are those that are there, as under docker. Who has none gets them in the user namespace that the
 * helper enters.
 */
function givenMask(names: readonly string[]): bigint {
  const own = ownCapabilityMask();
  return own === 0n ? capabilityMask(names) : capabilityMask(names) & own;
}

/**
 * Before the filter of system calls: nothing inheritable, so that no file can bring back what is taken away (CVE-2022-29162).
 * The bounding set is what a program run as root comes to have.
 */
export function limitCapabilities(inside: Inside): void {
  const { table, spec } = inside;
  const mask = givenMask(spec.capabilities);
  table.call("prctl", [PR.CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0], { label: "prctl (ambient capabilities)" });
  for (let one = 0; one <= lastCapability(); one++)
    if (((mask >> BigInt(one)) & 1n) === 0n) table.call("prctl", [PR.CAPBSET_DROP, one, 0, 0, 0], { label: `drop capability ${one}` });
}

/** Changes to the user of the spec. With a single id there is only root, and the filter answers for the others. */
export function becomeUser(inside: Inside): void {
  const { table, spec, privileges } = inside;
  const { uid, gid } = spec.user;
  if (privileges.single) return;
  const groups = [...new Set([gid, ...spec.user.groups])];
  table.call("setgroups", [groups.length, table.words32(...groups)], { label: `setgroups ${groups.join(",")}` });
  table.call("setresgid", [gid, gid, gid], { label: `setresgid ${gid}` });
  table.call("setresuid", [uid, uid, uid], { label: `setresuid ${uid}` });
  capset(table, uid === 0 ? givenMask(spec.capabilities) : 0n, 0n);
}

/** Installs a filter of system calls. Needs CAP_SYS_ADMIN, so that programs with set-uid bits keep working. seccomp(2). */
export function installFilter(inside: Inside, program: Buffer, label: string): void {
  const { table } = inside;
  const filter: Address = table.bytes(program);
  const count = program.length / 8;
  table.call("seccomp", [1, 0, table.words64(count, filter)], { label });
}

/** From here on set-user-id programs and file capabilities give nothing, where the spec wants it so. prctl(2). */
export function forbidPrivileges({ table, spec }: Inside): void {
  if (spec.noNewPrivileges) table.call("prctl", [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0], { label: "prctl (no new privileges)" });
}
