import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { quietly } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { livenessOf, makerOf, uniqueToken } from "../kit/liveness.ts";
import { errnoOf } from "../kit/storage-failure.ts";
import type { SandboxLimits } from "./spec.ts";

/** The control groups of one sandbox. */
export interface Cgroups {
  /** Directories, to be removed when the sandbox is gone. */
  readonly folders: readonly string[];
  /** Files that a process writes 0 to in order to be limited. */
  readonly join: readonly string[];
}

export const NO_CGROUPS: Cgroups = { folders: [], join: [] };

const PREFIX = "nought-";
const PERIOD = 100_000;

/** Where groups can be made: for one controller each (version 1), or one for all (version 2). */
interface Parent {
  readonly folder: string;
  readonly version: 1 | 2;
}

/** One limit in the words of both versions; what is optional is passed over where the kernel has no such file. */
interface Setting {
  readonly controller: "memory" | "cpu" | "pids";
  readonly v1: readonly (readonly [file: string, value: string, optional?: boolean])[];
  readonly v2: readonly (readonly [file: string, value: string, optional?: boolean])[];
}

function settings({ memory, cpus, pids }: SandboxLimits): readonly Setting[] {
  const found: Setting[] = [];
  if (memory !== undefined) {
    // As much swap as memory, as docker has it; version 1 counts both together.
    const v1 = [
      ["memory.limit_in_bytes", `${memory}`],
      ["memory.memsw.limit_in_bytes", `${2 * memory}`, true],
    ] as const;
    found.push({
      controller: "memory",
      v1,
      v2: [
        ["memory.max", `${memory}`],
        ["memory.swap.max", `${memory}`, true],
      ],
    });
  }
  if (cpus !== undefined) {
    const quota = `${Math.max(1000, Math.round(cpus * PERIOD))}`;
    const v1 = [
      ["cpu.cfs_period_us", `${PERIOD}`],
      ["cpu.cfs_quota_us", quota],
    ] as const;
    found.push({ controller: "cpu", v1, v2: [["cpu.max", `${quota} ${PERIOD}`]] });
  }
  if (pids !== undefined) found.push({ controller: "pids", v1: [["pids.max", `${pids}`]], v2: [["pids.max", `${pids}`]] });
  return found;
}

/**
 * Makes control groups with the limits, beside or below the one that this process is in. cgroups(7). Throws SANDBOX where none can be
 * made: an ordinary user needs a delegated one of version 2, which systemd gives to services and scopes of his own.
 */
export function makeCgroups(limits: SandboxLimits): Cgroups {
  const wanted = settings(limits);
  if (wanted.length === 0) return NO_CGROUPS;
  const name = `${PREFIX}${uniqueToken()}`;
  const folders = new Set<string>();
  try {
    for (const setting of wanted) {
      const { folder, version } = parentOf(setting.controller);
      const own = join(folder, name);
      if (!folders.has(own)) mkdirSync(own, { mode: 0o755 });
      folders.add(own);
      for (const [file, value, optional] of version === 1 ? setting.v1 : setting.v2) write(join(own, file), value, optional === true);
    }
  } catch (error) {
    for (const folder of folders) quietly(() => rmdirSync(folder));
    if (error instanceof Failure) throw error;
    throw noLimits((error as Error).message);
  }
  return { folders: [...folders], join: [...folders].map((folder) => join(folder, "cgroup.procs")) };
}

/** Removes groups whose processes are gone. What cannot be removed now is left to sweepCgroups. */
export function removeCgroups(groups: Cgroups): void {
  for (const folder of groups.folders) quietly(() => rmdirSync(folder));
}

/** Removes groups that dead processes of nought left behind. */
export function sweepCgroups(): void {
  const parents = new Set<string>();
  for (const controller of ["memory", "cpu", "pids"] as const) {
    quietly(() => parents.add(parentOf(controller).folder));
  }
  for (const folder of parents) {
    for (const name of readdirSync(folder).filter((one) => one.startsWith(PREFIX))) {
      const maker = makerOf(name.slice(PREFIX.length));
      if (maker && livenessOf(maker) === "dead") quietly(() => rmdirSync(join(folder, name)));
    }
  }
}

function write(path: string, value: string, optional: boolean): void {
  try {
    writeFileSync(path, value);
  } catch (error) {
    if (!optional) throw error;
  }
}

function noLimits(why: string): Failure {
  return new Failure("SANDBOX", `memory, processors and processes cannot be limited here: ${why}`, {
    hint: "Run as root, or inside a delegated group: `systemd-run --user --scope -p Delegate=yes nought …`; or leave the limit away.",
  });
}

/** Files of the control groups that a process is in and this one is not: who writes 0 there is in them too. */
export function cgroupsOf(pid: number): readonly string[] {
  const mounts = cgroupMounts();
  const own = groupsOf("self");
  return [...groupsOf(`${pid}`)].flatMap(([name, path]) => {
    if (own.get(name) === path) return [];
    const mount = mounts.find(({ type, options }) => (name === "" ? type === "cgroup2" : type === "cgroup" && options.includes(name)));
    return mount ? [join(mount.path, path, "cgroup.procs")] : [];
  });
}

function cgroupMounts() {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" - "))
    .map(([before = "", after = ""]) => ({
      path: before.split(" ")[4] ?? "",
      type: after.split(" ")[0],
      options: after.split(" ")[2]?.split(",") ?? [],
    }));
}

/** Controllers (version 2: the empty name) and the groups that a process is in. cgroups(7). */
function groupsOf(pid: string): ReadonlyMap<string, string> {
  return new Map(
    readFileSync(`/proc/${pid}/cgroup`, "utf8")
      .split("\n")
      .map((line) => line.split(":"))
      .flatMap(([, names = "", ...path]) => names.split(",").map((name): [string, string] => [name, path.join(":")])),
  );
}

/** Where groups for a controller may be made. */
function parentOf(controller: Setting["controller"]): Parent {
  const mounts = cgroupMounts();
  const own = groupsOf("self");
  const first = mounts.find(({ type, options }) => type === "cgroup" && options.includes(controller));
  if (first) {
    const folder = join(first.path, own.get(controller) ?? "/");
    return { folder: existsSync(folder) ? folder : first.path, version: 1 };
  }
  const second = mounts.find(({ type }) => type === "cgroup2");
  if (!second) throw noLimits("there are no control groups");
  const mine = join(second.path, own.get("") ?? "/");
  // Groups are made beside ours: one that holds processes cannot hand its controllers on, the root excepted.
  const folder = mine === second.path ? mine : dirname(mine);
  if (!hands(folder, controller)) {
    try {
      writeFileSync(join(folder, "cgroup.subtree_control"), `+${controller}`);
    } catch (error) {
      throw noLimits(`${folder} does not hand on "${controller}" (${errnoOf(error)})`);
    }
  }
  return { folder, version: 2 };
}

function hands(folder: string, controller: string): boolean {
  return readFileSync(join(folder, "cgroup.subtree_control"), "utf8").trim().split(" ").includes(controller);
}
