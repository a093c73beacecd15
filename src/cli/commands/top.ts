import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { findContainer, requireRunning } from "../../container/face.ts";
import { type ProcessFacts, processesOf } from "../../container/process-list.ts";
import { parsePasswd } from "../../format/passwd.ts";
import { Failure } from "../../kit/error.ts";
import { printableLine } from "../../kit/printable.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import type { Invocation } from "../command.ts";

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** `nought top`: the processes of a container, as `ps -ef` shows them, or with options as the machine's ps does. */
export async function run(call: Invocation): Promise<void> {
  const [name = "", ...options] = call.args;
  const container = findContainer(call.storeDir, name);
  // Its users are then named as it names them.
  enterUserNamespace(process.env, requireRunning(container));
  const processes = processesOf(container);
  const rows = options.length === 0 || options.join(" ") === "-ef" ? own(processes) : await machine(processes, options);
  call.out(table(rows));
}

function own(processes: readonly ProcessFacts[]): readonly (readonly string[])[] {
  const names = new Map(parsePasswd(attempt(() => readFileSync("/etc/passwd", "utf8")) ?? "").map((one) => [one.uid, one.name]));
  const user = (uid: number) => {
    const found = names.get(uid);
    return found === undefined ? `${uid}` : found.length > 8 ? `${found.slice(0, 7)}+` : found;
  };
  const now = Date.now();
  return [
    ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
    ...processes.map((one) => [
      user(one.uid),
      `${one.pid}`,
      `${one.ppid}`,
      `${Math.min(99, Math.floor((one.time * 100_000) / Math.max(1000, now - one.started)))}`,
      startTime(one.started, now),
      one.terminal ?? "?",
      clock(one.time),
      one.command,
    ]),
  ];
}

/** As ps: the time of a day, else the day of a year, else the year. */
function startTime(at: number, now: number): string {
  const [then, today] = [new Date(at), new Date(now)];
  const two = (number: number) => String(number).padStart(2, "0");
  if (then.toDateString() === today.toDateString()) return `${two(then.getHours())}:${two(then.getMinutes())}`;
  return then.getFullYear() === today.getFullYear() ? `${MONTHS[then.getMonth()]}${two(then.getDate())}` : `${then.getFullYear()}`;
}

function clock(time: number): string {
  const seconds = Math.floor(time);
  const two = (number: number) => String(number).padStart(2, "0");
  const days = Math.floor(seconds / 86_400);
  return `${days > 0 ? `${days}-` : ""}${two(Math.floor(seconds / 3600) % 24)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** Runs the machine's ps, and keeps the lines of these processes, as docker does. Throws NOT_FOUND, USAGE. */
async function machine(processes: readonly ProcessFacts[], options: readonly string[]): Promise<readonly (readonly string[])[]> {
  const ps = (more: readonly string[]) =>
    spawnSync("ps", [...options, ...more], { encoding: "utf8", maxBuffer: 64 << 20, timeout: 30_000 });
  // Not every option of ps goes together with a choice of processes.
  let ran = ps([`-q${processes.map((one) => one.pid).join(",")}`]);
  if (!ran.error && ran.status !== 0) ran = ps([]);
  if (ran.error)
    throw new Failure("NOT_FOUND", 'ps: exec: "ps": executable file not found in $PATH', { hint: "Without options, nought needs no ps." });
  if (ran.status !== 0 && ran.stderr.trim() !== "")
    throw new Failure("USAGE", `ps: ${printableLine(ran.stderr.trim().split("\n")[0] ?? "")}`, { exit: 1 });
  const [header = "", ...lines] = ran.stdout.split("\n");
  const titles = header.trim().split(/\s+/);
  const at = titles.findIndex((title) => title === "PID");
  if (at < 0) throw new Failure("USAGE", "Couldn't find PID field in ps output", { exit: 1 });
  const wanted = new Set(processes.map((one) => `${one.pid}`));
  const rows = lines.map((line) => fields(line.trim(), titles.length)).filter((row) => wanted.has(row[at] ?? ""));
  return [titles, ...rows];
}

/** As many fields as there are titles; the last one holds blanks. */
function fields(line: string, count: number): readonly string[] {
  const all = line.split(/\s+/);
  return all.length <= count ? all : [...all.slice(0, count - 1), all.slice(count - 1).join(" ")];
}

/** Columns of at least 20 characters with three between them, the last one as it is: Go's tabwriter as docker sets it. */
function table(rows: readonly (readonly string[])[]): string {
  const safe = rows.map((row) => row.map((cell) => printableLine(cell).replaceAll("\t", " ")));
  const widths = (safe[0] ?? []).map((_, at) => Math.max(20, ...safe.map((row) => (row[at]?.length ?? 0) + 3)));
  return safe.map((row) => `${row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join("")}\n`).join("");
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
