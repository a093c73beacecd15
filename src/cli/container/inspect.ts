import type { Container } from "../../container/face.ts";
import { volumePath } from "../../container/places.ts";
import { listenAddresses } from "../../container/ports.ts";
import type { ContainerMount } from "../../container/record.ts";
import { commandOf } from "../../container/spec.ts";
import { Nil, Row } from "../template/value.ts";
import { hostConfig } from "./inspect-host.ts";
import { networkName } from "./ps-rows.ts";

export type Json = Readonly<Record<string, unknown>>;

const NEVER = "0001-01-01T00:00:00Z";

/** A container in the shape of `docker container inspect`: as JSON in docker's order, and as fields for templates. */
export function inspectContainer(
  store: string,
  container: Container,
  sizes?: { readonly own: number; readonly image: number },
): { readonly json: Json; readonly row: Row } {
  const { record, places, state } = container;
  const [path = "", ...args] = commandOf(record);
  const json: Json = {
    Id: record.id,
    Created: record.created,
    Path: path,
    Args: args,
    State: {
      Status: state.status,
      Running: state.status === "running",
      Paused: false,
      Restarting: false,
      OOMKilled: false,
      Dead: false,
      Pid: state.pid ?? 0,
      ExitCode: state.ended?.code ?? 0,
      Error: state.ended?.error ?? "",
      StartedAt: timeOf(state.started?.at),
      FinishedAt: timeOf(state.ended?.at),
    },
    Image: record.image.id,
    ResolvConfPath: "",
    HostnamePath: "",
    HostsPath: "",
    LogPath: places.log,
    Name: `/${record.name}`,
    RestartCount: 0,
    Driver: "nought",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: null,
    HostConfig: hostConfig(container),
    GraphDriver: { Data: { UpperDir: places.upper, WorkDir: places.work }, Name: "overlay" },
    ...(sizes ? { SizeRw: sizes.own, SizeRootFs: sizes.own + sizes.image } : {}),
    Mounts: record.mounts.map((mount) => mountOf(store, container, mount)),
    Config: configOf(container),
    NetworkSettings: networkOf(container),
  };
  return { json, row: rowOf(json) };
}

function timeOf(at: number | undefined): string {
  return at === undefined ? NEVER : new Date(at).toISOString();
}

function mountOf(store: string, { places }: Container, mount: ContainerMount): Json {
  const { type, target, readonly } = mount;
  return {
    Type: type,
    ...(mount.type === "volume" ? { Name: mount.name } : {}),
    Source: mount.type === "bind" ? mount.source : mount.type === "volume" ? volumePath(store, places, mount) : "",
    Destination: target,
    ...(mount.type === "volume" ? { Driver: "local" } : {}),
    Mode: readonly ? "ro" : "",
    RW: !readonly,
    Propagation: mount.type === "bind" ? "rprivate" : "",
  };
}

/** Healthchecks are kept and shown; nothing carries them out. */
function configOf({ record }: Container): Json {
  const { config, options } = record;
  const attached = !options.detached;
  return {
    Hostname: options.hostname,
    Domainname: "",
    User: config.User ?? "",
    AttachStdin: attached && options.interactive,
    AttachStdout: attached,
    AttachStderr: attached,
    ...(config.ExposedPorts ? { ExposedPorts: config.ExposedPorts } : {}),
    Tty: options.terminal,
    OpenStdin: options.interactive,
    StdinOnce: attached && options.interactive,
    Env: config.Env ?? [],
    Cmd: config.Cmd ?? null,
    ...(config.Healthcheck ? { Healthcheck: config.Healthcheck } : {}),
    Image: record.image.name,
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir ?? "",
    Entrypoint: config.Entrypoint ?? null,
    OnBuild: null,
    Labels: config.Labels ?? {},
    ...(config.StopSignal ? { StopSignal: config.StopSignal } : {}),
    ...(options.stopTimeout === undefined ? {} : { StopTimeout: options.stopTimeout }),
  };
}

function networkOf({ record, state }: Container): Json {
  const ports: Record<string, unknown> = {};
  if (state.status === "running") {
    for (const exposed of Object.keys(record.config.ExposedPorts ?? {})) ports[exposed] = null;
    for (const one of state.started?.ports ?? []) {
      const key = `${one.port}/${one.protocol}`;
      const bound = listenAddresses(one).map((address) => ({ HostIp: address.replace(/^\[(.*)\]$/, "$1"), HostPort: `${one.hostPort}` }));
      ports[key] = [...((ports[key] as unknown[] | null) ?? []), ...bound];
    }
  }
  const name = networkName(record.options.network);
  return {
    Bridge: "",
    SandboxID: "",
    SandboxKey: state.pid === undefined ? "" : `/proc/${state.pid}/ns/net`,
    Ports: ports,
    Gateway: "",
    IPAddress: "",
    IPPrefixLen: 0,
    MacAddress: "",
    Networks: name.startsWith("container:") ? {} : { [name]: { Gateway: "", IPAddress: "", IPPrefixLen: 0, MacAddress: "" } },
  };
}

const STRUCTS: Readonly<Record<string, string>> = {
  State: "container.State",
  HostConfig: "container.HostConfig",
  GraphDriver: "storage.DriverData",
  Config: "container.Config",
  NetworkSettings: "container.NetworkSettings",
};

/** What optional fields come to in a template. */
const UNSET_CONFIG: Json = { ExposedPorts: new Nil("map[]"), Healthcheck: new Nil("map[]"), StopSignal: "", StopTimeout: new Nil("[]") };

function rowOf(json: Json): Row {
  const fields = Object.fromEntries(
    Object.entries(json).map(([key, value]) => {
      if (key === "Mounts")
        return [key, (value as Json[]).map((one) => new Row("struct", "container.MountPoint", { Name: "", Driver: "", ...one }, one))];
      const type = STRUCTS[key];
      if (type === undefined) return [key, value];
      return [key, new Row("struct", type, nilled(key === "Config" ? { ...UNSET_CONFIG, ...(value as Json) } : (value as Json)), value)];
    }),
  );
  return new Row("struct", "container.InspectResponse", { SizeRw: new Nil("[]"), SizeRootFs: new Nil("[]"), ...fields }, json);
}

/** Lists and maps that are null print as empty ones. */
function nilled(fields: Json): Json {
  const maps = new Set(["Volumes", "Labels"]);
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value === null ? new Nil(maps.has(key) ? "map[]" : "[]") : value]),
  );
}
