/** Other tools to test with, where they are: on PATH, or started by the command that NOUGHT_PEERS names. */
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Ran, run } from "./golden/run.ts";

/** Whether a program is on PATH, or where administrators' programs are. */
export function onPath(name: string): boolean {
  return `${process.env.PATH ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The command of a peer, or why there is none. `version` are the words that make it say something and end well. */
export async function peer(name: string, version = "--version"): Promise<readonly string[] | string> {
  const prefix = process.env.NOUGHT_PEERS?.trim();
  if (!prefix) return onPath(name) ? [name] : `no ${name} on PATH (NOUGHT_PEERS can name a command that starts it)`;
  const command = [...prefix.split(/\s+/), name];
  const { status } = await run(command, [version], { cwd: "/", env: process.env });
  return status === 0 ? command : `${prefix} does not start ${name}`;
}

/** crun refuses cgroups of both versions side by side, whatever it is told: hide the newer one where that can be done. */
export function hidden(command: readonly string[]): readonly string[] {
  const unified = "/sys/fs/cgroup/unified/cgroup.controllers";
  if (process.env.NOUGHT_PEERS || process.getuid?.() !== 0 || !existsSync(unified) || !onPath("unshare")) return command;
  return ["unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /sys/fs/cgroup/unified && exec "$@"', "sh", ...command];
}

const TROUBLE = /cgroup|setrlimit|RLIMIT|newuidmap|cannot clone|unshare|mount proc|Operation not permitted|netavark|runc.*not found/i;

/** What keeps a peer from working on this machine, not in this image; undefined where it worked or failed for another reason. */
export function machineTrouble(ran: Ran): string | undefined {
  if (ran.status === 0 || !TROUBLE.test(ran.stderr)) return undefined;
  return `this machine does not let it run: ${ran.stderr.trim().split("\n").at(-1)}`;
}
