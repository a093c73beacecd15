import { readFileSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../kit/look.ts";

/** A login for the addresses that begin like this. */
export interface MirrorLogin {
  /** Without a scheme only https; with one only that. */
  readonly scheme: string | undefined;
  /** Host with its port, in lower case, and the path that an address must begin with. */
  readonly host: string;
  readonly path: string;
  readonly login: string;
  readonly password: string;
}

const FILE = 1 << 20;

/**
 * The logins that apt has for its mirrors: `auth.conf` and `auth.conf.d/*.conf` (apt_auth.conf(5), the words of netrc). Files that this
 * user may
 * not read are passed over: the server will say that a login is missing. `root` stands for `/`.
 */
export function readAuthConf(root: string): MirrorLogin[] {
  const folder = join(root, "etc/apt/auth.conf.d");
  let names: string[] = [];
  try {
    names = namesIn(folder).filter((name) => /^[A-Za-z0-9_.-]+\.conf$/.test(name));
  } catch {
    // As if it were empty.
  }
  return [join(root, "etc/apt/auth.conf"), ...names.sort().map((name) => join(folder, name))].flatMap((path) => {
    try {
      return parseAuthConf(readFileSync(path, "utf8").slice(0, FILE));
    } catch {
      return [];
    }
  });
}

/** The logins of one text. */
export function parseAuthConf(text: string): MirrorLogin[] {
  const found: { machine: string; login: string; password: string }[] = [];
  const tokens = text
    .split("\n")
    .filter((line) => !line.trimStart().startsWith("#"))
    .join(" ")
    .split(/\s+/)
    .filter(Boolean);
  for (let n = 0; n < tokens.length; n += 2) {
    const value = tokens[n + 1] ?? "";
    const last = found.at(-1);
    if (tokens[n] === "machine") found.push({ machine: value, login: "", password: "" });
    else if (tokens[n] === "login" && last) last.login = value;
    else if (tokens[n] === "password" && last) last.password = value;
  }
  return found.flatMap(({ machine, login, password }) => {
    const [, scheme, host = "", path = ""] = /^(?:([a-z]+):\/\/)?([^/]+)(\/.*)?$/i.exec(machine) ?? [];
    return host === "" || login === "" ? [] : [{ scheme: scheme?.toLowerCase(), host: host.toLowerCase(), path, login, password }];
  });
}

/** The value of an Authorization header for an address; undefined without a login for it. The first that fits counts, as with apt. */
export function authorizationFor(url: string, logins: readonly MirrorLogin[]): string | undefined {
  const { protocol, host, hostname, pathname } = new URL(url);
  const fits = logins.find(
    (one) =>
      (one.scheme === undefined ? protocol === "https:" : `${one.scheme}:` === protocol) &&
      (one.host === host || one.host === hostname) &&
      pathname.startsWith(one.path),
  );
  return fits === undefined ? undefined : `Basic ${Buffer.from(`${fits.login}:${fits.password}`).toString("base64")}`;
}
