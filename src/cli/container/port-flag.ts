import type { PortMapping } from "../../container/record.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

/** `-p [[IP:]HOSTPORT:]PORT[/PROTOCOL]`, ranges as `8000-8010`. Throws USAGE, in docker's words. */
export function readPublish(text: string): readonly PortMapping[] {
  const wrong = (why: string) => new Failure("USAGE", `invalid argument "${printable(text)}" for "-p, --publish" flag: ${why}`);
  const [host, hostPorts, ports, protocol = "tcp"] = splitPublish(text) ?? [];
  if (ports === undefined) throw wrong(`invalid containerPort: ${printable(text)}`);
  return combine(host, hostPorts, ports, protocol, wrong);
}

function splitPublish(text: string): readonly (string | undefined)[] | undefined {
  const [spec = "", protocol, ...more] = text.split("/");
  if (more.length > 0) return undefined;
  const closing = spec.startsWith("[") ? spec.indexOf("]:") : -1;
  const host = closing > 0 ? spec.slice(1, closing) : undefined;
  const parts = (closing > 0 ? spec.slice(closing + 2) : spec).split(":");
  const ports = parts.pop();
  const hostPorts = parts.pop();
  const plain = host ?? parts.pop();
  return parts.length > 0 ? undefined : [plain, hostPorts, ports, protocol];
}

function combine(
  host: string | undefined,
  hostPorts: string | undefined,
  ports: string,
  protocol: string,
  wrong: (why: string) => Failure,
): readonly PortMapping[] {
  if (protocol !== "tcp" && protocol !== "udp") throw wrong(`invalid proto: ${printable(protocol)}`);
  if (host !== undefined && host !== "" && process.getBuiltinModule("node:net").isIP(host) === 0)
    throw wrong(`invalid IP address: ${printable(host)}`);
  const inside = readRange(ports);
  if (!inside) throw wrong(`invalid containerPort: ${printable(ports)}`);
  const outside = hostPorts === undefined || hostPorts === "" ? undefined : readRange(hostPorts, 0);
  if (hostPorts && !outside) throw wrong(`invalid hostPort: ${printable(hostPorts)}`);
  if (outside && outside.length !== inside.length)
    throw wrong(`invalid ranges specified for container and host Ports: ${ports} and ${hostPorts}`);
  return inside.map((port, at) => ({ port, protocol, hostPort: outside?.[at] ?? 0, ...(host ? { host } : {}) }));
}

/** `80` or `8000-8010`, each from 1 to 65535; 0 is any port of the host that is free. */
function readRange(text: string, least = 1): readonly number[] | undefined {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === undefined || from < least || to > 65535 || to < from) return undefined;
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

/** `--expose 80/tcp` and EXPOSE of the image: keys of ExposedPorts, `80/tcp`. Throws USAGE. */
export function readExpose(text: string): readonly string[] {
  const [ports = "", protocol = "tcp"] = text.split("/");
  const found = readRange(ports);
  if (!found || !/^(?:tcp|udp|sctp)$/.test(protocol)) throw new Failure("USAGE", `invalid range format for --expose: ${printable(text)}`);
  return found.map((port) => `${port}/${protocol}`);
}
