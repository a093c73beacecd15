/** To be somebody else in a test: an ordinary user with ranges of ids in /etc/subuid, or with a single id. Root only, nothing of the machine is changed. */
import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A user that nobody has. */
const ID = 54321;
const NAME = "nought-test";

export type Ids = "ranges" | "single";

export interface OrdinaryUser {
  /** Words before a command that make it his. */
  readonly prefix: readonly string[];
  readonly home: string;
}

/** Makes such a user with a home in `dir`; a text says why he cannot be. */
export function ordinaryUser(ids: Ids, dir: string): OrdinaryUser | string {
  if (process.getuid?.() !== 0) return "only root can be somebody else";
  const home = join(dir, `home-${ids}`);
  mkdirSync(home, { recursive: true });
  chownSync(home, ID, ID);
  const become = ["setpriv", `--reuid=${ID}`, `--regid=${ID}`, "--clear-groups", "env", `HOME=${home}`, `XDG_CACHE_HOME=${home}/cache`];
  const user =
    ids === "single" ? { prefix: become, home } : { prefix: ["unshare", "-m", "sh", "-c", bindings(home), "sh", ...become], home };
  const tried = spawnSync(user.prefix[0] as string, [...user.prefix.slice(1), "unshare", "-U", "true"], { encoding: "utf8" });
  if (tried.status !== 0) return `an ordinary user may make no user namespace here: ${tried.stderr.trim()}`;
  if (ids === "ranges" && spawnSync("newuidmap", []).error) return "there is no newuidmap (Debian: uidmap)";
  return user;
}

/** A shell that has files of its own in place of those that say who may have which ids. */
function bindings(home: string): string {
  const files: Record<string, string> = {
    passwd: `${readFileSync("/etc/passwd", "utf8")}${NAME}:x:${ID}:${ID}::${home}:/bin/sh\n`,
    subuid: `${NAME}:200000:65536\n`,
    subgid: `${NAME}:200000:65536\n`,
  };
  const mounts = Object.entries(files).map(([name, text]) => {
    const file = join(home, `etc-${name}`);
    writeFileSync(file, text);
    return `{ [ -e /etc/${name} ] && mount --bind '${file}' /etc/${name}; }`;
  });
  return `${mounts.join(" && ")} && exec "$@"`;
}
