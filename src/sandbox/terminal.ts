import { AT_FDCWD, O, O_BY_ARCHITECTURE, O_NONBLOCK, OPEN_TREE, TIOCGPTPEER, TIOCSCTTY, TIOCSPTLCK } from "./flags.ts";
import type { Inside } from "./inside.ts";
import type { Register } from "./table.ts";

/** The descriptor over which the inner process hands the terminal's other side to the one that moves its bytes. */
export const CONTROL_FD = 5;

/**
 * Opens a terminal of a devpts of the sandbox's own, sends its master side over CONTROL_FD, and makes the other side the controlling
 * terminal, standard input, output and error. In a fresh devpts the first terminal is number 0. pty(7), unix(7) (SCM_RIGHTS).
 */
export function openTerminal(inside: Inside, devpts = "/dev/pts"): void {
  const { table } = inside;
  const master = table.register();
  const slave = table.register();
  const open = (path: string) => [AT_FDCWD, table.text(path), O.RDWR | O.NOCTTY | O.CLOEXEC, 0];
  table.call("openat", open(`${devpts}/ptmx`), { into: master, label: `open ${devpts}/ptmx` });
  table.call("ioctl", [master, TIOCSPTLCK, table.space(4)], { label: "unlock the terminal" });
  table.call("openat", open(`${devpts}/0`), { into: slave, label: `open ${devpts}/0` });
  handOver(inside, master, slave);
}

/**
 * The same in a sandbox that runs: a further terminal of its devpts. Its other side is asked for by the descriptor and not by a path, and
 * what was opened must be a terminal (CVE-2025-52565).
 */
export function joinTerminal(inside: Inside): void {
  const { table } = inside;
  const master = table.register();
  const slave = table.register();
  const flags = O.RDWR | O.NOCTTY | O.CLOEXEC | O_NONBLOCK | O_BY_ARCHITECTURE[inside.architecture].NOFOLLOW;
  table.call("openat", [AT_FDCWD, table.text("/dev/pts/ptmx"), flags, 0], { into: master, label: "open /dev/pts/ptmx" });
  table.call("ioctl", [master, TIOCSPTLCK, table.space(4)], { label: "unlock the terminal" });
  table.call("ioctl", [master, TIOCGPTPEER, O.RDWR | O.NOCTTY | O.CLOEXEC], { into: slave, label: "open the terminal" });
  handOver(inside, master, slave);
}

/** Sends the master side, and takes the other one as controlling terminal and standard streams. */
function handOver({ table }: Inside, master: Register, slave: Register): void {
  // struct cmsghdr {size 20, SOL_SOCKET, SCM_RIGHTS} and the descriptor; the message itself is one byte.
  const control = table.words64(20, 1n | (1n << 32n), 0);
  table.store(master, { at: control.at + 16 });
  const message = table.words64(0, 0, table.words64(table.text("t"), 1), 1, control, 24, 0);
  table.call("sendmsg", [CONTROL_FD, message, 0], { label: "hand over the terminal" });
  table.call("ioctl", [slave, TIOCSCTTY, 0], { label: "take the terminal" });
  for (const fd of [0, 1, 2]) table.call("dup3", [slave, fd, 0], { label: "dup3 of the terminal" });
}

/** Puts the terminal on /dev/console. */
export function placeConsole(inside: Inside): void {
  const console = inside.openTree(AT_FDCWD, "/dev/pts/0", OPEN_TREE.CLONE, "/dev/pts/0");
  inside.moveMount(console, "/dev/console", "/dev/console");
}
