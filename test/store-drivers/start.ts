// Starts the driver: bundled once, because 25 modules of TypeScript take longer to load than most operations take.
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

/** A folder for one test file, removed at its end. */
export function testFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `nought-${name}-`));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Bundles the driver into `folder` and returns its path. */
export async function bundleDriver(folder: string): Promise<string> {
  const { build } = await import("esbuild");
  const outfile = join(folder, "driver.mjs");
  await build({
    entryPoints: [join(import.meta.dirname, "driver.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile,
    logLevel: "error",
  });
  return outfile;
}

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** When it has said something, or ended. */
  readonly spoke: Promise<void>;
}

/** Starts a process and collects what it says. */
export function start(command: string, args: readonly string[], options: SpawnOptions = {}): Started {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let [out, err] = ["", ""];
  const spoke = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) stream?.once("data", () => resolve());
    child.once("close", () => resolve());
  });
  child.stdout?.on("data", (chunk) => (out += chunk));
  child.stderr?.on("data", (chunk) => (err += chunk));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve({ status, signal, out, err }));
  });
  return { child, ended, spoke };
}

/** The environment in which system calls can be counted: one pool thread, no ring that hides them. */
export const COUNTABLE = { ...process.env, UV_THREADPOOL_SIZE: "1", UV_USE_IO_URING: "0" };

/** Why strace cannot be used here, or false. */
export function withoutStrace(): string | false {
  const { status, error } = spawnSync("strace", ["-f", "-o", "/dev/null", "/bin/true"], { stdio: "ignore" });
  return error || status !== 0 ? "strace is not here or may not trace" : false;
}

/** Why no private mount can be made here, or false. */
export function withoutMounts(): string | false {
  const { status, error } = spawnSync("unshare", ["-m", "/bin/sh", "-c", "mount -t tmpfs none /mnt"], { stdio: "ignore" });
  return error || status !== 0 ? "no private mounts here (needs root and unshare)" : false;
}

/** Runs a command under strace and returns the traced lines. */
export function trace(folder: string, calls: string, command: readonly string[]): string[] {
  const log = join(folder, "trace.log");
  const { status, stderr } = spawnSync("strace", ["-f", "-y", "-o", log, "-e", `trace=${calls}`, ...command], {
    env: COUNTABLE,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`strace ended with ${status}: ${stderr}`);
  return joinUnfinished(readFileSync(log, "utf8").split("\n"));
}

/** A call to strike at: the n-th of its name in its thread, which is how strace counts. */
export interface Point {
  readonly call: string;
  readonly n: number;
}

/** The calls in a trace that touch something below `dir`; with `all`, every call of these names after the first that does. */
export function pointsOf(lines: readonly string[], dir: string, calls: readonly string[], all = false): Point[] {
  const points: Point[] = [];
  const counts = new Map<string, number>();
  let begun = false;
  for (const line of lines) {
    const [, pid = "", call = ""] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (!calls.includes(call)) continue;
    const n = (counts.get(`${pid} ${call}`) ?? 0) + 1;
    counts.set(`${pid} ${call}`, n);
    begun ||= line.includes(dir);
    if (line.includes(dir) || (all && begun)) points.push({ call, n });
  }
  return points;
}

/** Runs a command in which strace strikes at a point: `signal=SIGKILL` or `error=EIO`. */
export function strike(point: Point, how: string, command: readonly string[]) {
  const inject = ["-f", "-o", "/dev/null", "-e", `trace=${point.call}`, "-e", `inject=${point.call}:${how}:when=${point.n}`];
  return spawnSync("strace", [...inject, ...command], { env: COUNTABLE, encoding: "utf8" });
}

/** strace splits a call that another thread interrupts into two lines: puts them together, at the place of the end. */
function joinUnfinished(lines: readonly string[]): string[] {
  const begun = new Map<string, string>();
  const out: string[] = [];
  for (const line of lines) {
    const pid = line.slice(0, line.indexOf(" "));
    const resumed = /^\d+ +<\.\.\. \w+ resumed>(.*)$/.exec(line);
    if (line.endsWith("<unfinished ...>")) begun.set(pid, line.slice(0, -"<unfinished ...>".length));
    else if (resumed) out.push(`${begun.get(pid) ?? `${pid} ?`}${resumed[1]}`);
    else out.push(line);
  }
  return out;
}

/** A row of pseudo-random numbers in [0, 1) from a seed, which is printed so that a failure can be repeated. */
export function randomFrom(name: string): () => number {
  const seed = Number(process.env["NOUGHT_SEED"] ?? Date.now() % 1_000_000);
  console.log(`${name}: NOUGHT_SEED=${seed}`);
  let state = seed >>> 0;
  return () => {
    // mulberry32, a public-domain generator.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whether the long versions were asked for. */
export const HEAVY = process.env["NOUGHT_STORM"] !== undefined;
