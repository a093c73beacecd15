import { closeSync, openSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { Failure } from "../kit/error.ts";
import { livenessOf, type ProcessIdentity } from "../kit/liveness.ts";
import { printable } from "../kit/printable.ts";
import { newTable, performTable, TableError } from "../sandbox/perform.ts";

/** The first of the signals for applications of realtime; glibc keeps two before it for itself. signal(7). */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** The number of a signal given as `KILL`, `SIGKILL`, `9` or `RTMIN+3`. Throws USAGE in docker's words. */
export function signalNumber(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, "");
  const known = constants.signals as Readonly<Record<string, number>>;
  const [, base, offset] = /^RT(MIN|MAX)(?:([+-]\d{1,2}))?$/.exec(name) ?? [];
  const number = /^\d{1,3}$/.test(text)
    ? Number(text)
    : base !== undefined
      ? (base === "MIN" ? SIGRTMIN : SIGRTMAX) + Number(offset ?? 0)
      : known[`SIG${name}`];
  if (number === undefined || number < 1 || number > SIGRTMAX)
    throw new Failure("USAGE", `Invalid signal: ${printable(text)}`, { exit: 1 });
  return number;
}

/**
 * Sends a signal to exactly this process, or to none: its directory in /proc is held open, which stands for the process and not for its
 * number, its start time is compared, and the signal goes through it (pidfd_send_signal(2)). False where it is gone. Throws SANDBOX where
 * the kernel does not let us.
 */
export function signalProcess(process_: ProcessIdentity, signal: number): boolean {
  if (livenessOf(process_) !== "alive") return false;
  let fd: number;
  try {
    fd = openSync(`/proc/${process_.pid}`, "r");
  } catch {
    return false;
  }
  try {
    if (startOf(fd) !== process_.start) return false;
    const table = newTable();
    const directory = table.register();
    // Opening the magic link gives the same directory again, whatever process has the number by now.
    table.call("openat", [-100, table.text(`/proc/${process.pid}/fd/${fd}`), 0o200000, 0], { into: directory, label: "open the process" });
    table.call("pidfd_send_signal", [directory, signal, 0, 0], { label: `send signal ${signal}` });
    performTable(table.finish());
    return true;
  } catch (error) {
    if (error instanceof TableError && (error.code === "ESRCH" || error.code === "ENOENT")) return false;
    if (error instanceof TableError && error.code === "EPERM")
      throw new Failure("SANDBOX", `process ${process_.pid} may not be signalled: it belongs to another user`, { cause: error });
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Field 22 of the process's stat, read through its open directory; −1 when it is gone. */
function startOf(directory: number): number {
  try {
    const text = readFileSync(`/proc/self/fd/${directory}/stat`, "latin1");
    return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]);
  } catch {
    return -1;
  }
}
