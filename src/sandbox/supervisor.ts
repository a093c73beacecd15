import {
  AT_FDCWD,
  CLONE,
  FSCONFIG,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR,
  MSG_CMSG_CLOEXEC,
  O,
  O_BY_ARCHITECTURE,
  PR,
} from "./flags.ts";
import { lifeLine } from "./guard.ts";
import type { Inside } from "./inside.ts";
import { ownerRules } from "./seccomp/owners.ts";
import type { CallArchitecture } from "./syscall-numbers.ts";
import type { Register, TableBuilder } from "./table.ts";

/** The descriptor over which the inner process hands the listener of its filter to the supervisor. */
export const SUPERVISOR_FD = 6;

/** struct cmsghdr {length, SOL_SOCKET, SCM_RIGHTS} with two descriptors. unix(7). */
const CONTROL_LENGTH = 24;

/**
 * Adds the process that answers changes of owners in a sandbox with a single id: in the guard's pid namespace, where the program cannot
 * reach it, and, once the program is about to start, in the program's mount namespace, where paths mean what they mean to the program.
 * It ends with its parent, and when nobody is left whom the filter asks about. seccomp_unotify(2).
 *
 * It is told process numbers of its own pid namespace, so it needs a proc of that one: a new one behind a guard, else the one that is
 * there. That is opened before the fork: where the kernel refuses, the sandbox fails with `fsmount /proc` before anything was done.
 */
export function supervisor(
  table: TableBuilder,
  socket: readonly [Register, Register],
  architecture: CallArchitecture,
  guarded: boolean,
): void {
  const child = table.register();
  const parent = table.mark();
  const proc = guarded ? newProc(table) : ownProc(table, architecture);
  const line = lifeLine(table);
  table.clone(0, child, parent, "fork");
  line.hold();
  // The program may share a user with it, and with a joined pid namespace it may be its neighbour.
  table.call("prctl", [PR.SET_DUMPABLE, 0, 0, 0, 0]);
  table.call("close", [socket[1]]);
  for (const fd of [0, 1, 2, 3, 4, 5]) table.call("close", [fd], { ignore: true });
  const control = table.words64(0, 0, -1);
  const message = table.words64(0, 0, table.words64(table.space(8), 1), 1, control, CONTROL_LENGTH, 0);
  const listener = table.register();
  const mounts = table.register();
  table.call("recvmsg", [socket[0], message, MSG_CMSG_CLOEXEC], { ignore: true });
  table.load32({ at: control.at + 16 }, listener);
  table.load32({ at: control.at + 20 }, mounts);
  table.call("setns", [mounts, CLONE.NEWNS], { ignore: true });
  table.call("close", [mounts], { ignore: true });
  const { rules, count } = ownerRules(table, architecture);
  table.supervise(listener, proc, rules, count);
  table.leave(0);
  table.place(parent);
  line.keep();
  table.call("close", [socket[0]]);
  table.call("close", [proc]);
}

/** A proc of the pid namespace that this process is in, attached nowhere. */
function newProc(table: TableBuilder): Register {
  const context = table.register();
  const proc = table.register();
  table.call("fsopen", [table.text("proc"), FSOPEN_CLOEXEC], { into: context, label: "fsopen /proc" });
  table.call("fsconfig", [context, FSCONFIG.CREATE, 0, 0, 0], { label: "making /proc" });
  const attributes = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC;
  table.call("fsmount", [context, FSMOUNT_CLOEXEC, attributes], { into: proc, label: "fsmount /proc" });
  table.call("close", [context]);
  return proc;
}

/** The proc of nought itself. */
function ownProc(table: TableBuilder, architecture: CallArchitecture): Register {
  const proc = table.register();
  const flags = O.PATH | O.CLOEXEC | O_BY_ARCHITECTURE[architecture].DIRECTORY;
  table.call("openat", [AT_FDCWD, table.text("/proc"), flags, 0], { into: proc, label: "open /proc" });
  return proc;
}

/** Installs the supervised filter and hands its listener over, with the mount namespace to look into. From then on owners are noted. */
export function handOverFilter(inside: Inside, program: Buffer): void {
  const { table } = inside;
  const listener = table.register();
  const mounts = table.register();
  const open = [AT_FDCWD, table.text("/proc/self/ns/mnt"), O.RDONLY | O.CLOEXEC, 0];
  table.call("openat", open, { into: mounts, label: "open /proc/self/ns/mnt" });
  const filter = table.words64(program.length / 8, table.bytes(program));
  const newListener = 8;
  table.call("seccomp", [1, newListener, filter], { into: listener, label: "seccomp (listener)" });
  const control = table.words64(CONTROL_LENGTH, 1n | (1n << 32n), 0, 0);
  // Two numbers of 32 bits: the second goes over the upper half of the first.
  table.store(listener, { at: control.at + 16 });
  table.store(mounts, { at: control.at + 20 });
  const message = table.words64(0, 0, table.words64(table.text("s"), 1), 1, control, CONTROL_LENGTH, 0);
  table.call("sendmsg", [SUPERVISOR_FD, message, 0], { label: "hand over the filter" });
  table.call("close", [SUPERVISOR_FD]);
  table.call("close", [listener]);
}
