import type { Privileges } from "../privileges.ts";
import type { SandboxSpec } from "../spec.ts";
import type { CallArchitecture } from "../syscall-numbers.ts";

/** The filters of system calls for a sandbox, in the order in which they are installed. */
export function filtersFor(_spec: SandboxSpec, _privileges: Privileges, _architecture: CallArchitecture): readonly Buffer[] {
  return [];
}
