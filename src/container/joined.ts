import { accessSync, constants } from "node:fs";
import { Failure } from "../kit/error.ts";
import { networkProgram, type PublishedPort } from "../sandbox/network-program.ts";
import type { Task } from "../task/task.ts";
import { findContainer, requireRunning } from "./face.ts";
import type { ContainerRecord, RunOptions } from "./record.ts";
import type { Joined } from "./spec.ts";

/**
 * Finds the namespaces of other containers that this one is to be in, and the program for a network of its own. Throws NOT_FOUND,
 * CONFLICT for a container that does not run, SANDBOX where ports cannot be published.
 */
export function joinedNamespaces(
  store: string,
  { options }: Pick<ContainerRecord, "options">,
  ports: readonly PublishedPort[],
  task: Task,
): Joined {
  const join = {
    ...pathOf(store, "pid", options.pid),
    ...pathOf(store, "ipc", options.ipc),
    ...pathOf(store, "uts", options.uts),
  };
  return { network: networkOf(store, options, ports, task), ...(Object.keys(join).length > 0 ? { join } : {}) };
}

function networkOf(store: string, { network }: RunOptions, ports: readonly PublishedPort[], task: Task): Joined["network"] {
  if (network === "none" || network === "host") return network;
  const other = containerNamed(network);
  if (other !== undefined) return { join: `/proc/${requireRunning(findContainer(store, other))}/ns/net` };
  if (network !== "default")
    throw new Failure("USAGE", `network ${network} not found`, { hint: "Networks are default, none, host and container:NAME." });
  const program = networkProgram();
  if (program && mayOpenTun()) return { program, ports };
  const why = program ? `${program.name} may not open ${TUN}` : "neither pasta nor slirp4netns is installed";
  if (ports.length > 0)
    throw new Failure("SANDBOX", `ports cannot be published: ${why}`, {
      hint: program
        ? `Let this user open it (chmod 666 ${TUN}), or use --network host.`
        : "Install pasta (Debian: passt), or use --network host.",
    });
  task.emit({ type: "note", text: `${why}: the container has the host's network` });
  return "host";
}

/** What packets of a network without root go through. */
const TUN = "/dev/net/tun";

function mayOpenTun(): boolean {
  try {
    accessSync(TUN, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function pathOf(store: string, kind: "pid" | "ipc" | "uts", mode: string): Readonly<Record<string, string>> {
  if (mode === "host") return { [kind]: mode };
  const other = containerNamed(mode);
  return other === undefined ? {} : { [kind]: `/proc/${requireRunning(findContainer(store, other))}/ns/${kind}` };
}

/** The name in `container:NAME`. */
export function containerNamed(mode: string): string | undefined {
  return mode.startsWith("container:") ? mode.slice("container:".length) : undefined;
}
