import { release } from "node:os";
import type { Privileges } from "../privileges.ts";
import type { SandboxSpec } from "../spec.ts";
import type { CallArchitecture } from "../syscall-numbers.ts";
import { ACTION } from "./bpf.ts";
import { compileAnswers, compileProfile } from "./compile.ts";
import { compileFile } from "./file.ts";
import { SUPERVISED } from "./owners.ts";
import { dockerProfile } from "./profile.ts";

/** Calls that become another user: with a single id they are answered with success, and nothing is done. The idea is Charliecloud's. */
const BECOMING =
  "setgroups setgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 capset".split(
    " ",
  );

/** All calls that are pretended with a single id. */
export const FAKED: readonly string[] = [...SUPERVISED, ...BECOMING];

export interface Filters {
  /** Programs in the order in which they are installed. */
  readonly programs: readonly Buffer[];
  /** One more, whose calls a supervisor answers: changes of owners, which are noted on the files. */
  readonly supervised?: Buffer;
}

const compiled = new Map<string, Buffer>();

/**
 * The filters of system calls for a sandbox. Each compiled once. The kernel asks all of them and takes the strictest answer: an errno
 * counts for stricter than to allow, also when it is 0. Without a supervisor, changes of owners succeed and are forgotten.
 */
export function filtersFor(spec: SandboxSpec, privileges: Privileges, architecture: CallArchitecture, supervisor: boolean): Filters {
  const programs: Buffer[] = [];
  if (spec.seccomp && spec.seccompProfile) programs.push(compileFile(spec.seccompProfile, spec.capabilities, architecture, release()));
  else if (spec.seccomp) {
    const key = `${architecture} ${spec.capabilities.toSorted().join(" ")}`;
    programs.push(remember(key, () => compileProfile(dockerProfile(spec.capabilities), architecture)));
  }
  if (!privileges.single) return { programs };
  const faked = (names: readonly string[], action: number) => names.map((name): [string, number] => [name, action]);
  const success = ACTION.errno(0);
  if (!supervisor) {
    programs.push(remember(`faked ${architecture}`, () => compileAnswers(new Map(faked(FAKED, success)), architecture)));
    return { programs };
  }
  const actions = new Map([...faked(SUPERVISED, ACTION.notify), ...faked(BECOMING, success)]);
  return { programs, supervised: remember(`supervised ${architecture}`, () => compileAnswers(actions, architecture)) };
}

function remember(key: string, make: () => Buffer): Buffer {
  const known = compiled.get(key) ?? make();
  compiled.set(key, known);
  return known;
}
