import { findContainer } from "../../container/face.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Invocation } from "../command.ts";

/** `nought port`: where the host listens for the ports of a container. */
export async function run(call: Invocation): Promise<void> {
  const [name = "", wanted] = call.args;
  const { state } = findContainer(call.storeDir, name);
  const ports = state.status === "running" ? (state.started?.ports ?? []) : [];
  if (wanted === undefined) {
    const lines = ports.flatMap((one) => addresses(one).map((address) => `${one.port}/${one.protocol} -> ${address}\n`));
    call.out(lines.sort().join(""));
    return;
  }
  const [, port, protocol = "tcp"] = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(wanted) ?? [];
  const found = ports.filter((one) => `${one.port}` === port && one.protocol === protocol.toLowerCase());
  if (found.length === 0)
    throw new Failure("NOT_FOUND", `No public port '${printable(wanted)}' published for ${printable(name)}`, {
      hint: "`nought run -p HOST_PORT:PORT` publishes one.",
    });
  for (const one of found) for (const address of addresses(one)) call.out(`${address}\n`);
}

function addresses({ host, hostPort }: { readonly host?: string; readonly hostPort: number }): readonly string[] {
  if (host) return [host.includes(":") ? `[${host}]:${hostPort}` : `${host}:${hostPort}`];
  return [`0.0.0.0:${hostPort}`, `[::]:${hostPort}`];
}
