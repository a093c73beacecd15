import type { EngineCommand } from "./engine.ts";
import { CLONE, CLOSE_RANGE_CLOEXEC, MS, PR, SIGKILL } from "./flags.ts";
import { dieWithParent, FD, lifeLine } from "./guard.ts";
import { becomeUser, forbidPrivileges, installFilter, limitCapabilities } from "./identity.ts";
import { Inside, type InsideFacts } from "./inside.ts";
import { janitor } from "./janitor.ts";
import { rlimits } from "./limits.ts";
import { joinCgroup, readOnlyCopy } from "./outer-table.ts";
import { makePipes, ownStreams, takePipes } from "./pipes.ts";
import { type ProgramTrouble, runProgram } from "./program.ts";
import type { RawTerminal } from "./raw.ts";
import type { Filters } from "./seccomp/filters.ts";
import { writeStreams } from "./streams.ts";
import type { CallArchitecture } from "./syscall-numbers.ts";
import { type Register, type Table, TableBuilder } from "./table.ts";
import { joinTerminal } from "./terminal.ts";

/** The descriptor that holds the target, and the frame that says so. */
const TARGET_FD = 7;
export const HELD = 10;

/** The namespaces that a target does not share with this process. */
export interface EntranceOptions {
  readonly architecture: CallArchitecture;
  readonly engine: EngineCommand;
  readonly stage: string;
  /** Undefined: the process outlives nought. */
  readonly parentPid: number | undefined;
  readonly pid: number;
  /** Whether its user namespace is another one. */
  readonly otherUsers: boolean;
  /** Whether nought's own terminal is read, so that its session must be kept. */
  readonly inherit: boolean;
}

/**
 * Writes the first of two tables that bring a process into a running sandbox: it takes hold of the target, whatever happens to its number
 * from then on, and says so; whoever sends the second table makes sure that it was the right one. That is performed by the helper on a
 * read-only mount, which nobody inside can write to (CVE-2019-5736). pidfd_open(2), setns(2).
 */
export function entranceTable(options: EntranceOptions): Table {
  const { architecture, engine, stage, parentPid, pid, otherUsers, inherit } = options;
  const table = new TableBuilder(architecture);
  const target = table.register();
  if (parentPid !== undefined) dieWithParent(table, parentPid);
  table.call("close_range", [FD.frames + 1, 0xffffffff, 0]);
  if (!inherit) table.call("setsid", [], { ignore: true });
  table.call("pidfd_open", [pid, 0], { into: target, label: `pidfd_open ${pid}` });
  table.call("dup3", [target, TARGET_FD, 0]);
  if (otherUsers) table.call("setns", [target, CLONE.NEWUSER], { label: "setns (user)" });
  table.call("unshare", [CLONE.NEWNS], { label: "unshare (mounts)" });
  table.call("mount", [0, table.text("/"), 0, MS.REC | MS.SLAVE, 0], { label: "make mounts slaves" });
  const tmpfs = [table.text("tmpfs"), table.text(stage), table.text("tmpfs"), MS.NOSUID | MS.NODEV, table.text("mode=711")];
  table.call("mount", tmpfs, { label: `mount a tmpfs on ${stage}` });
  const program = readOnlyCopy(table, engine.command, `${stage}/engine`);
  table.call("write", [FD.frames, table.words64(0, HELD), 16], { label: "tell that the target is held" });
  table.call("execve", [table.text(program), table.list(["nbox", ...engine.args]), table.list([])], { label: "start the helper anew" });
  return table.finish();
}

export interface ExecTableOptions extends InsideFacts {
  readonly filters: Filters;
  readonly hardLimits: ReadonlyMap<string, number>;
  /** Whether it dies with nought. */
  readonly bound: boolean;
  /** CLONE_… of the namespaces that are entered, those of users and pids aside. */
  readonly namespaces: number;
  readonly otherPids: boolean;
  /** Files of control groups that 0 is written to; where that fails they are none of ours. */
  readonly cgroups: readonly string[];
  readonly input: boolean;
  /** Nought's terminal, which is to be raw meanwhile. */
  readonly terminal: RawTerminal | undefined;
  readonly direct: boolean;
  /** Nobody is there to hear its output. */
  readonly silent: boolean;
}

/** Writes the second table: a child enters the sandbox and becomes the program there, this process moves the bytes. */
export function execTable(options: ExecTableOptions): { readonly table: Table; readonly troubles: ReadonlyMap<number, ProgramTrouble> } {
  const inside = new Inside(options);
  const { table, spec } = inside;
  if (options.bound) table.call("prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  // From the moment the child is in the pid namespace, processes there see it; they must not look into it.
  table.call("prctl", [PR.SET_DUMPABLE, 0, 0, 0, 0]);
  const cleaner = janitor(table, [], options.terminal);
  const pipes = makePipes(table, spec.terminal);
  if (options.otherPids) table.call("setns", [TARGET_FD, CLONE.NEWPID], { label: "setns (pid)" });
  const child = table.register();
  const parent = table.mark();
  const line = options.bound ? lifeLine(table) : undefined;
  table.clone(0, child, parent, "fork");
  line?.hold();
  takePipes(table, pipes);
  const troubles = enter(inside, options);
  table.place(parent);
  line?.keep();
  reportChild(inside, child);
  for (const fd of [FD.table, FD.report, TARGET_FD]) table.call("close", [fd]);
  const streams = ownStreams(table, { ...options, keepInput: false, keepTerminal: false }, pipes);
  if (options.silent) table.call("close", [FD.frames]);
  const all = writeStreams(table, { ...streams, ...(options.silent ? {} : options.direct ? { status: FD.frames } : { log: FD.frames }) });
  const code = table.register();
  table.pump(child, all, code);
  cleaner?.dismiss();
  table.leave(code);
  return { table: table.finish(), troubles };
}

/** Tells the child's number: a frame of stream 3. */
function reportChild({ table }: Inside, child: Register): void {
  const record = table.space(40);
  table.store(3 + 24 * 2 ** 32, { at: record.at + 8 });
  table.decimal(child, { at: record.at + 16 });
  table.call("write", [FD.frames, record, 40], { label: "report the process number" });
}

/** The child, up to the program. The order is that of a sandbox of its own (inner-table.ts). */
function enter(inside: Inside, options: ExecTableOptions): ReadonlyMap<number, ProgramTrouble> {
  const { table, spec, privileges } = inside;
  for (const path of options.cgroups) joinCgroup(table, path, true);
  table.call("setns", [TARGET_FD, options.namespaces], { label: "setns" });
  // Descriptors of the host, before anything inside is looked up.
  table.call("close_range", [3, 0xffffffff, CLOSE_RANGE_CLOEXEC]);
  table.call("setsid", [], { ignore: true });
  if (spec.terminal) joinTerminal(inside);
  table.call("close_range", [FD.frames, 0xffffffff, 0]);
  if (!privileges.single)
    for (const fd of [0, 1, 2]) table.call("fchown", [fd, spec.user.uid, -1], { label: `fchown of descriptor ${fd}`, ignore: true });
  rlimits(inside, options.hardLimits);
  table.call("umask", [0o022]);
  limitCapabilities(inside);
  table.call("chdir", [table.text(spec.cwd)], { label: `chdir to ${spec.cwd}` });
  for (const program of options.filters.programs) installFilter(inside, program, "seccomp");
  becomeUser(inside);
  forbidPrivileges(inside);
  if (options.bound) table.call("prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  return runProgram(inside);
}
