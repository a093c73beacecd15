import { readFileSync } from "node:fs";
import { hostname as hostName } from "node:os";
import { environmentOf } from "../sandbox/environment.ts";
import { hostsFile, RESOLV_CONF, RESOLVED, resolvConf } from "../sandbox/resolv.ts";
import { readSeccompFile } from "../sandbox/seccomp/file.ts";
import type { SandboxMount, SandboxSpec } from "../sandbox/spec.ts";
import { type ResolvedUser, resolveUser } from "../sandbox/user.ts";
import { readAccounts } from "./accounts.ts";
import type { Container } from "./face.ts";
import { lowersOf, type Places, volumePath } from "./places.ts";
import type { ContainerRecord, RunOptions } from "./record.ts";

/** Namespaces of others that a container is to be in. */
export interface Joined {
  readonly network: SandboxSpec["network"];
  readonly join?: NonNullable<SandboxSpec["join"]>;
}

/**
 * The container as the sandbox takes it, with users looked up as they are now. Throws NOT_FOUND for a user that is not there, USAGE
 * where there is no command.
 */
export function specOf(store: string, { record, places }: Pick<Container, "record" | "places">, joined: Joined): SandboxSpec {
  const { config, options } = record;
  const user = userOf(record, places, config.User ?? "");
  return {
    lowers: lowersOf(store, places, record),
    upper: places.upper,
    work: places.work,
    args: commandOf(record),
    env: environmentOf({ env: config.Env ?? [], home: user.home, hostname: options.hostname, terminal: options.terminal }),
    cwd: config.WorkingDir || "/",
    user,
    mounts: sandboxMounts(store, places, record),
    network: joined.network,
    hostname: options.hostname,
    readonlyRoot: options.readonlyRoot,
    terminal: options.terminal,
    capabilities: options.capabilities,
    seccomp: options.seccomp,
    ...(options.seccompProfile === undefined ? {} : { seccompProfile: readSeccompFile(options.seccompProfile) }),
    ...(options.privileged ? { hostDevices: true } : {}),
    init: options.init,
    limits: {
      ulimits: options.ulimits,
      ...(options.memory === undefined ? {} : { memory: options.memory }),
      ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
      ...(options.pids === undefined ? {} : { pids: options.pids }),
    },
    ...(options.noNewPrivileges ? { noNewPrivileges: true } : {}),
    ...(options.shmSize === undefined ? {} : { shm: options.shmSize }),
    ...(options.unmasked ? { unmasked: true } : {}),
    ...(options.privileged ? { hostDevices: true } : {}),
    ...(joined.join ? { join: joined.join } : {}),
  };
}

/** The program and its arguments: ENTRYPOINT, then CMD. */
export function commandOf({ config }: Pick<ContainerRecord, "config">): readonly string[] {
  return [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
}

/** A user of the container, by its own files. Throws NOT_FOUND. */
export function userOf(record: Pick<ContainerRecord, "options">, places: Places, text: string): ResolvedUser {
  return resolveUser(text, readAccounts(places), record.options.groups);
}

/** What is mounted: what was asked for, and the files that every container finds in /etc. */
export function sandboxMounts(
  store: string,
  places: Places,
  { id, mounts, options }: Pick<ContainerRecord, "id" | "mounts" | "options">,
): readonly SandboxMount[] {
  const asked = mounts.map((mount): SandboxMount => {
    if (mount.type === "bind")
      return { type: "bind", target: mount.target, readonly: mount.readonly, source: mount.source, kind: mount.kind };
    if (mount.type === "tmpfs") return { nosuid: true, nodev: true, noexec: true, ...mount };
    const { target, readonly } = mount;
    return { type: "bind", target, readonly, source: volumePath(store, places, mount), kind: "directory" };
  });
  const taken = new Set(mounts.map((one) => one.target));
  const files = etcFiles(id, options).filter((one) => !taken.has(one.target));
  return [...files, ...asked];
}

/** resolv.conf, hosts and hostname. They are in memory: a container may write to them, and they are new with every start. */
function etcFiles(id: string, options: RunOptions): readonly SandboxMount[] {
  const isolated = options.network !== "host";
  const file = (target: string, text: string): SandboxMount => {
    return { type: "bytes", target, bytes: Buffer.from(text), mode: 0o644, uid: 0, gid: 0 };
  };
  const given = <T>(list: readonly T[]) => (list.length > 0 ? list : undefined);
  const [servers, search, dnsOptions] = [given(options.dns), given(options.dnsSearch), given(options.dnsOptions)];
  const resolved = textOf(RESOLVED);
  const resolv = resolvConf({
    host: textOf(RESOLV_CONF) ?? "",
    isolated,
    ...(resolved === undefined ? {} : { resolved }),
    ...(servers ? { servers } : {}),
    ...(search ? { search } : {}),
    ...(dnsOptions ? { options: dnsOptions } : {}),
  });
  const hostname = options.uts === "host" ? hostName() : options.hostname || id.slice(0, 12);
  const hosts = isolated ? hostsFile(hostname, options.extraHosts) : hostHosts(hostname, options);
  return [file("/etc/resolv.conf", resolv), file("/etc/hosts", hosts), file("/etc/hostname", `${hostname}\n`)];
}

/** With the host's network its own names are of use. */
function hostHosts(hostname: string, { extraHosts }: RunOptions): string {
  const own = textOf("/etc/hosts");
  if (own === undefined) return hostsFile(hostname, extraHosts);
  return own.replace(/\n?$/, "\n") + extraHosts.map(({ name, address }) => `${address}\t${name}\n`).join("");
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
