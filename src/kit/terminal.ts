import { fstatSync } from "node:fs";

/**
 * Whether a file descriptor is a terminal. Asks the descriptor first: node:tty brings node:net along, 2 ms that a build whose output goes
 * to a pipe or a file need not spend.
 */
export function isTerminal(fd: number): boolean {
  try {
    if (!fstatSync(fd).isCharacterDevice()) return false;
  } catch {
    return false;
  }
  return process.getBuiltinModule("node:tty").isatty(fd);
}
