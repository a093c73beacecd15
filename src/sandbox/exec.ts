import { spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import { release } from "node:os";
import { Failure } from "../kit/error.ts";
import type { ProcessIdentity } from "../kit/liveness.ts";
import type { Task } from "../task/task.ts";
import { cgroupsOf } from "./cgroup.ts";
import { checkSpec } from "./check-spec.ts";
import { engineCommand } from "./engine.ts";
import { converse, hasEnded } from "./exec-conversation.ts";
import { entranceTable, execTable } from "./exec-table.ts";
import { CLONE } from "./flags.ts";
import { installHelper } from "./helper.ts";
import { ownHardLimits } from "./limits.ts";
import { ownPrivileges, privilegesOf } from "./privileges.ts";
import { rawTerminal } from "./raw.ts";
import { exitOf, feed } from "./run.ts";
import { filtersFor } from "./seccomp/filters.ts";
import type { SandboxExit, SandboxIo, SandboxSpec } from "./spec.ts";

/** A further process in a running sandbox. What is not here (mounts, namespaces, masks, control groups) it has from that. */
export type ExecSpec = Pick<
  SandboxSpec,
  "args" | "env" | "cwd" | "user" | "capabilities" | "seccomp" | "seccompProfile" | "noNewPrivileges" | "terminal" | "limits"
>;

/**
 * Runs a further process in a running sandbox and waits for its end. `target` is process 1 of it (or any other). The working directory
 * must be there. An ordinary user calls this from outside of user namespaces (without `enterUserNamespace`) or inside that of the target.
 * When the task is stopped or this process dies, the process is killed; what it left running stays as long as the sandbox.
 *
 * Throws CONFLICT where the target has ended, USAGE and LIMIT for a spec that makes no sense, SANDBOX where something could not be set up:
 * with exit code 127 for a program that is not there, 126 for one that may not be run.
 */
export async function execInside(target: ProcessIdentity, spec: ExecSpec, io: SandboxIo, task: Task): Promise<SandboxExit> {
  const exit = await enter(target, spec, io, task, true);
  if (!exit) throw new Failure("SANDBOX", "the process was ended from outside");
  return exit;
}

/** The same, without waiting: settles once the program runs, whose output nobody hears. It ends with the sandbox at the latest. */
export async function execDetached(target: ProcessIdentity, spec: ExecSpec, task: Task): Promise<void> {
  await enter(target, spec, {}, task, false);
}

async function enter(
  target: ProcessIdentity,
  asked: ExecSpec,
  io: SandboxIo,
  task: Task,
  bound: boolean,
): Promise<SandboxExit | undefined> {
  task.signal.throwIfAborted();
  const namespaces = differing(target);
  const otherUsers = namespaces.includes("user");
  if (!namespaces.includes("mnt")) throw new Failure("USAGE", `process ${target.pid} is in no container`);
  const privileges = otherUsers ? privilegesOf(target.pid) : ownPrivileges();
  const spec = fullSpec(privileges.single ? { ...asked, user: { uid: 0, gid: 0, groups: [] } } : asked);
  checkSpec(spec);
  const { architecture, stage } = installHelper();
  const engine = engineCommand();
  const parentPid = bound ? process.pid : undefined;
  const inherit = io.stdin === "inherit";
  const entrance = entranceTable({ architecture, engine, stage, parentPid, pid: target.pid, otherUsers, inherit });
  const terminal = spec.terminal && inherit ? rawTerminal() : undefined;
  const inner = execTable({
    spec,
    privileges,
    architecture,
    kernel: release(),
    stage,
    kindOf: () => undefined,
    bindProc: false,
    filters: filtersFor(spec, privileges, architecture, false),
    hardLimits: ownHardLimits(),
    bound,
    namespaces: flagsOf(namespaces),
    otherPids: namespaces.includes("pid"),
    cgroups: cgroupsOf(target.pid),
    input: io.stdin !== undefined,
    terminal,
    direct: io.direct === true,
    silent: !bound,
  });
  const plain = io.direct ? "inherit" : "ignore";
  const child = spawn(engine.command, engine.args, {
    stdio: [io.stdin === undefined ? "ignore" : inherit ? "inherit" : "pipe", plain, plain, "pipe", "pipe", "pipe"],
    env: {},
    cwd: "/",
  });
  if (child.stdin && typeof io.stdin === "object") void feed(child.stdin, io.stdin);
  const status = await converse({ child, target, entrance, inner, spec, io, bound, terminal }, task);
  return status === undefined ? undefined : exitOf(status);
}

const NAMESPACES = {
  user: CLONE.NEWUSER,
  mnt: CLONE.NEWNS,
  pid: CLONE.NEWPID,
  net: CLONE.NEWNET,
  ipc: CLONE.NEWIPC,
  uts: CLONE.NEWUTS,
  cgroup: CLONE.NEWCGROUP,
} as const;

type Namespace = keyof typeof NAMESPACES;

/** The namespaces in which the target is and this process is not: what is shared may not be entered as an ordinary user. */
function differing(target: ProcessIdentity): readonly Namespace[] {
  try {
    return (Object.keys(NAMESPACES) as Namespace[]).filter(
      (name) => readlinkSync(`/proc/${target.pid}/ns/${name}`) !== readlinkSync(`/proc/self/ns/${name}`),
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") throw hasEnded();
    throw new Failure("SANDBOX", `process ${target.pid} may not be entered (${code})`, {
      hint: "Only who started a container, or root, may enter it.",
      cause: error,
    });
  }
}

function flagsOf(namespaces: readonly Namespace[]): number {
  return namespaces.filter((name) => name !== "user" && name !== "pid").reduce((flags, name) => flags | NAMESPACES[name], 0);
}

/** The parts of a spec that the table's writers look at. */
function fullSpec(spec: ExecSpec): SandboxSpec {
  return { ...spec, lowers: [], plain: "/", mounts: [], network: "host", hostname: "", readonlyRoot: false, init: false };
}
