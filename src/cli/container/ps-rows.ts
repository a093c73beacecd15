import type { Container } from "../../container/face.ts";
import { listenAddresses } from "../../container/ports.ts";
import { commandOf } from "../../container/spec.ts";
import { ago, goTime, humanDuration } from "../render/human.ts";

const COMMAND_LENGTH = 20;
const MOUNT_LENGTH = 15;

/** A container as a line of `ps`. `size` is worked out only when it is asked for. */
export function psRow(container: Container, whole: boolean, size: () => string): Record<string, unknown> {
  const { record, state } = container;
  const created = Date.parse(record.created);
  const command = commandOf(record).join(" ");
  const mounts = record.mounts.filter((one) => one.type !== "tmpfs").map((one) => (one.type === "bind" ? one.source : one.name));
  return {
    Command: `"${whole ? command : ellipsis(command, COMMAND_LENGTH)}"`,
    CreatedAt: goTime(created),
    ID: whole ? record.id : record.id.slice(0, 12),
    Image: record.image.name,
    Labels: Object.entries(record.config.Labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join(","),
    LocalVolumes: `${record.mounts.filter((one) => one.type === "volume").length}`,
    Mounts: mounts.map((one) => (whole ? one : ellipsis(one, MOUNT_LENGTH))).join(","),
    Names: record.name,
    Networks: networkName(record.options.network),
    Ports: portsOf(container),
    RunningFor: ago(created),
    Size: size,
    State: state.status,
    Status: statusOf(container),
  };
}

function ellipsis(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

/** What docker calls the networks. */
export function networkName(network: string): string {
  return network === "default" ? "bridge" : network;
}

/** `Up 2 minutes`, `Exited (0) 3 hours ago`, `Created`. */
export function statusOf({ state }: Container, now = Date.now()): string {
  if (state.status === "created") return "Created";
  if (state.status === "running") return `Up ${humanDuration(now - (state.started?.at ?? now))}`;
  return `Exited (${state.ended?.code ?? 0}) ${ago(state.ended?.at, now)}`;
}

/** `0.0.0.0:8080->80/tcp, 443/tcp`: what is published while it runs, and what is only exposed. */
export function portsOf({ record, state }: Container): string {
  if (state.status !== "running") return "";
  const published = state.started?.ports ?? [];
  const taken = new Set(published.map((one) => `${one.port}/${one.protocol}`));
  const open = published.flatMap((one) => listenAddresses(one).map((address) => `${address}:${one.hostPort}->${one.port}/${one.protocol}`));
  const closed = Object.keys(record.config.ExposedPorts ?? {}).filter((one) => !taken.has(one));
  return [...closed.sort(), ...open].join(", ");
}
