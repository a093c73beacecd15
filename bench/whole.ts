/** One fresh process of any tool, with its time, the processors' time and its peak of memory. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Whole {
  readonly ms: number;
  /** User and system time of the process and its children, in steps of 10 ms. Not that of a daemon. */
  readonly cpuMs: number;
  /** Highest resident memory of the process; 0 where it was gone before anybody looked. */
  readonly peakKB: number;
}

/** Ticks of /proc/PID/stat in a second: the same on every Linux that Node runs on. */
const TICKS = 100;

/**
 * Runs a command to its end. The peak is the kernel's own (`VmHWM`), looked up every ten milliseconds; the processors' time is what the kernel adds
 * to this process for children that have ended, so only one may run at a time. Throws Error with the tool's last words when it fails.
 */
export async function whole(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Whole> {
  const [program = "", ...args] = command;
  const cpu = childrenMs();
  const start = process.hrtime.bigint();
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk}`.slice(-4_000);
  });
  let peakKB = 0;
  const look = setInterval(() => {
    peakKB = Math.max(peakKB, peakOf(child.pid as number));
  }, 10);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  }).finally(() => clearInterval(look));
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  if (status !== 0) throw new Error(`${command.join(" ")}\nexit ${status}: ${said.trim().split("\n").slice(-8).join("\n")}`);
  return { ms, cpuMs: childrenMs() - cpu, peakKB };
}

function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Fields 16 and 17 of proc_pid_stat(5): time of children that were waited for. */
function childrenMs(): number {
  const fields = readFileSync("/proc/self/stat", "latin1").split(") ")[1]?.split(" ") ?? [];
  return ((Number(fields[13]) + Number(fields[14])) * 1000) / TICKS;
}
