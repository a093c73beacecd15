import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

const PROTOCOLS = new Set(["tcp", "udp", "sctp"]);

/**
 * Ports of EXPOSE as the configuration has them, `80/tcp`, sorted as docker sorts them. Takes `80`, `80/udp`, `8000-8003/tcp`; what stands
 * before a
 * colon is a host's and does not count. Throws PLAN for numbers outside 1 to 65535 and unknown protocols.
 */
export function exposedPorts(words: readonly string[]): string[] {
  const ports = words.flatMap(portsOf);
  return ports.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

function portsOf(word: string): string[] {
  const bad = (why: string) =>
    new Failure("PLAN", `invalid containerPort: ${printable(word)}: ${why}`, {
      hint: "Ports are 1 to 65535, as in 8080, 53/udp or 8000-8010/tcp.",
    });
  const slash = word.indexOf("/");
  const protocol = (slash < 0 ? "tcp" : word.slice(slash + 1)).toLowerCase();
  const numbers = (slash < 0 ? word : word.slice(0, slash)).split(":").at(-1) as string;
  if (!PROTOCOLS.has(protocol))
    throw new Failure("PLAN", `invalid proto: ${printable(protocol)}`, { hint: "Protocols are tcp, udp and sctp." });
  const range = /^([0-9]{1,6})(?:-([0-9]{1,6}))?$/.exec(numbers);
  if (!range) throw bad("not a port number");
  const first = Number(range[1]);
  const last = Number(range[2] ?? range[1]);
  if (first > 65_535 || last > 65_535) throw bad("out of range");
  if (last < first) throw bad("the range ends before it begins");
  return Array.from({ length: last - first + 1 }, (_, step) => `${first + step}/${protocol}`);
}
