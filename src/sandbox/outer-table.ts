import type { Cgroups } from "./cgroup.ts";
import type { EngineCommand } from "./engine.ts";
import { AT_EMPTY_PATH, AT_FDCWD, CLONE, MOUNT_ATTR, MOVE_MOUNT_F_EMPTY_PATH, MS, O, OPEN_TREE, PR, SIGKILL } from "./flags.ts";
import { dieWithParent, FD, guard, lifeLine, pair, reportPid, reportStat } from "./guard.ts";
import { type Janitor, janitor } from "./janitor.ts";
import { serveNetwork } from "./network-table.ts";
import { makePipes, ownStreams, type Pipes, takePipes } from "./pipes.ts";
import type { RawTerminal } from "./raw.ts";
import type { SandboxSpec } from "./spec.ts";
import { type Streams, writeStreams } from "./streams.ts";
import { SUPERVISOR_FD, supervisor } from "./supervisor.ts";
import type { CallArchitecture } from "./syscall-numbers.ts";
import { type Address, type Register, type Table, TableBuilder } from "./table.ts";

export interface OuterOptions {
  readonly spec: Pick<SandboxSpec, "network" | "terminal" | "join">;
  readonly architecture: CallArchitecture;
  readonly engine: EngineCommand;
  /** The directory that carries the sandbox's own tmpfs. */
  readonly stage: string;
  /** Who must still be our parent when we ask to die with it; undefined for a sandbox that outlives nought. */
  readonly parentPid: number | undefined;
  /** Instead: where the sandbox leaves its output and its end. */
  readonly detached?: Detached;
  /** Whether descriptor 0 brings input. */
  readonly input: boolean;
  /** Whether that is nought's own standard input. */
  readonly inherit: boolean;
  /** That is a terminal, which is to be raw meanwhile. */
  readonly terminal: RawTerminal | undefined;
  /** Output is copied to descriptors 1 and 2, and not sent as frames. */
  readonly direct: boolean;
  /** Control groups that the program is put into, and that are removed when everything is over. */
  readonly cgroups: Cgroups;
  /** Whether a supervisor answers changes of owners. */
  readonly supervise: boolean;
}

export interface Detached {
  readonly folder: string;
  readonly logLimit: number;
  readonly keepInput: boolean;
  /** Boot and pid namespace of this machine as it is now, before the processes' own words in the files about them. */
  readonly machine: string;
}

function identityFile({ folder, machine }: Detached, name: string) {
  return { path: `${folder}/${name}`, before: machine };
}

/** Files in the folder of a detached sandbox. */
export const DETACHED = { log: "log", oldLog: "log.old", exit: "exit", newExit: "exit.new", monitor: "monitor", init: "init" } as const;

/** Streams of frames that only begin a sandbox: who watches it, and who is its process 1, by what stands in their stat. */
export const IDENTITY = { monitor: 8, init: 9 } as const;

/**
 * Writes the first table: three processes. The first is nought's child. The second is process 1 of a guard namespace: whatever the sandbox
 * does, it cannot outlive that namespace, and the namespace not nought (a set-uid program clears the wish to die with one's parent,
 * so the sandbox alone could). The third has namespaces of its own, performs the second table and becomes the program.
 */
export function outerTable(options: OuterOptions): Table {
  const table = new TableBuilder(options.architecture);
  if (options.parentPid !== undefined) dieWithParent(table, options.parentPid);
  table.call("close_range", [FD.frames + 1, 0xffffffff, 0]);
  // Signals of the terminal go to nought, which hands them on; who reads a terminal must stay in its session.
  if (!options.inherit) table.call("setsid", [], { ignore: true });
  if (options.detached) reportStat(table, IDENTITY.monitor, identityFile(options.detached, DETACHED.monitor));
  const cleaner = janitor(table, options.cgroups.folders, options.terminal);
  const guarded = !options.spec.join?.pid;
  const afterwards = ending(table, options.detached, cleaner);
  if (guarded) guard(table, afterwards);
  const network = typeof options.spec.network === "object" && "program" in options.spec.network ? options.spec.network : undefined;
  const networkFile = network && serveNetwork(table, options, network);
  const socket = options.supervise ? pair(table) : undefined;
  if (socket) supervisor(table, socket, options.architecture, guarded);
  const { spec } = options;
  const pipes = makePipes(table, spec.terminal);
  const log = options.detached && openLog(table, options.detached);
  const child = table.register();
  const parent = table.mark();
  joinPid(table, spec);
  const flags =
    CLONE.NEWNS |
    (spec.join?.pid ? 0 : CLONE.NEWPID) |
    (spec.join?.ipc ? 0 : CLONE.NEWIPC) |
    (spec.join?.uts ? 0 : CLONE.NEWUTS) |
    (spec.network === "none" ? CLONE.NEWNET : 0);
  // Behind a guard the kernel sees to it.
  const line = guarded ? undefined : lifeLine(table);
  table.clone(flags, child, parent, "clone with new namespaces");
  line?.hold();
  inner(table, options, pipes, socket?.[1], networkFile);
  table.place(parent);
  line?.keep();
  if (socket) table.call("close", [socket[1]]);
  move(table, options, pipes, log, child, guarded ? undefined : afterwards);
  return table.finish();
}

/** What is done when everything is over, by the first process: it tells the end where it was asked to, and that it was no accident. */
function ending(table: TableBuilder, detached: Detached | undefined, cleaner: Janitor | undefined): ((code: Register) => void) | undefined {
  if (!detached && !cleaner) return undefined;
  const paths = detached && [DETACHED.newExit, DETACHED.exit].map((name) => table.text(`${detached.folder}/${name}`));
  const length = 16;
  const text = table.bytes(Buffer.from("\n".padStart(length)));
  const file = table.register();
  if (paths) {
    // Written now, so that there is room for it even if the disk is full then.
    const flags = O.CREAT | O.EXCL | O.WRONLY | O.CLOEXEC;
    table.call("openat", [AT_FDCWD, paths[0] as Address, flags, 0o600], {
      into: file,
      label: `create ${detached?.folder}/${DETACHED.newExit}`,
    });
    table.call("write", [file, text, length], { label: `write ${detached?.folder}/${DETACHED.newExit}` });
  }
  return (code) => {
    if (paths) {
      table.decimal(code, text);
      table.call("pwrite64", [file, text, length, 0], { ignore: true });
      table.call("renameat", [AT_FDCWD, paths[0] as Address, AT_FDCWD, paths[1] as Address], { ignore: true });
    }
    cleaner?.dismiss();
    table.leave(code);
  };
}

/** Namespaces of other processes: that of pids counts for children only, so it is joined before the clone. */
function joinPid(table: TableBuilder, { join }: OuterOptions["spec"]): void {
  if (join?.pid && join.pid !== "host") setns(table, join.pid, CLONE.NEWPID);
}

function setns(table: TableBuilder, path: string, type: number): void {
  // We are there already, and where it is the machine's, an ordinary user would not be let in.
  if (path.startsWith("/proc/self/ns/")) return;
  const fd = table.register();
  table.call("openat", [AT_FDCWD, table.text(path), O.RDONLY | O.CLOEXEC, 0], { into: fd, label: `open ${path}` });
  table.call("setns", [fd, type], { label: `setns ${path}` });
  table.call("close", [fd]);
}

/** The process that becomes the program, up to the second table. */
function inner(
  table: TableBuilder,
  options: OuterOptions,
  pipes: Pipes,
  supervisorSocket: Register | undefined,
  networkFile: string | undefined,
): void {
  const { spec, stage, engine } = options;
  table.call("prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  const network = networkFile ?? (typeof spec.network === "object" && "join" in spec.network ? spec.network.join : undefined);
  if (network !== undefined) setns(table, network, CLONE.NEWNET);
  if (spec.join?.ipc && spec.join.ipc !== "host") setns(table, spec.join.ipc, CLONE.NEWIPC);
  if (spec.join?.uts && spec.join.uts !== "host") setns(table, spec.join.uts, CLONE.NEWUTS);
  for (const path of options.cgroups.join) joinCgroup(table, path);
  table.call("unshare", [CLONE.NEWCGROUP], { ignore: true });
  reportPid(table);
  if (options.detached) reportStat(table, IDENTITY.init, identityFile(options.detached, DETACHED.init));
  // A slave: what the host unmounts goes away here too, until the host's root is gone; what we mount never reaches the host.
  table.call("mount", [0, table.text("/"), 0, MS.REC | MS.SLAVE, 0], { label: "make mounts slaves" });
  const tmpfs = [table.text("tmpfs"), table.text(stage), table.text("tmpfs"), MS.NOSUID | MS.NODEV, table.text("mode=711")];
  table.call("mount", tmpfs, { label: `mount a tmpfs on ${stage}` });
  const program = readOnlyCopy(table, engine.command, `${stage}/engine`);
  takePipes(table, pipes);
  if (!pipes.control) table.call("close", [FD.frames]);
  if (supervisorSocket) table.call("dup3", [supervisorSocket, SUPERVISOR_FD, 0], { label: "dup3" });
  table.call("execve", [table.text(program), table.list(["nbox", ...engine.args]), table.list([])], { label: "start the helper anew" });
}

/**
 * Puts a copy of a file's mount, read-only, under another path. The program inside can reach the helper through /proc/self/exe;
 * through this mount nobody can write to it, root neither (CVE-2019-5736).
 */
export function readOnlyCopy(table: TableBuilder, from: string, to: string): string {
  const copy = table.register();
  const file = table.register();
  const empty = table.text("");
  table.call("open_tree", [AT_FDCWD, table.text(from), OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC], { into: copy, label: `open_tree ${from}` });
  table.call("mount_setattr", [copy, empty, AT_EMPTY_PATH, table.words64(MOUNT_ATTR.RDONLY | MOUNT_ATTR.NODEV, 0, MS.PRIVATE, 0), 32], {
    label: `mount_setattr ${from}`,
  });
  table.call("openat", [AT_FDCWD, table.text(to), O.CREAT | O.RDONLY | O.CLOEXEC, 0o600], { into: file, label: `create ${to}` });
  table.call("close", [file]);
  table.call("move_mount", [copy, empty, AT_FDCWD, table.text(to), MOVE_MOUNT_F_EMPTY_PATH], { label: `mount ${to}` });
  table.call("close", [copy]);
  return to;
}

/** Writes this process into the control group whose `cgroup.procs` (or `tasks`) is at `path`. cgroups(7). */
export function joinCgroup(table: TableBuilder, path: string, ignore = false): void {
  const fd = table.register();
  table.call("openat", [AT_FDCWD, table.text(path), O.WRONLY | O.CLOEXEC, 0], { into: fd, label: `open ${path}`, ignore });
  table.call("write", [fd, table.text("0"), 1], { label: `join ${path}`, ignore });
  table.call("close", [fd], { ignore });
}

/** The process that moves the bytes: process 1 of the guard namespace. */
function move(
  table: TableBuilder,
  options: OuterOptions,
  pipes: Pipes,
  log: Register | undefined,
  child: Register,
  afterwards: ((code: Register) => void) | undefined,
): void {
  for (const fd of [FD.table, FD.report]) table.call("close", [fd]);
  const { detached } = options;
  const streams = ownStreams(table, { ...options, keepInput: detached?.keepInput === true, keepTerminal: detached !== undefined }, pipes);
  if (detached) table.call("close", [FD.frames]);
  const folder = detached?.folder;
  const where: Streams =
    log && detached
      ? { log, rotate: { limit: detached.logLimit, path: `${folder}/${DETACHED.log}`, old: `${folder}/${DETACHED.oldLog}` } }
      : options.direct
        ? { status: FD.frames }
        : { log: FD.frames };
  const all = writeStreams(table, { ...streams, ...where });
  if (!afterwards) return table.pump(child, all);
  const code = table.register();
  table.pump(child, all, code);
  afterwards(code);
}

function openLog(table: TableBuilder, { folder }: Detached): Register {
  const log = table.register();
  const path = `${folder}/${DETACHED.log}`;
  const flags = O.CREAT | O.WRONLY | O.APPEND | O.CLOEXEC;
  table.call("openat", [AT_FDCWD, table.text(path), flags, 0o600], { into: log, label: `open ${path}` });
  return log;
}
