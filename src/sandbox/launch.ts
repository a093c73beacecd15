import { type ChildProcess, spawn } from "node:child_process";
import { lstatSync } from "node:fs";
import { release } from "node:os";
import { Failure } from "../kit/error.ts";
import { type Cgroups, makeCgroups } from "./cgroup.ts";
import { deviceMounts, hostDevices } from "./devices.ts";
import { engineCommand } from "./engine.ts";
import { installHelper } from "./helper.ts";
import { type InnerTable, innerTable } from "./inner-table.ts";
import { ownHardLimits } from "./limits.ts";
import type { Machine } from "./machine.ts";
import { type Detached, outerTable } from "./outer-table.ts";
import { ownPrivileges } from "./privileges.ts";
import { type RawTerminal, rawTerminal } from "./raw.ts";
import { runtimeTable } from "./runtime/table.ts";
import { filtersFor } from "./seccomp/filters.ts";
import type { SandboxIo, SandboxSpec } from "./spec.ts";
import type { Table } from "./table.ts";

/** A sandbox whose first process was started and waits for its tables. */
export interface Launched {
  readonly child: ChildProcess;
  readonly outer: Table;
  readonly inner: InnerTable;
  readonly cgroups: Cgroups;
  /** Nought's terminal while it is raw. */
  readonly terminal: RawTerminal | undefined;
  /** As it is on this machine. */
  readonly spec: SandboxSpec;
}

/** What happens with the bytes, and whose end is the end of the sandbox. */
export interface LaunchOptions extends Pick<SandboxIo, "stdin" | "direct"> {
  readonly detached?: Detached;
}

let launches = 0;

/** Writes both tables and starts the helper. Throws SANDBOX where this process may not mount. */
export function launch(asked: SandboxSpec, options: LaunchOptions, machine: Machine): Launched {
  const privileges = ownPrivileges();
  if (!privileges.mayMount)
    throw new Failure("SANDBOX", "this process is neither root nor in a user namespace of its own, so it may not mount", {
      hint: "`nought doctor` says what this machine allows.",
    });
  if (machine.runtime && asked.seccompProfile)
    throw new Failure("UNSUPPORTED", `a seccomp profile of one's own cannot be given to ${machine.runtime.name} yet`, {
      hint: "Leave --runtime away.",
    });
  const single = privileges.single ? withSingleId(asked) : asked;
  const spec =
    asked.hostDevices && !privileges.initial ? { ...single, mounts: [...single.mounts, ...deviceMounts(hostDevices())] } : single;
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
    ? runtimeTable(facts, machine.runtime, `nought-${process.pid}-${++launches}`)
    : innerTable({ ...facts, filters: filtersFor(spec, privileges, architecture, supervise) });
  const cgroups = makeCgroups(spec.limits);
  const { stdin, direct, detached } = options;
  const terminal = spec.terminal && stdin === "inherit" ? rawTerminal() : undefined;
  const outer = outerTable({
    spec,
    architecture,
    engine,
    stage,
    parentPid: detached ? undefined : process.pid,
    ...(detached ? { detached } : {}),
    input: stdin !== undefined,
    inherit: stdin === "inherit",
    direct: direct === true,
    cgroups,
    supervise,
    terminal,
  });
  const plain = direct ? "inherit" : "ignore";
  const child = spawn(engine.command, engine.args, {
    stdio: [stdin === undefined ? "ignore" : stdin === "inherit" ? "inherit" : "pipe", plain, plain, "pipe", "pipe", "pipe"],
    env: {},
    cwd: "/",
  });
  return { child, outer, inner, cgroups, terminal, spec };
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
