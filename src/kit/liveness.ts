import { readFileSync, readlinkSync } from "node:fs";

/**
 * Who a process is, so that nobody mistakes another process that was given the same number for it:
 * number, start time in clock ticks since boot (field 22 of /proc/PID/stat, proc(5)), boot and pid namespace.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** 0 where /proc is not there. */
  readonly start: number;
  /** First eight digits of the boot id, empty where unknown. */
  readonly boot: string;
  /** Inode of the pid namespace, 0 where unknown. */
  readonly namespace: number;
}

let self: ProcessIdentity | undefined;

/** The identity of this process. It stays the same over execve. */
export function ownIdentity(): ProcessIdentity {
  self ??= {
    pid: process.pid,
    start: statOf("self")?.start ?? 0,
    boot: attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 8)) ?? "",
    namespace: Number(attempt(() => /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0]) ?? 0),
  };
  return self;
}

/** The identity of any process of this pid namespace; undefined where there is none, or none that still runs. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const facts = statOf(String(pid));
  if (facts === undefined || facts.ended) return undefined;
  return { ...ownIdentity(), pid, start: facts.start };
}

/** One string of [0-9a-f-], usable as part of a file name. */
export function formatIdentity(who: ProcessIdentity): string {
  return `${who.pid}-${who.start}-${who.boot === "" ? "0" : who.boot}-${who.namespace}`;
}

let last = 0n;

/** The identity of this process with one more part: a string that no other call, here or in another process, ever gives again. */
export function uniqueToken(): string {
  const now = process.hrtime.bigint();
  last = now > last ? now : last + 1n;
  return `${formatIdentity(ownIdentity())}-${last.toString(16)}`;
}

/** The process that made such a string; undefined for anything else. */
export function makerOf(token: string): ProcessIdentity | undefined {
  return parseIdentity(token.slice(0, Math.max(0, token.lastIndexOf("-"))));
}

/** Reads what `formatIdentity` wrote; undefined for anything else. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  const match = /^(\d{1,10})-(\d{1,20})-([0-9a-f]{1,8})-(\d{1,20})$/.exec(text);
  if (!match) return undefined;
  return {
    pid: Number(match[1]),
    start: Number(match[2]),
    boot: match[3] === "0" ? "" : (match[3] as string),
    namespace: Number(match[4]),
  };
}

/**
 * Whether that process still runs. `unknown` for a process of another pid namespace of this boot: from here it cannot be seen.
 * A process that is stopped is alive; one that ended and was not yet waited for is dead. The wall clock plays no part.
 */
export function livenessOf(who: ProcessIdentity): "alive" | "dead" | "unknown" {
  const own = ownIdentity();
  if (who.boot !== own.boot) return "dead";
  if (who.namespace !== own.namespace) return "unknown";
  if (own.start === 0 || who.start === 0) return answersSignals(who.pid) ? "unknown" : "dead";
  const now = statOf(String(who.pid));
  return now === undefined || now.start !== who.start || now.ended ? "dead" : "alive";
}

function statOf(pid: string): { start: number; ended: boolean } | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  if (text === undefined) return undefined;
  // The command name in brackets may hold anything; what follows its last bracket is numbers, from the state (field 3) on.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { start: Number(fields[19]), ended: fields[0] === "Z" || fields[0] === "X" };
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
