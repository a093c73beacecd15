import { mkdirSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Image } from "../image/layer.ts";
import { quietly } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { openRoot, ownLowers } from "../rootfs/open.ts";
import { removeTree } from "../rootfs/remove.ts";
import { allCapabilities, capabilityMask, DEFAULT_CAPABILITIES } from "../sandbox/capability.ts";
import { environmentOf } from "../sandbox/environment.ts";
import { type Machine, runSandbox } from "../sandbox/run.ts";
import { mountPoints, type SandboxExit, type SandboxIo, type SandboxMount, type SandboxSpec } from "../sandbox/spec.ts";
import { resolveUser } from "../sandbox/user.ts";
import { openShelf, type Shelf } from "../shelf/shelf.ts";
import { sourceLayers } from "../shelf/source-layers.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import { toPath } from "../tree/path.ts";
import type { Tree } from "../tree/tree.ts";
import { type DebugTarget, networkFiles, requireAlive } from "./target.ts";

/** Where the target's files are seen. */
export const TARGET = "/target";

/** What to start beside the target. */
export interface DebugRequest {
  /** Whose files the tools are. */
  readonly toolbox: Image;
  /** Empty: what the toolbox's image says, else a shell. */
  readonly command: readonly string[];
  /** `NAME=value`, more than the image's. */
  readonly env: readonly string[];
  /** `name|uid[:group|gid]` of the toolbox; root without it. */
  readonly user?: string;
  readonly workdir?: string;
  /** Beyond a container's usual ones: `CAP_SYS_PTRACE`. */
  readonly capAdd: readonly string[];
  /** All capabilities, no filter of system calls, nothing of /proc hidden. */
  readonly privileged: boolean;
  readonly terminal: boolean;
}

/**
 * Starts a program of the toolbox beside a running process: in its namespaces of processes, network, IPC and host name, with its files
 * under /target, and with nothing of its own visible over there but the processes. Whatever it leaves running ends with it. Throws what
 * runSandbox throws, NOT_FOUND for a user that the toolbox has not, or a target that ended.
 */
export function debugProcess(
  store: ContentStore,
  target: DebugTarget,
  request: DebugRequest,
  io: SandboxIo,
  task: Task,
  machine: Machine = {},
): Promise<SandboxExit> {
  const { resolvConf, hosts } = networkFiles(target);
  const file = (path: string, bytes: Buffer | undefined): SandboxMount[] =>
    bytes ? [{ type: "bytes", target: path, bytes, mode: 0o644, uid: 0, gid: 0 }] : [];
  const place = {
    mounts: [
      { type: "root", pid: target.process.pid, target: TARGET } as const,
      ...file("/etc/resolv.conf", resolvConf),
      ...file("/etc/hosts", hosts),
    ],
    network: target.network,
    join: target.join,
  };
  return inToolbox(store, request, place, io, task, machine, () => requireAlive(target));
}

/**
 * Starts a program of the toolbox beside the files of an image, of which nothing is started: a copy of them to read and to change is under
 * /target. Throws as debugProcess.
 */
export async function debugImage(
  store: ContentStore,
  image: Image,
  request: DebugRequest,
  io: SandboxIo,
  task: Task,
  machine: Machine = {},
): Promise<SandboxExit> {
  const { directories } = await lowersOf(store, image, openShelf(store, task), task);
  return debugFiles(store, directories, request, io, task, machine);
}

/** The same for directories that overlay one another, lowest first: those of a container that does not run. */
export async function debugFiles(
  store: ContentStore,
  lowers: readonly string[],
  request: DebugRequest,
  io: SandboxIo,
  task: Task,
  machine: Machine = {},
): Promise<SandboxExit> {
  const folder = await store.temporary();
  try {
    const [upper, work] = [join(folder, "upper"), join(folder, "work")];
    for (const one of [folder, upper, work]) mkdirSync(one, { mode: 0o755 });
    const mount: SandboxMount =
      lowers.length === 0
        ? { type: "tmpfs", target: TARGET, mode: 0o755 }
        : { type: "layers", target: TARGET, lowers, upper, work, path: "/", kind: "directory" };
    return await inToolbox(store, request, { mounts: [mount], network: "none" }, io, task, machine);
  } finally {
    removeTree(folder);
  }
}

async function lowersOf(store: ContentStore, image: Image, shelf: Shelf, task: Task) {
  const layers = await sourceLayers(image.layers, shelf);
  using walk = shelf.walk();
  return await ownLowers(store.dir, layers, walk.files, task);
}

async function inToolbox(
  store: ContentStore,
  request: DebugRequest,
  place: Pick<SandboxSpec, "mounts" | "network" | "join">,
  io: SandboxIo,
  task: Task,
  machine: Machine,
  check?: () => void,
): Promise<SandboxExit> {
  const shelf = openShelf(store, task);
  const { config } = request.toolbox.config;
  const lowers = await lowersOf(store, request.toolbox, shelf, task);
  const user = resolveUser(request.user ?? config.User ?? "", await accounts(lowers.tree, shelf));
  const points = mountPoints({ mounts: place.mounts, terminal: request.terminal });
  await using root = openRoot(lowers, await store.temporary(), points);
  const spec: SandboxSpec = {
    lowers: root.lowers,
    upper: root.upper,
    work: root.work,
    args: commandOf(request),
    env: environmentOf({ env: [...(config.Env ?? []), ...request.env], home: user.home, terminal: request.terminal }),
    cwd: request.workdir ?? (config.WorkingDir || "/"),
    user,
    ...place,
    hostname: "debug",
    readonlyRoot: false,
    terminal: request.terminal,
    capabilities: capabilitiesOf(request),
    seccomp: !request.privileged,
    init: false,
    limits: {},
    ...(request.privileged ? { unmasked: true } : {}),
  };
  check?.();
  let left: Leftovers | undefined;
  try {
    return await runSandbox(
      spec,
      {
        ...io,
        started: (control) => {
          if (place.join) left = new Leftovers(control.pid);
          io.started?.(control);
        },
      },
      task,
      machine,
    );
  } finally {
    await left?.end();
  }
}

function commandOf({ command, toolbox }: DebugRequest): readonly string[] {
  if (command.length > 0) return command;
  const { Entrypoint, Cmd } = toolbox.config.config;
  const own = [...(Entrypoint ?? []), ...(Cmd ?? [])];
  return own.length > 0 ? own : ["sh"];
}

function capabilitiesOf({ privileged, capAdd }: DebugRequest): readonly string[] {
  const names = capAdd.map((one) => one.toUpperCase()).map((one) => (one === "ALL" || one.startsWith("CAP_") ? one : `CAP_${one}`));
  if (privileged || names.includes("ALL")) return allCapabilities();
  capabilityMask(names);
  return [...new Set([...DEFAULT_CAPABILITIES, ...names])];
}

async function accounts(tree: Tree, shelf: Shelf): Promise<{ passwd?: string; group?: string }> {
  const text = async (path: string) => {
    const entry = tree.lookup(toPath(path));
    return entry?.kind === "file" && entry.size <= 10 << 20 ? Buffer.from(await shelf.read(entry)).toString("utf8") : undefined;
  };
  const [passwd, group] = [await text("/etc/passwd"), await text("/etc/group")];
  return { ...(passwd === undefined ? {} : { passwd }), ...(group === undefined ? {} : { group }) };
}

/**
 * What a debugging shell leaves running: in the target's own namespace of processes nobody ends it for us. All of it shares the mount
 * namespace that was made for the shell, and nothing else does.
 */
class Leftovers {
  readonly #namespace: string | undefined;

  constructor(pid: number) {
    this.#namespace = namespaceOf(pid);
  }

  /** Ends it, and waits until it is gone. Throws SANDBOX where it does not go. */
  async end(): Promise<void> {
    if (this.#namespace === undefined) return;
    for (let tries = 0; tries < 200; tries++) {
      const left = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && namespaceOf(Number(name)) === this.#namespace);
      if (left.length === 0) return;
      for (const pid of left) quietly(() => process.kill(Number(pid), "SIGKILL"));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Failure("SANDBOX", "a process of the debugging session does not end");
  }
}

function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}
