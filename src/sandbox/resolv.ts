/** What /etc/resolv.conf and /etc/hosts say inside, as docker and BuildKit make them. resolv.conf(5), hosts(5). */

/** Where systemd-resolved keeps the real servers, when resolv.conf names only its own stub. */
export const RESOLVED = "/run/systemd/resolve/resolv.conf";
export const RESOLV_CONF = "/etc/resolv.conf";

/** Taken where every server of the host is on its loopback device, which an isolated network does not reach: docker's. */
const FALLBACK = ["8.8.8.8", "8.8.4.4"];

export interface ResolvOptions {
  /** Text of the host's /etc/resolv.conf, empty where it has none. */
  readonly host: string;
  /** Text of RESOLVED, if it is there. */
  readonly resolved?: string;
  /** Whether the sandbox has a network of its own. */
  readonly isolated: boolean;
  /** `--dns`, `--dns-search`, `--dns-option`: each replaces the host's. */
  readonly servers?: readonly string[];
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

/** The text of resolv.conf for a sandbox. */
export function resolvConf(wanted: ResolvOptions): string {
  let read = parse(wanted.host);
  if (wanted.isolated && wanted.resolved !== undefined && read.servers.length === 1 && read.servers[0] === "127.0.0.53")
    read = parse(wanted.resolved);
  const reachable = wanted.isolated ? read.servers.filter((one) => !isLoopback(one)) : read.servers;
  const servers = wanted.servers ?? (reachable.length > 0 ? reachable : FALLBACK);
  const search = wanted.search ?? read.search;
  const options = wanted.options ?? read.options;
  const lines = servers.map((one) => `nameserver ${one}`);
  if (search.length > 0) lines.push(`search ${search.join(" ")}`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}`);
  return `${lines.join("\n")}\n`;
}

interface Resolv {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

function parse(text: string): Resolv {
  const servers: string[] = [];
  let search: string[] = [];
  const options: string[] = [];
  for (const line of text.split("\n")) {
    const [key, ...values] = line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/);
    if (key === "nameserver" && values[0]) servers.push(values[0]);
    else if (key === "search" || key === "domain") search = values;
    else if (key === "options") options.push(...values);
  }
  return { servers, search, options };
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1" || address.toLowerCase() === "0:0:0:0:0:0:0:1";
}

/** The text of hosts: the machine itself under `hostname`, then `--add-host`s as names and addresses. */
export function hostsFile(hostname: string, extra: readonly { readonly name: string; readonly address: string }[] = []): string {
  const lines = [
    `127.0.0.1\tlocalhost ${hostname}`,
    "::1\tlocalhost ip6-localhost ip6-loopback",
    ...extra.map(({ name, address }) => `${address}\t${name}`),
  ];
  return `${lines.join("\n")}\n`;
}
