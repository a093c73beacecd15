import type { Privileges } from "../privileges.ts";
import type { SandboxSpec } from "../spec.ts";
import type { CallArchitecture } from "../syscall-numbers.ts";
import { compileAnswers, compileProfile } from "./compile.ts";
import { dockerProfile } from "./profile.ts";

/**
 * With a single id, changes of owner and of user fail, and packages that try them with them. They are answered with success and nothing
 * is done: what the files should have been is for whoever reads the changes to say. The idea is Charliecloud's.
 */
export const FAKED =
  "chown chown32 fchown fchown32 fchownat lchown lchown32 setgroups setgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 capset".split(
    " ",
  );

const compiled = new Map<string, Buffer>();

/**
 * The filters of system calls for a sandbox, in the order in which they are installed. Each compiled once. The kernel asks all of them
 * and takes the strictest answer: an errno counts for stricter than to allow, also when it is 0.
 */
export function filtersFor(spec: SandboxSpec, privileges: Privileges, architecture: CallArchitecture): readonly Buffer[] {
  const filters: Buffer[] = [];
  if (spec.seccomp) {
    const key = `${architecture} ${spec.capabilities.toSorted().join(" ")}`;
    filters.push(remember(key, () => compileProfile(dockerProfile(spec.capabilities), architecture)));
  }
  if (privileges.single) filters.push(remember(`faked ${architecture}`, () => compileAnswers(FAKED, 0, architecture)));
  return filters;
}

function remember(key: string, make: () => Buffer): Buffer {
  const known = compiled.get(key) ?? make();
  compiled.set(key, known);
  return known;
}
