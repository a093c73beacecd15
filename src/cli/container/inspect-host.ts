import type { Container } from "../../container/face.ts";
import type { ContainerMount, PortMapping } from "../../container/record.ts";
import { networkName } from "./ps-rows.ts";

type Json = Readonly<Record<string, unknown>>;

const SHM = 64 << 20;

/** The part of `inspect` that says how a container is run: docker's HostConfig, with the fields that mean something here. */
export function hostConfig({ record }: Container): Json {
  const { options, mounts } = record;
  const binds = mounts.flatMap(bindOf);
  return {
    Binds: binds.length > 0 ? binds : null,
    ContainerIDFile: "",
    LogConfig: { Type: "nought", Config: {} },
    NetworkMode: networkName(options.network),
    PortBindings: portBindings(options.ports),
    RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
    AutoRemove: options.autoRemove,
    VolumesFrom: null,
    CapAdd: options.capAdd.length > 0 ? options.capAdd : null,
    CapDrop: options.capDrop.length > 0 ? options.capDrop : null,
    CgroupnsMode: "private",
    Dns: options.dns,
    DnsOptions: options.dnsOptions,
    DnsSearch: options.dnsSearch,
    ExtraHosts: options.extraHosts.length > 0 ? options.extraHosts.map((one) => `${one.name}:${one.address}`) : null,
    GroupAdd: options.groups.length > 0 ? options.groups : null,
    IpcMode: options.ipc || "private",
    OomScoreAdj: 0,
    PidMode: options.pid,
    Privileged: options.privileged,
    PublishAllPorts: options.publishAll,
    ReadonlyRootfs: options.readonlyRoot,
    SecurityOpt: options.securityOpt.length > 0 ? options.securityOpt : null,
    Tmpfs: Object.fromEntries(mounts.flatMap((one) => (one.type === "tmpfs" ? [[one.target, ""]] : []))),
    UTSMode: options.uts,
    UsernsMode: "",
    ShmSize: options.shmSize ?? SHM,
    Runtime: options.runtime ?? "nought",
    Memory: options.memory ?? 0,
    NanoCpus: Math.round((options.cpus ?? 0) * 1e9),
    PidsLimit: options.pids ?? null,
    Ulimits: options.ulimits.map((one) => ({ Name: one.name, Hard: one.hard, Soft: one.soft })),
    Init: options.init,
  };
}

function bindOf(mount: ContainerMount): readonly string[] {
  const mode = mount.readonly ? ":ro" : "";
  if (mount.type === "bind") return [`${mount.source}:${mount.target}${mode}`];
  return mount.type === "volume" && !mount.anonymous ? [`${mount.name}:${mount.target}${mode}`] : [];
}

function portBindings(ports: readonly PortMapping[]): Json {
  const found: Record<string, unknown[]> = {};
  for (const one of ports) {
    const key = `${one.port}/${one.protocol}`;
    found[key] = [...(found[key] ?? []), { HostIp: one.host ?? "", HostPort: one.hostPort === 0 ? "" : `${one.hostPort}` }];
  }
  return found;
}
