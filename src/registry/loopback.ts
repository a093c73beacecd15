import { isIP } from "node:net";

/** Whether a registry (`host[:port]`) is this machine itself: there, nobody listens in on http. RFC 6761, RFC 1122. */
export function isLoopback(host: string): boolean {
  const name = host
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "")
    .toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  return isIP(name) === 4 ? name.startsWith("127.") : name === "::1";
}
