/**
 * What is wrong with one word of EXPOSE, or undefined. `[[address:]hostport:]port[-port][/protocol]` is read, as docker
 * does, although only the part after the last colon counts.
 */
export function portProblem(spec: string): string | undefined {
  const slash = spec.indexOf("/");
  const ports = slash < 0 ? spec : spec.slice(0, slash);
  const range = ports.slice(ports.lastIndexOf(":") + 1);
  const found = /^0*(\d{1,5})(?:-0*(\d{1,5}))?$/.exec(range);
  const from = Number(found?.[1]);
  const to = Number(found?.[2] ?? found?.[1]);
  if (!found || from > to || to > 65_535) return `invalid containerPort: ${range} (ports are 0 to 65535)`;
  const protocol = slash < 0 ? "tcp" : spec.slice(slash + 1).toLowerCase();
  if (protocol === "" || protocol === "tcp" || protocol === "udp" || protocol === "sctp") return undefined;
  return `invalid port: "${spec}": invalid proto: ${protocol} (tcp, udp or sctp)`;
}
