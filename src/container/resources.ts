import { readFileSync, readlinkSync } from "node:fs";
import { totalmem } from "node:os";
import type { Container } from "./face.ts";
import { processesOf } from "./process-list.ts";

/** What a container uses at one moment, summed over its processes. Sizes are bytes; input and output count from its start. */
export interface Resources {
  /** Milliseconds of a clock that only goes forward. */
  readonly at: number;
  /** Seconds of processor time, of processes that still run. */
  readonly time: number;
  readonly memory: number;
  /** Its limit, or all that the machine has. */
  readonly limit: number;
  readonly received: number;
  readonly sent: number;
  readonly read: number;
  readonly written: number;
  /** Threads, as control groups count them. */
  readonly pids: number;
}

/** Measures a running container. Undefined when it has ended. */
export function measure(container: Container): Resources | undefined {
  const { pid } = container.state;
  if (pid === undefined) return undefined;
  const processes = processesOf(container);
  if (processes.length === 0) return undefined;
  const sum = (of: (one: (typeof processes)[number]) => number) => processes.reduce((total, one) => total + of(one), 0);
  const disk = processes.map((one) => diskOf(one.pid));
  const network = networkOf(pid);
  return {
    at: performance.now(),
    time: sum((one) => one.time),
    memory: sum((one) => one.memory),
    limit: container.record.options.memory ?? totalmem(),
    ...network,
    read: disk.reduce((total, one) => total + one.read, 0),
    written: disk.reduce((total, one) => total + one.written, 0),
    pids: sum((one) => one.threads),
  };
}

/** Between two moments: percent of one processor. */
export function processorShare(before: Resources, after: Resources): number {
  const span = (after.at - before.at) / 1000;
  return span <= 0 ? 0 : Math.max(0, ((after.time - before.time) / span) * 100);
}

/** What went over the devices of its own network; nothing where the network is the machine's. */
function networkOf(pid: number): { readonly received: number; readonly sent: number } {
  let [received, sent] = [0, 0];
  try {
    if (readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync("/proc/self/ns/net")) return { received, sent };
    for (const line of readFileSync(`/proc/${pid}/net/dev`, "latin1").split("\n").slice(2)) {
      const [, name, numbers = ""] = /^\s*([^:]+):(.*)$/.exec(line) ?? [];
      if (name === undefined || name === "lo") continue;
      const all = numbers.trim().split(/\s+/).map(Number);
      received += all[0] ?? 0;
      sent += all[8] ?? 0;
    }
  } catch {
    // It has ended, or may not be looked into: then there is nothing to tell.
  }
  return { received, sent };
}

function diskOf(pid: number): { readonly read: number; readonly written: number } {
  try {
    const text = readFileSync(`/proc/${pid}/io`, "latin1");
    const value = (name: string) => Number(new Map(text.split("\n").map((line) => line.split(": ") as [string, string])).get(name) ?? 0);
    return { read: value("read_bytes"), written: value("write_bytes") };
  } catch {
    return { read: 0, written: 0 };
  }
}
