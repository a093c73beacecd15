/**
 * What is wrong with one word of EXPOSE, or undefined. `[[address:]hostport:]port[-port][/protocol]` is read, as docker
 * does, although only the part after the last colon counts.
 */
export function portProblem(spec: string): string | undefined {
  return readPort(spec).problem;
}

/** The keys of the image config's `ExposedPorts` for one word of EXPOSE, like `80/tcp`; empty where the word is wrong. */
export function exposedPorts(spec: string): string[] {
  const { from, to, protocol, problem } = readPort(spec);
  if (problem !== undefined) return [];
  return Array.from({ length: to - from + 1 }, (_, at) => `${from + at}/${protocol}`);
}

function readPort(spec: string): { from: number; to: number; protocol: string; problem?: string } {
  const slash = spec.indexOf("/");
  const ports = slash < 0 ? spec : spec.slice(0, slash);
  const protocol = slash < 0 || slash === spec.length - 1 ? "tcp" : spec.slice(slash + 1).toLowerCase();
  const range = ports.slice(ports.lastIndexOf(":") + 1);
  const found = /^0*(\d{1,5})(?:-0*(\d{1,5}))?$/.exec(range);
  const from = Number(found?.[1]);
  const to = Number(found?.[2] ?? found?.[1]);
  const read = { from, to, protocol };
  if (!found || from > to || to > 65_535) return { ...read, problem: `invalid containerPort: ${range} (ports are 0 to 65535)` };
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp") {
    return { ...read, problem: `invalid port: "${spec}": invalid proto: ${protocol} (tcp, udp or sctp)` };
  }
  return read;
}
