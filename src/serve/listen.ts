import { isIP } from "node:net";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";

/** Where a server listens. Port 0 takes a free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads `HOST:PORT`, `[::1]:PORT`, `:PORT` or `PORT`; the host is 127.0.0.1 where none is given. Throws USAGE. */
export function parseListen(text: string): ListenAddress {
  const found = /^(?:(\[[0-9A-Fa-f:.]+\]|[^:[\]]*):)?(\d{1,5})$/.exec(text);
  const port = Number(found?.[2] ?? Number.NaN);
  if (!found || !(port <= 65_535)) throw new Failure("USAGE", `"${printable(text)}" is not HOST:PORT`);
  const host = (found[1] ?? "").replaceAll(/[[\]]/g, "");
  return { host: host === "" || host === "localhost" ? "127.0.0.1" : host, port };
}

/** Whether only this machine reaches an address. */
export function isLoopback(host: string): boolean {
  return isIP(host) === 4 ? host.startsWith("127.") : host === "::1";
}

/** Whether a Host header names this machine as such: `localhost`, 127.x.y.z or [::1], with any port. */
export function ownHost(header: string): boolean {
  const found = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i.exec(header);
  return found !== null;
}

/** `127.0.0.1:5000`, `[::1]:5000`. */
export function formatListen({ host, port }: ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
