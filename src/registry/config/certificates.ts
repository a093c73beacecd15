import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import { errnoOf, storageFailure } from "../../kit/storage-failure.ts";

/** PEM texts for one host. */
export interface Certificates {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

/**
 * Certificates that were put down for a host (`host[:port]`): `*.crt` are authorities, `NAME.cert` with `NAME.key` is who we are. The first
 * folder that is there counts. Throws AUTH where one of a pair is missing, STORAGE. containers-certs.d(5), docker's `certs.d`.
 */
export function certificatesFor(host: string, env: NodeJS.ProcessEnv, root = "/"): Certificates | undefined {
  const home = env["XDG_CONFIG_HOME"] || join(env["HOME"] || "/", ".config");
  const folders = [
    join(home, "containers/certs.d", host),
    join(root, "etc/containers/certs.d", host),
    join(home, "docker/certs.d", host),
    join(root, "etc/docker/certs.d", host),
  ];
  for (const folder of folders) {
    const names = list(folder);
    if (!names) continue;
    const ca = names.filter((name) => name.endsWith(".crt")).map((name) => read(join(folder, name)));
    const cert = names.find((name) => name.endsWith(".cert"));
    const key = names.find((name) => name.endsWith(".key"));
    const pair = cert?.slice(0, -5) ?? key?.slice(0, -4);
    if (pair !== undefined && !(names.includes(`${pair}.cert`) && names.includes(`${pair}.key`)))
      throw new Failure("AUTH", `${printable(folder)}: ${printable(pair)}.cert and ${printable(pair)}.key go together, one is missing`);
    return {
      ...(ca.length > 0 ? { ca } : {}),
      ...(pair === undefined ? {} : { cert: read(join(folder, `${pair}.cert`)), key: read(join(folder, `${pair}.key`)) }),
    };
  }
  return undefined;
}

function list(folder: string): string[] | undefined {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR" || errnoOf(error) === "EACCES") return undefined;
    throw storageFailure(error, "could not list", folder);
  }
}

function read(path: string): string {
  try {
    if (statSync(path).size > LIMITS.credentialBytes)
      throw new Failure("LIMIT", `${printable(path)} is larger than ${LIMITS.credentialBytes} bytes`);
    return readFileSync(path, "utf8");
  } catch (error) {
    throw storageFailure(error, "could not read", path);
  }
}
