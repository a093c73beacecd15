/** One fresh process, timed from outside; and once more with a meter inside. */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Use {
  readonly rssKB: number;
  readonly cpuMs: number;
  /** Bytes that went through read and write calls of the whole process, Node's own start included. */
  readonly read: number;
  readonly written: number;
}

/** Runs a command to its end. Milliseconds of wall time. Throws Error with the tool's last words when it fails. */
export function time(command: readonly string[], env: NodeJS.ProcessEnv = {}): number {
  const [program = "", ...args] = command;
  const start = process.hrtime.bigint();
  const done = spawnSync(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], maxBuffer: 64 << 20 });
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  if (done.error) throw done.error;
  if (done.status !== 0)
    throw new Error(`${command.join(" ")}\nexit ${done.status}: ${done.stderr.toString().split("\n").slice(-8).join("\n")}`);
  return ms;
}

/** Milliseconds of processor that all commands so far have used, theirs and the kernel's for them. */
export function cpuTime(): number {
  // cutime and cstime of proc_pid_stat(5), in ticks of 10 ms; the name in parentheses may hold blanks.
  const fields = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return 10 * (Number(fields[13]) + Number(fields[14]));
}

/** Runs a command of Node with the meter. */
export function meter(command: readonly string[], env: NodeJS.ProcessEnv = {}): Use {
  const file = join(tmpdir(), `nought-meter-${process.pid}.json`);
  time(command, { ...env, NODE_OPTIONS: `--require ${join(import.meta.dirname, "meter.cjs")}`, NOUGHT_BENCH_METER: file });
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } finally {
    rmSync(file, { force: true });
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
