import { spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import { release } from "node:os";
import type { Readable, Writable } from "node:stream";
import { Failure } from "../kit/error.ts";
import { livenessOf, type ProcessIdentity } from "../kit/liveness.ts";
import type { Task } from "../task/task.ts";
import { cgroupsOf } from "./cgroup.ts";
import { checkSpec } from "./check-spec.ts";
import { engineCommand } from "./engine.ts";
import { errnoName } from "./errno.ts";
import { entranceTable, execTable, HELD } from "./exec-table.ts";
import { CLONE } from "./flags.ts";
import { FrameReader } from "./frames.ts";
import { installHelper } from "./helper.ts";
import { ownHardLimits } from "./limits.ts";
import { ownPrivileges, privilegesOf } from "./privileges.ts";
import { rawTerminal, restoreTerminal } from "./raw.ts";
import { exitOf, feed } from "./run.ts";
import { filtersFor } from "./seccomp/filters.ts";
import type { SandboxExit, SandboxIo, SandboxSpec } from "./spec.ts";
import { explain } from "./table.ts";
import { programTrouble, setupTrouble } from "./trouble.ts";

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
  const second = execTable({
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
  const [, , , table, reports, frames] = child.stdio as unknown as [null, null, null, Writable, Readable, Readable];
  const kill = () => child.kill("SIGKILL");
  task.signal.addEventListener("abort", kill, { once: true });
  let held = false;
  let pid = 0;
  let status: number | undefined;
  let failure: Failure | undefined;
  let report = Buffer.alloc(0);
  let heard = false;
  // The two pipes are heard in any order.
  const started = () => {
    if (!heard || pid === 0 || failure || task.signal.aborted) return;
    io.started?.({ pid, signal: (name) => void child.kill(name) });
  };
  table.on("error", () => {});
  table.write(entrance.bytes);
  const reader = new FrameReader();
  frames.on("data", (piece: Buffer) => {
    for (const { at, stream, bytes } of reader.push(piece)) {
      if (stream === HELD) {
        held = true;
        // From here on the number is the target's for good; whether it was before is asked now.
        if (livenessOf(target) === "dead") failure = hasEnded();
        table.end(failure ? undefined : second.table.bytes);
      } else if (stream === 3) pid = Number.parseInt(bytes.toString("latin1"), 10);
      else if (stream === 1 || stream === 2) io.out?.(stream, bytes, at);
      else status = bytes.readInt32LE(0);
    }
  });
  reports.on("data", (piece: Buffer) => {
    report = Buffer.concat([report, piece]);
  });
  const begun = new Promise<void>((resolve) => {
    reports.once("close", () => {
      if (report.length >= 8) failure ??= told(report.readInt32LE(0), report.readInt32LE(4));
      heard = true;
      started();
      resolve();
    });
  });
  const told = (operation: number, errno: number): Failure => {
    const from = held ? second.table : entrance;
    const trouble = held ? second.troubles.get(operation) : undefined;
    const name = errnoName(errno);
    if (!held && name === "ESRCH") return hasEnded();
    if (trouble) return programTrouble(trouble, spec, from.label(operation).replace(/^exec /, ""), name);
    return setupTrouble(explain(from, operation, errno), name);
  };
  if (child.stdin && typeof io.stdin === "object") void feed(child.stdin, io.stdin);
  try {
    const over = new Promise<void>((resolve, reject) => {
      child.once("error", (error) =>
        reject(new Failure("SANDBOX", `the sandbox helper did not start: ${error.message}`, { cause: error })),
      );
      child.once("close", resolve);
    });
    await (bound ? over : Promise.race([begun, over]));
    if (!bound && !failure) child.unref();
  } finally {
    task.signal.removeEventListener("abort", kill);
    if (terminal && status === undefined) restoreTerminal(terminal);
  }
  task.signal.throwIfAborted();
  if (failure) throw failure;
  return status === undefined ? undefined : exitOf(status);
}

function hasEnded(): Failure {
  return new Failure("CONFLICT", "the container has ended meanwhile");
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
