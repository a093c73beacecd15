import { readFileSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Inside } from "./inside.ts";
import type { SandboxSpec } from "./spec.ts";

/** Names of `ulimit` and docker, and their numbers in asm-generic/resource.h. */
const RESOURCES: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

const UNLIMITED = -1;

/** Node raises its soft limit on open files to the hard one; programs that close all they could have open would take ages. */
const NOFILE_SOFT = 1024;

/** The limits of the spec, and the usual soft limit on open files. */
export function limitsOf(
  spec: Pick<SandboxSpec, "limits">,
  hardLimits: ReadonlyMap<string, number>,
): readonly { readonly name: string; readonly soft: number; readonly hard: number }[] {
  const hard = hardLimits.get("nofile") ?? NOFILE_SOFT;
  const limits = new Map([["nofile", { name: "nofile", soft: hard === UNLIMITED ? NOFILE_SOFT : Math.min(NOFILE_SOFT, hard), hard }]]);
  for (const one of spec.limits.ulimits ?? []) limits.set(one.name, one);
  return [...limits.values()];
}

/** Adds the calls for the limits. Throws USAGE for a name that is none. */
export function rlimits(inside: Inside, hardLimits: ReadonlyMap<string, number>): void {
  const { table } = inside;
  for (const { name, soft, hard } of limitsOf(inside.spec, hardLimits)) {
    const resource = RESOURCES[name];
    if (resource === undefined) throw new Failure("USAGE", `"${printable(name)}" is no limit that a process has`);
    table.call("prlimit64", [0, resource, table.words64(soft, hard), 0], { label: `set the limit ${name} to ${soft}:${hard}` });
  }
}

/** The hard limit on open files of this process, −1 for none. proc(5). */
export function ownHardLimits(): ReadonlyMap<string, number> {
  const [, hard = ""] = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
  return new Map([["nofile", hard === "unlimited" ? UNLIMITED : Number(hard) || NOFILE_SOFT]]);
}
