import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, lstatSync } from "node:fs";
import { constants, release } from "node:os";
import type { Readable, Writable } from "node:stream";
import { Failure } from "../kit/error.ts";
import type { Task } from "../task/task.ts";
import { type Cgroups, makeCgroups, removeCgroups } from "./cgroup.ts";
import { checkSpec } from "./check-spec.ts";
import { engineCommand } from "./engine.ts";
import { errnoName } from "./errno.ts";
import { FrameReader } from "./frames.ts";
import { installHelper } from "./helper.ts";
import { BEGUN, type InnerTable, innerTable } from "./inner-table.ts";
import { ownHardLimits } from "./limits.ts";
import { outerTable } from "./outer-table.ts";
import { ownPrivileges } from "./privileges.ts";
import { type OciRuntime, runtimeTable } from "./runtime/table.ts";
import { filtersFor } from "./seccomp/filters.ts";
import type { SandboxExit, SandboxIo, SandboxSpec } from "./spec.ts";
import { explain, type Table } from "./table.ts";
import { programTrouble, setupTrouble } from "./trouble.ts";

/** What is otherwise found out: for tests, and for machines that allow less. */
export interface Machine {
  /** Release of the kernel. */
  readonly kernel?: string;
  /** The machine's /proc instead of a new one. */
  readonly bindProc?: boolean;
  /** A real OCI runtime that is to do it instead of nought's own engine. */
  readonly runtime?: OciRuntime;
}

/**
 * Runs one process in isolation and waits for its end. When the task is stopped, or this process dies however it may, everything in the
 * sandbox is killed and its mounts are gone. To be called on the main thread (the wish to die with one's parent is about threads).
 *
 * Throws SANDBOX where something could not be set up, with the system call that failed; with exit code 127 where the program is not in
 * the root, 126 where it may not be run; USAGE, PLAN, LIMIT for a spec that makes no sense. What the program itself does is no failure.
 */
export async function runSandbox(spec: SandboxSpec, io: SandboxIo, task: Task, machine: Machine = {}): Promise<SandboxExit> {
  checkSpec(spec);
  task.signal.throwIfAborted();
  const privileges = ownPrivileges();
  if (!privileges.mayMount)
    throw new Failure("SANDBOX", "this process is neither root nor in a user namespace of its own, so it may not mount", {
      hint: "`nought doctor` says what this machine allows.",
    });
  const bindProc = machine.bindProc ?? noOwnProc;
  const run = start(privileges.single ? withSingleId(spec) : spec, io, task, { ...machine, bindProc });
  try {
    return await run.end();
  } catch (error) {
    // A container around us that hides parts of /proc: the kernel then refuses a new one. Nothing was changed yet.
    if (bindProc || run.refused !== "/proc") throw error;
    noOwnProc = true;
    return start(privileges.single ? withSingleId(spec) : spec, io, task, { ...machine, bindProc: true }).end();
  }
}

let runs = 0;

/** Whether the kernel was seen to refuse a new /proc. */
let noOwnProc = false;

function start(spec: SandboxSpec, io: SandboxIo, task: Task, machine: Machine): Run {
  const privileges = ownPrivileges();
  const { architecture, stage } = installHelper();
  const engine = engineCommand();
  // Real runtimes take no listener, and the stand-in in perl cannot answer; there, owners are pretended and forgotten.
  const supervise = privileges.single && engine.name === "nbox" && !machine.bindProc && !machine.runtime;
  const facts = {
    spec,
    privileges,
    architecture,
    kernel: machine.kernel ?? release(),
    stage,
    kindOf,
    bindProc: machine.bindProc ?? false,
    hardLimits: ownHardLimits(),
  };
  const inner = machine.runtime
    ? runtimeTable(facts, machine.runtime, `nought-${process.pid}-${++runs}`)
    : innerTable({ ...facts, filters: filtersFor(spec, privileges, architecture, supervise) });
  const cgroups = makeCgroups(spec.limits);
  const outer = outerTable({
    spec,
    architecture,
    engine,
    stage,
    parentPid: process.pid,
    input: io.stdin !== undefined,
    inherit: io.stdin === "inherit",
    direct: io.direct === true,
    cgroups,
    supervise,
  });
  const plain = io.direct ? "inherit" : "ignore";
  const child = spawn(engine.command, engine.args, {
    stdio: [io.stdin === undefined ? "ignore" : io.stdin === "inherit" ? "inherit" : "pipe", plain, plain, "pipe", "pipe", "pipe"],
    env: {},
    cwd: "/",
  });
  return new Run(child, outer, inner, spec, io, task, cgroups);
}

/** Debian's apt becomes another user to fetch, which it cannot where there is none. */
const APT = 'APT::Sandbox::User "root";\n';
const APT_CONFIG = "/dev/.nought-apt.conf";

/** With one id there is no other user to become. The file for apt is in memory, below /dev: nothing of it comes into a layer. */
function withSingleId(spec: SandboxSpec): SandboxSpec {
  const single = { ...spec, user: { uid: 0, gid: 0, groups: [] } };
  if (spec.env.some((one) => one.startsWith("APT_CONFIG="))) return single;
  const file = { type: "bytes", target: APT_CONFIG, bytes: Buffer.from(APT), mode: 0o644, uid: 0, gid: 0, readonly: true } as const;
  return { ...single, env: [...spec.env, `APT_CONFIG=${APT_CONFIG}`], mounts: [...spec.mounts, file] };
}

const kinds = new Map<string, "file" | "directory" | undefined>();

/** Which paths of /proc and /sys are directories here; they are the same in every sandbox of one kernel. */
function kindOf(path: string): "file" | "directory" | undefined {
  if (!kinds.has(path)) {
    const facts = lstatSync(path, { throwIfNoEntry: false });
    kinds.set(path, facts && (facts.isDirectory() ? "directory" : "file"));
  }
  return kinds.get(path);
}

/** One running sandbox, from its start to its end. */
class Run {
  readonly #child: ChildProcess;
  readonly #tables: readonly [Table, InnerTable];
  readonly #spec: SandboxSpec;
  readonly #io: SandboxIo;
  readonly #task: Task;
  readonly #cgroups: Cgroups;
  #pid = 0;
  #begun = false;
  #reports = Buffer.alloc(0);
  #failure: Failure | undefined;
  /** The file system of the kernel that it refused to mount anew. */
  refused: "/proc" | undefined;
  #status: number | undefined;

  constructor(child: ChildProcess, outer: Table, inner: InnerTable, spec: SandboxSpec, io: SandboxIo, task: Task, cgroups: Cgroups) {
    this.#cgroups = cgroups;
    this.#child = child;
    this.#tables = [outer, inner];
    this.#spec = spec;
    this.#io = io;
    this.#task = task;
  }

  async end(): Promise<SandboxExit> {
    const child = this.#child;
    const kill = () => child.kill("SIGKILL");
    this.#task.signal.addEventListener("abort", kill, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        child.once("error", (error) =>
          reject(new Failure("SANDBOX", `the sandbox helper did not start: ${error.message}`, { cause: error })),
        );
        child.once("close", resolve);
        this.#wire();
      });
    } finally {
      this.#task.signal.removeEventListener("abort", kill);
    }
    // Only the end of the inner process itself says that all of the sandbox is gone; if we killed the one that waits for it, we wait.
    if (this.#status === undefined) await gone(this.#pid);
    removeCgroups(this.#cgroups);
    this.#task.signal.throwIfAborted();
    if (this.#failure) throw this.#failure;
    if (this.#status === undefined) {
      const how = child.signalCode ?? `exit code ${child.exitCode}`;
      throw new Failure("SANDBOX", `the sandbox was ended from outside before its process (${how})`);
    }
    return exitOf(this.#status);
  }

  #wire(): void {
    const [stdin, , , table, reports, frames] = this.#child.stdio as unknown as [Writable | null, null, null, Writable, Readable, Readable];
    // Whoever reads these may end first; that is told by the reports.
    table.on("error", () => {});
    table.end(Buffer.concat([this.#tables[0].bytes, this.#tables[1].table.bytes]));
    reports.on("data", (piece: Buffer) => {
      this.#reports = Buffer.concat([this.#reports, piece]);
    });
    reports.once("end", () => this.#readReports());
    const reader = new FrameReader();
    frames.on("data", (piece: Buffer) => {
      for (const { at, stream, bytes } of reader.push(piece)) {
        if (stream === 1 || stream === 2) this.#io.out?.(stream, bytes, at);
        else if (stream === 3) this.#pid = Number.parseInt(bytes.toString("latin1"), 10);
        else this.#status = bytes.readInt32LE(0);
      }
    });
    if (stdin && typeof this.#io.stdin === "object") void feed(stdin, this.#io.stdin);
  }

  /** The report pipe is closed when the program begins, or when there is something to report. */
  #readReports(): void {
    for (let at = 0; at + 8 <= this.#reports.length; at += 8) {
      const operation = this.#reports.readInt32LE(at);
      if (operation === BEGUN) this.#begun = true;
      else this.#failure ??= this.#explain(operation, this.#reports.readInt32LE(at + 4));
    }
    if (!this.#failure && this.#pid > 0) this.#io.started?.({ pid: this.#pid, signal: (name) => void this.#child.kill(name) });
  }

  #explain(operation: number, errno: number): Failure {
    const [outer, inner] = this.#tables;
    if ((this.#begun ? inner.table : outer).label(operation) === "fsmount /proc" && errnoName(errno) === "EPERM") this.refused = "/proc";
    if (!this.#begun) return setupTrouble(explain(outer, operation, errno), errnoName(errno));
    const trouble = inner.troubles.get(operation);
    if (trouble) return programTrouble(trouble, this.#spec, inner.table.label(operation).replace(/^exec /, ""), errnoName(errno));
    return setupTrouble(explain(inner.table, operation, errno), errnoName(errno));
  }
}

/** Waits until a process is no more; not for ever. */
async function gone(pid: number): Promise<void> {
  if (pid === 0) return;
  for (let tries = 0; tries < 500 && existsSync(`/proc/${pid}`); tries++) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function feed(to: Writable, from: AsyncIterable<Uint8Array>): Promise<void> {
  to.on("error", () => {});
  try {
    for await (const chunk of from) {
      if (to.destroyed) return;
      if (!to.write(chunk)) await new Promise<void>((resolve) => to.once("drain", resolve).once("close", resolve));
    }
  } finally {
    to.end();
  }
}

/** What wait(2) says of a process. */
export function exitOf(status: number): SandboxExit {
  const number = status & 127;
  if (number === 0) return { code: (status >> 8) & 255 };
  const name = Object.entries(constants.signals).find(([, one]) => one === number)?.[0] as NodeJS.Signals | undefined;
  return { code: 128 + number, ...(name ? { signal: name } : {}) };
}
