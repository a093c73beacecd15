import type { Cgroups } from "./cgroup.ts";
import type { EngineCommand } from "./engine.ts";
import {
  AF,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  CLONE,
  F_SETFL,
  MOUNT_ATTR,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS,
  MSG_CMSG_CLOEXEC,
  O,
  O_NONBLOCK,
  OPEN_TREE,
  PR,
  SIGKILL,
  SOCK,
} from "./flags.ts";
import type { SandboxSpec } from "./spec.ts";
import { type Streams, writeStreams } from "./streams.ts";
import { SUPERVISOR_FD, supervisor } from "./supervisor.ts";
import type { CallArchitecture } from "./syscall-numbers.ts";
import { type Address, type Register, type Table, TableBuilder } from "./table.ts";
import { CONTROL_FD } from "./terminal.ts";

export interface OuterOptions {
  readonly spec: Pick<SandboxSpec, "network" | "terminal" | "join">;
  readonly architecture: CallArchitecture;
  readonly engine: EngineCommand;
  /** The directory that carries the sandbox's own tmpfs. */
  readonly stage: string;
  /** Who must still be our parent when we ask to die with it. */
  readonly parentPid: number;
  /** Whether descriptor 0 brings input. */
  readonly input: boolean;
  /** Whether that is nought's own standard input. */
  readonly inherit: boolean;
  /** Output is copied to descriptors 1 and 2, and not sent as frames. */
  readonly direct: boolean;
  /** Control groups that the program is put into, and that are removed when everything is over. */
  readonly cgroups: Cgroups;
  /** Whether a supervisor answers changes of owners. */
  readonly supervise: boolean;
}

/** Descriptors on entry. */
export const FD = { table: 3, report: 4, frames: 5 } as const;

/**
 * Writes the first table: three processes. The first is nought's child. The second is process 1 of a guard namespace: whatever the sandbox
 * does, it cannot outlive that namespace, and the namespace not nought (a set-uid program clears the wish to die with one's parent,
 * so the sandbox alone could). The third has namespaces of its own, performs the second table and becomes the program.
 */
export function outerTable(options: OuterOptions): Table {
  const table = new TableBuilder(options.architecture);
  dieWithParent(table, options.parentPid);
  table.call("close_range", [FD.frames + 1, 0xffffffff, 0]);
  // Signals of the terminal go to nought, which hands them on; who reads a terminal must stay in its session.
  if (!options.inherit) table.call("setsid", [], { ignore: true });
  if (options.cgroups.folders.length > 0) janitor(table, options.cgroups.folders);
  if (!options.spec.join?.pid) guard(table);
  const socket = options.supervise ? pair(table) : undefined;
  if (socket) supervisor(table, socket, options.architecture, !options.spec.join?.pid);
  const pipes = makePipes(table, options);
  const child = table.register();
  const parent = table.mark();
  const { spec } = options;
  joinPid(table, spec);
  const flags =
    CLONE.NEWNS |
    (spec.join?.pid ? 0 : CLONE.NEWPID) |
    (spec.join?.ipc ? 0 : CLONE.NEWIPC) |
    (spec.join?.uts ? 0 : CLONE.NEWUTS) |
    (spec.network === "none" ? CLONE.NEWNET : 0);
  table.clone(flags, child, parent, "clone with new namespaces");
  inner(table, options, pipes, socket?.[1]);
  table.place(parent);
  if (socket) table.call("close", [socket[1]]);
  move(table, options, pipes, child);
  return table.finish();
}

/** Asks to be killed with the parent, and ends if that is gone already. */
export function dieWithParent(table: TableBuilder, parentPid: number): void {
  const parent = table.register();
  const there = table.mark();
  table.call("prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  table.call("getppid", [], { into: parent });
  table.jumpEqual(parent, parentPid, there);
  table.leave(125);
  table.place(there);
}

/** Times that the janitor tries, and milliseconds between. */
const TRIES = 60;
const PAUSE = 50;

/**
 * Leaves a process behind that removes control groups once all others are gone, also when they were killed: they are the only thing of a
 * sandbox that does not go by itself. It waits at a pipe of which it alone has no writing end, so it needs no number of a process.
 */
function janitor(table: TableBuilder, folders: readonly string[]): void {
  const [read, write] = pipe(table, "the janitor");
  const child = table.register();
  const parent = table.mark();
  const pause = table.words64(0, PAUSE * 1_000_000);
  const result = table.register();
  table.clone(0, child, parent, "fork");
  table.call("prctl", [PR.SET_PDEATHSIG, 0, 0, 0, 0]);
  table.call("setsid", [], { ignore: true });
  for (const fd of [write, 0, 1, 2, FD.table, FD.report, FD.frames]) table.call("close", [fd], { ignore: true });
  table.call("read", [read, table.space(8), 1], { ignore: true });
  for (const folder of folders) {
    const gone = table.mark();
    for (let tries = 0; tries < TRIES; tries++) {
      table.call("unlinkat", [AT_FDCWD, table.text(folder), AT_REMOVEDIR], { ignore: true, into: result });
      table.jumpEqual(result, 0, gone);
      table.jumpEqual(result, -2, gone);
      table.call("ppoll", [0, 0, pause, 0, 0], { ignore: true });
    }
    table.place(gone);
  }
  table.leave(0);
  table.place(parent);
  table.call("close", [read]);
}

/** Goes on as process 1 of a namespace that never runs anything else, while this process waits for it. */
export function guard(table: TableBuilder): void {
  const [read, write] = pipe(table, "life line");
  const child = table.register();
  const parent = table.mark();
  const begin = table.mark();
  const alive = table.mark();
  const ready = table.register();
  table.jump(begin);
  table.place(parent);
  for (const fd of [FD.table, FD.report, FD.frames, read]) table.call("close", [fd]);
  table.pump(child, writeStreams(table, {}));
  table.place(begin);
  table.clone(CLONE.NEWPID, child, parent, "clone with a new pid namespace");
  table.call("close", [write]);
  table.call("prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  // If the parent died before it could be asked for, its end of the pipe is closed.
  const poll = table.space(8);
  table.store({ register: read.register }, poll);
  table.call("ppoll", [poll, 1, table.words64(0, 0), 0, 0], { into: ready });
  table.jumpEqual(ready, 0, alive);
  table.leave(125);
  table.place(alive);
  table.call("close", [read]);
}

interface Pipes {
  readonly input: readonly [Register, Register];
  readonly output: readonly [Register, Register] | undefined;
  readonly error: readonly [Register, Register] | undefined;
  readonly control: readonly [Register, Register] | undefined;
}

function makePipes(table: TableBuilder, { spec }: OuterOptions): Pipes {
  return {
    input: pipe(table, "input"),
    output: spec.terminal ? undefined : pipe(table, "output"),
    error: spec.terminal ? undefined : pipe(table, "errors"),
    control: spec.terminal ? pair(table) : undefined,
  };
}

function pipe(table: TableBuilder, label: string): readonly [Register, Register] {
  const fds = table.space(8);
  table.call("pipe2", [fds, O.CLOEXEC], { label: `pipe for ${label}` });
  return loadBoth(table, fds);
}

function pair(table: TableBuilder): readonly [Register, Register] {
  const fds = table.space(8);
  table.call("socketpair", [AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC, 0, fds], { label: "socketpair" });
  return loadBoth(table, fds);
}

function loadBoth(table: TableBuilder, fds: Address): readonly [Register, Register] {
  const both = [table.register(), table.register()] as const;
  table.load32(fds, both[0]);
  table.load32({ at: fds.at + 4 }, both[1]);
  return both;
}

/** Namespaces of other processes: that of pids counts for children only, so it is joined before the clone. */
function joinPid(table: TableBuilder, { join }: OuterOptions["spec"]): void {
  if (join?.pid) setns(table, join.pid, CLONE.NEWPID);
}

function setns(table: TableBuilder, path: string, type: number): void {
  const fd = table.register();
  table.call("openat", [AT_FDCWD, table.text(path), O.RDONLY | O.CLOEXEC, 0], { into: fd, label: `open ${path}` });
  table.call("setns", [fd, type], { label: `setns ${path}` });
  table.call("close", [fd]);
}

/** The process that becomes the program, up to the second table. */
function inner(table: TableBuilder, options: OuterOptions, pipes: Pipes, supervisorSocket: Register | undefined): void {
  const { spec, stage, engine } = options;
  table.call("prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  if (typeof spec.network === "object" && "join" in spec.network) setns(table, spec.network.join, CLONE.NEWNET);
  if (spec.join?.ipc) setns(table, spec.join.ipc, CLONE.NEWIPC);
  if (spec.join?.uts) setns(table, spec.join.uts, CLONE.NEWUTS);
  for (const path of options.cgroups.join) joinCgroup(table, path);
  table.call("unshare", [CLONE.NEWCGROUP], { ignore: true });
  reportPid(table);
  // A slave: what the host unmounts goes away here too, until the host's root is gone; what we mount never reaches the host.
  table.call("mount", [0, table.text("/"), 0, MS.REC | MS.SLAVE, 0], { label: "make mounts slaves" });
  const tmpfs = [table.text("tmpfs"), table.text(stage), table.text("tmpfs"), MS.NOSUID | MS.NODEV, table.text("mode=711")];
  table.call("mount", tmpfs, { label: `mount a tmpfs on ${stage}` });
  const program = readOnlyCopy(table, engine.command, `${stage}/engine`);
  const { input, output, error, control } = pipes;
  table.call("dup3", [input[0], 0, 0], { label: "dup3" });
  if (output) table.call("dup3", [output[1], 1, 0], { label: "dup3" });
  if (error) table.call("dup3", [error[1], 2, 0], { label: "dup3" });
  if (control) table.call("dup3", [control[1], CONTROL_FD, 0], { label: "dup3" });
  else table.call("close", [FD.frames]);
  if (supervisorSocket) table.call("dup3", [supervisorSocket, SUPERVISOR_FD, 0], { label: "dup3" });
  table.call("execve", [table.text(program), table.list(["nbox", ...engine.args]), table.list([])], { label: "start the helper anew" });
}

/**
 * Puts a copy of a file's mount, read-only, under another path. The program inside can reach the helper through /proc/self/exe;
 * through this mount nobody can write to it, root neither (CVE-2019-5736).
 */
function readOnlyCopy(table: TableBuilder, from: string, to: string): string {
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

function joinCgroup(table: TableBuilder, path: string): void {
  const fd = table.register();
  table.call("openat", [AT_FDCWD, table.text(path), O.WRONLY | O.CLOEXEC, 0], { into: fd, label: `open ${path}` });
  table.call("write", [fd, table.text("0"), 1], { label: `join ${path}` });
  table.call("close", [fd]);
}

/** Tells which number this process has where the host's /proc is mounted: a frame of stream 3. */
export function reportPid(table: TableBuilder): void {
  const record = table.space(40);
  table.store(3 + 24 * 2 ** 32, { at: record.at + 8 });
  table.call("readlinkat", [AT_FDCWD, table.text("/proc/self"), { at: record.at + 16 }, 23], { label: "readlink /proc/self" });
  table.call("write", [FD.frames, record, 40], { label: "report the process number" });
}

/** The process that moves the bytes: process 1 of the guard namespace. */
function move(table: TableBuilder, options: OuterOptions, pipes: Pipes, child: Register): void {
  const { input, output, error, control } = pipes;
  for (const fd of [FD.table, FD.report, input[0], output?.[1], error?.[1], control?.[1]]) if (fd !== undefined) table.call("close", [fd]);
  const log: Streams = options.direct ? { status: FD.frames } : { log: FD.frames };
  if (control) {
    table.call("close", [input[1]]);
    const master = receive(table, control[0]);
    table.pump(child, writeStreams(table, { ...log, ...terminalStreams(options, master) }));
    return;
  }
  if (options.input) table.call("fcntl", [input[1], F_SETFL, O_NONBLOCK]);
  else table.call("close", [input[1]]);
  const streams: Streams = {
    sources: [(output as readonly [Register, Register])[0], (error as readonly [Register, Register])[0]],
    ...log,
    ...(options.direct ? { copies: [1, 2] } : {}),
    ...(options.input ? { input: { from: 0, to: input[1] } } : {}),
  };
  table.pump(child, writeStreams(table, streams));
}

function terminalStreams(options: OuterOptions, master: Register): Streams {
  return {
    sources: [master],
    ...(options.direct ? { copies: [1] } : {}),
    ...(options.input ? { input: { from: 0, to: master }, window: 0 } : {}),
  };
}

/** Receives the terminal's master side, or −1 when the other process ended before it could send it. unix(7). */
function receive(table: TableBuilder, socket: Register): Register {
  const control = table.words64(0, 0, -1);
  const message = table.words64(0, 0, table.words64(table.space(8), 1), 1, control, 24, 0);
  const master = table.register();
  table.call("recvmsg", [socket, message, MSG_CMSG_CLOEXEC], { ignore: true });
  table.load32({ at: control.at + 16 }, master);
  table.call("fcntl", [master, F_SETFL, O_NONBLOCK], { ignore: true });
  return master;
}
