import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type Container, requireRunning } from "./face.ts";

/** Clock ticks of /proc in a second: Linux shows the same number on every architecture (USER_HZ). */
const TICKS = 100;

/** A process as /proc shows it (proc(5)). */
export interface ProcessFacts {
  readonly pid: number;
  readonly ppid: number;
  /** The effective user. */
  readonly uid: number;
  /** `pts/0`; undefined without a terminal. */
  readonly terminal?: string;
  /** Seconds of processor time so far. */
  readonly time: number;
  /** Milliseconds since the epoch. */
  readonly started: number;
  readonly threads: number;
  /** Bytes of memory it has of its own or shares. */
  readonly memory: number;
  /** Text from outside: its arguments, or its name in brackets. */
  readonly command: string;
}

/**
 * The processes of a running container, `exec`'s included: those that share its mounts and its namespace of processes (which may be
 * another container's or the machine's); where we may not see that, its process 1 and what that started. Throws CONFLICT where it does not
 * run.
 */
export function processesOf(container: Container): readonly ProcessFacts[] {
  const init = requireRunning(container);
  const namespace = namespacesOf(init);
  const boot = bootTime();
  const found: ProcessFacts[] = [];
  const mine = new Set([init]);
  // A parent has a smaller number, mostly; where numbers began anew, the namespace tells.
  for (const pid of readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)) {
    if (pid < init && namespace === undefined) continue;
    const inside = pid === init || (namespace !== undefined && namespacesOf(pid) === namespace);
    const facts = inside || namespace === undefined ? readProcess(pid, boot) : undefined;
    if (!facts || !(inside || mine.has(facts.ppid))) continue;
    mine.add(pid);
    found.push(facts);
  }
  return found;
}

/** Both: processes that serve the container from outside share its mounts, processes of other containers perhaps its numbers. */
function namespacesOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`) + readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

function bootTime(): number {
  return Number(/^btime (\d+)/m.exec(readFileSync("/proc/stat", "latin1"))?.[1] ?? 0) * 1000;
}

/** Undefined for a process that has ended meanwhile. */
function readProcess(pid: number, boot: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    // The name in parentheses may hold anything, parentheses too.
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const field = (number: number) => Number(fields[number - 3] ?? 0);
    const terminal = terminalName(field(7));
    return {
      pid,
      ppid: field(4),
      uid: Number(/^Uid:\s*\d+\s+(\d+)/m.exec(status)?.[1] ?? 0),
      ...(terminal === undefined ? {} : { terminal }),
      time: (field(14) + field(15)) / TICKS,
      started: boot + (field(22) * 1000) / TICKS,
      threads: field(20),
      memory: Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024,
      command: line.replace(/\0+$/, "").replaceAll("\0", " ") || `[${name}]`,
    };
  } catch {
    return undefined;
  }
}

/** The name behind a device number (tty_nr): pseudo terminals have the major numbers 136 to 143. */
function terminalName(device: number): string | undefined {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  if (device === 0) return undefined;
  return major >= 136 && major <= 143 ? `pts/${(major - 136) * 256 + minor}` : major === 4 ? `tty${minor}` : "?";
}
