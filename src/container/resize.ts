import { newTable, performTable, TableError } from "../sandbox/perform.ts";

/** ioctl_tty(2), the same on x86-64 and arm64; open(2). */
const TIOCSWINSZ = 0x5414;
const AT_FDCWD = -100;
const O_RDWR = 2;
const O_NOCTTY = 0o400;

/**
 * Gives the terminal of a container another size; the kernel tells the programs on it. `pid` is process 1 of the container. Harmless where
 * that has ended or has no terminal.
 */
export function resizeTerminal(pid: number, rows: number, columns: number): void {
  const table = newTable();
  const terminal = table.register();
  table.call("openat", [AT_FDCWD, table.text(`/proc/${pid}/root/dev/pts/0`), O_RDWR | O_NOCTTY, 0], { into: terminal });
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows & 0xffff, 0);
  size.writeUInt16LE(columns & 0xffff, 2);
  table.call("ioctl", [terminal, TIOCSWINSZ, table.bytes(size)]);
  try {
    performTable(table.finish());
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
  }
}
