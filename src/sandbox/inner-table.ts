import { AT_FDCWD, CLOSE_RANGE_CLOEXEC, MNT_DETACH, MOVE_MOUNT_T_SYMLINKS, PR, SIGKILL } from "./flags.ts";
import { becomeUser, forbidPrivileges, installFilter, limitCapabilities } from "./identity.ts";
import { Inside, type InsideFacts } from "./inside.ts";
import { rlimits } from "./limits.ts";
import { makeTarget, rootMount, specMounts } from "./mounts.ts";
import { loopbackUp } from "./network-device.ts";
import { type ProgramTrouble, runProgram } from "./program.ts";
import type { Filters } from "./seccomp/filters.ts";
import { writeStreams } from "./streams.ts";
import { handOverFilter, SUPERVISOR_FD } from "./supervisor.ts";
import { fillDev, protectSystem, systemMounts } from "./system-mounts.ts";
import type { Table } from "./table.ts";
import { CONTROL_FD, openTerminal, placeConsole } from "./terminal.ts";

/** The second table, and what its last operations mean when they fail. */
export interface InnerTable {
  readonly table: Table;
  readonly troubles: ReadonlyMap<number, ProgramTrouble>;
}

/** What the second table reports on fd 4 when it begins, in the form of an error report. */
export const BEGUN = -1;

export interface InnerOptions extends InsideFacts {
  readonly filters: Filters;
  /** The hard limits that a soft one must not go beyond; as in /proc/self/limits. */
  readonly hardLimits: ReadonlyMap<string, number>;
}

/**
 * Writes the table of the process that becomes the program. The order matters, and each step says why it is where it is.
 * On entry: own namespaces, mounts of the host as a slave copy, a tmpfs on the stage, standard streams in place, table on fd 3,
 * reports on fd 4, with a terminal the control socket on fd 5.
 */
export function innerTable(options: InnerOptions): InnerTable {
  const inside = new Inside(options);
  const { table, spec } = inside;
  table.call("write", [4, table.words32(BEGUN, 0), 8]);
  // Before anything is opened: what somebody left open must not reach the program (CVE-2024-21626).
  table.call("close_range", [3, 0xffffffff, CLOSE_RANGE_CLOEXEC]);
  // Others in the same pid namespace must not look into this process before it is the program.
  table.call("prctl", [PR.SET_DUMPABLE, 0, 0, 0, 0]);
  table.call("setsid", [], { ignore: true });

  // Every mount is made here, while the host's paths are there, and attached nowhere.
  // The kernel's own file systems first: if they are refused, the directories of the overlay are still untouched (see run.ts).
  const system = systemMounts(inside);
  const root = rootMount(inside);
  const mounts = specMounts(inside);
  const place = inside.attachStaged(root, "/");
  table.call("chdir", [table.text(place)], { label: "enter the root" });
  table.call("pivot_root", [table.text("."), table.text(".")], { label: "pivot_root" });
  table.call("umount2", [table.text("."), MNT_DETACH], { label: "detach the host's root" });
  table.call("chdir", [table.text("/")]);

  // From here on no path of the host exists: links of the image lead inside the image.
  attach(inside, system.waiting);
  for (const { asked, mount } of mounts) {
    makeTarget(inside, asked, ["/dev", ...spec.mounts.map((one) => one.target)]);
    // Without a stub layer a target may be a link of the image; inside, it cannot lead anywhere else.
    inside.moveMount(mount, asked.target, asked.target, spec.plain === undefined ? 0 : MOVE_MOUNT_T_SYMLINKS);
  }
  protectSystem(inside, system.masks);
  if (spec.network === "none") loopbackUp(inside);
  if (!spec.join?.uts) table.call("sethostname", [table.text(spec.hostname), Buffer.byteLength(spec.hostname)]);
  if (spec.terminal) {
    openTerminal(inside);
    placeConsole(inside);
  }
  standardStreams(inside);
  rlimits(inside, options.hardLimits);
  table.call("umask", [0o022]);

  // The filter comes before the capabilities go: without CAP_SYS_ADMIN it would need NO_NEW_PRIVS, and su and sudo would break.
  limitCapabilities(inside);
  workingDirectory(inside, options.filters.supervised !== undefined);
  for (const program of options.filters.programs) installFilter(inside, program, "seccomp");
  if (options.filters.supervised) handOverFilter(inside, options.filters.supervised);
  becomeUser(inside);
  forbidPrivileges(inside);
  // Changing ids cleared it.
  table.call("prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  if (spec.init) becomeInit(inside);
  const troubles = runProgram(inside);
  return { table: table.finish(), troubles };
}

function attach(inside: Inside, waiting: ReturnType<typeof systemMounts>["waiting"]): void {
  for (const { mount, target, label } of waiting) {
    inside.moveMount(mount, target, label);
    if (target === "/dev") fillDev(inside);
  }
}

/** Process 1 stays the helper, which hands signals on and collects orphans; the program is its child. */
function becomeInit(inside: Inside): void {
  const { table } = inside;
  const child = table.register();
  const init = table.mark();
  const program = table.mark();
  table.jump(program);
  table.place(init);
  table.call("close", [3]);
  table.call("close", [4]);
  table.pump(child, writeStreams(table, {}));
  table.place(program);
  table.clone(0, child, init, "fork");
  table.call("prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
}

/** The user may open /dev/stdout again: pipes and terminals are ours to give away, an inherited descriptor is not. */
function standardStreams(inside: Inside): void {
  const { table, spec, privileges } = inside;
  if (privileges.single) return;
  for (const fd of [0, 1, 2]) table.call("fchown", [fd, spec.user.uid, -1], { label: `fchown of descriptor ${fd}`, ignore: true });
}

/**
 * Goes to the working directory, which is made for the user if it is not there. Every descriptor of the host is closed before, so
 * that no path below /proc/self/fd leads out. Root may go where the user may not, as under docker.
 */
function workingDirectory(inside: Inside, supervised: boolean): void {
  const { table, spec, privileges } = inside;
  table.call("close", [CONTROL_FD], { ignore: true });
  if (!supervised) table.call("close", [SUPERVISOR_FD], { ignore: true });
  table.call("close_range", [SUPERVISOR_FD + 1, 0xffffffff, 0]);
  const names = spec.cwd.split("/").filter(Boolean);
  const result = inside.scratch;
  const there = table.mark();
  table.call("chdir", [table.text(spec.cwd)], { ignore: true, into: result });
  table.jumpEqual(result, 0, there);
  for (let count = 1; count <= names.length; count++) {
    const path = table.text(`/${names.slice(0, count).join("/")}`);
    const made = table.mark();
    const known = table.mark();
    table.call("mkdirat", [AT_FDCWD, path, 0o755], { ignore: true, into: result });
    table.jumpEqual(result, 0, made);
    table.jump(known);
    table.place(made);
    if (!privileges.single) table.call("fchownat", [AT_FDCWD, path, spec.user.uid, spec.user.gid, 0x100]);
    table.place(known);
  }
  table.call("chdir", [table.text(spec.cwd)], { label: `chdir to ${spec.cwd}` });
  table.place(there);
}
