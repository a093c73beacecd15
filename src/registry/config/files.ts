import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import { errnoOf, storageFailure } from "../../kit/storage-failure.ts";
import { type Conf, readConf } from "./rules.ts";

/** Everything the configuration files say, put together: what is read later wins. */
export interface Merged {
  readonly search: readonly string[];
  readonly rules: readonly Conf["rules"][number][];
  readonly aliases: ReadonlyMap<string, string>;
  /** The files that were read, in order. */
  readonly files: readonly string[];
}

/**
 * Reads registries.conf and its drop-ins, then nought's own file. The user's registries.conf stands in for the system's; drop-ins of both
 * are read. CONTAINERS_REGISTRIES_CONF and NOUGHT_REGISTRY_CONF name other files. Throws USAGE, NOT_FOUND for a named file that is
 * missing, LIMIT. containers-registries.conf(5), containers-registries.conf.d(5). `root` is where /etc is looked for.
 */
export async function readConfiguration(env: NodeJS.ProcessEnv, root = "/"): Promise<Merged> {
  const home = env["XDG_CONFIG_HOME"] || join(env["HOME"] || "/", ".config");
  const files: string[] = [];
  const named = env["CONTAINERS_REGISTRIES_CONF"];
  if (named) files.push(mustBe(named, "CONTAINERS_REGISTRIES_CONF"));
  else {
    const usual = [
      join(home, "containers/registries.conf"),
      join(root, "etc/containers/registries.conf"),
      join(root, "usr/share/containers/registries.conf"),
    ];
    const first = usual.find(isThere);
    if (first !== undefined) files.push(first);
    files.push(...dropIns(join(root, "etc/containers/registries.conf.d")), ...dropIns(join(home, "containers/registries.conf.d")));
  }
  const own = env["NOUGHT_REGISTRY_CONF"];
  if (own) files.push(mustBe(own, "NOUGHT_REGISTRY_CONF"));
  else if (isThere(join(home, "nought/registries.conf"))) files.push(join(home, "nought/registries.conf"));
  let search: readonly string[] = [];
  const rules = new Map<string, Conf["rules"][number]>();
  const aliases = new Map<string, string>();
  for (const file of files) {
    const conf = await readConf(readText(file), file);
    if (conf.search) search = conf.search;
    for (const rule of conf.rules) rules.set(rule.prefix, rule);
    for (const [name, target] of conf.aliases) {
      if (target === "") aliases.delete(name);
      else aliases.set(name, target);
    }
  }
  return { search, rules: [...rules.values()], aliases, files };
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function mustBe(path: string, variable: string): string {
  if (isThere(path)) return path;
  throw new Failure("NOT_FOUND", `${variable} names ${printable(path)}, which does not exist`);
}

/** Files `*.conf` of a folder in the order of their names. */
function dropIns(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".conf"))
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw storageFailure(error, "could not list", folder);
  }
}

function readText(path: string): string {
  try {
    // Links are followed: the file is the user's own. /dev/null is a way to say "nothing".
    const stat = statSync(path);
    if (stat.isDirectory()) throw new Failure("USAGE", `${printable(path)} is a folder, not a registries.conf`, { exit: 1 });
    if (stat.size > LIMITS.registriesConfBytes)
      throw new Failure(
        "LIMIT",
        `${printable(path)} has ${stat.size} bytes; ${LIMITS.registriesConfBytes} are read (limit registriesConfBytes)`,
      );
    return stat.isFile() ? readFileSync(path, "utf8").replace(/^\ufeff/, "") : "";
  } catch (error) {
    throw storageFailure(error, "could not read", path);
  }
}
