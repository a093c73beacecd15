import { BlockList, isIP } from "node:net";

/** Networks that no public server may send us to: this machine, link-local (cloud metadata), private and carrier ranges. */
const INNER: readonly [address: string, prefix: number, family: "ipv4" | "ipv6"][] = [
  ["0.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  ["169.254.0.0", 16, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["::", 127, "ipv6"],
  ["fc00::", 7, "ipv6"],
  ["fe80::", 10, "ipv6"],
];

let list: BlockList | undefined;

/** Whether an IP address belongs to this machine or an inner network (RFC 1918, 3927, 4193, 4291, 6598). A host name is never inner. */
export function isInnerAddress(address: string): boolean {
  const bare = address.startsWith("[") && address.endsWith("]") ? address.slice(1, -1) : address;
  const family = isIP(bare);
  if (family === 0) return false;
  if (list === undefined) {
    list = new BlockList();
    for (const [net, prefix, kind] of INNER) list.addSubnet(net, prefix, kind);
  }
  // BlockList answers for IPv4-mapped IPv6 addresses too.
  return list.check(bare, family === 4 ? "ipv4" : "ipv6");
}
