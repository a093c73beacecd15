import { statSync } from "node:fs";
import { findContainer } from "../../container/face.ts";
import { containerNamed } from "../../container/joined.ts";
import type { MakeRequest } from "../../container/make.ts";
import type { MountRequest, RunOptions } from "../../container/record.ts";
import { signalProblem } from "../../dockerfile/signal.ts";
import type { Image } from "../../image/layer.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { ContainerConfig } from "../../oci/config.ts";
import { toPath } from "../../tree/path.ts";
import type { Invocation } from "../command.ts";
import type { Flags } from "../flags.ts";
import { REFUSED_FLAGS } from "../table/create-flags.ts";
import { readBytes, readCpus, readUlimit } from "./amount.ts";
import { readCapabilities } from "./capability-flag.ts";
import { readMount, readTmpfs, readVolume } from "./mount-flag.ts";
import { mergeVariables, readLabels, readVariables } from "./pairs-file.ts";
import { readExpose, readPublish } from "./port-flag.ts";
import { readSecurity } from "./security-flag.ts";

/** Reads all that does not depend on the image, so that what is wrong is told before anything is fetched. Throws UNSUPPORTED, USAGE. */
export function checkCreateFlags(call: Invocation): void {
  const { flags, storeDir } = call;
  for (const [name, why] of REFUSED_FLAGS)
    if (flags.given(name)) throw new Failure("UNSUPPORTED", `--${name} is not supported: ${why}`, { exit: 125 });
  const restart = flags.string("restart") ?? "no";
  if (restart !== "no" && restart !== "")
    throw new Failure("UNSUPPORTED", `--restart ${printable(restart)} is not supported: there is no daemon that would start it again`, {
      exit: 125,
      hint: "Let the service manager do it: a systemd unit with Restart= and `nought run --rm` as its ExecStart.",
    });
  const pull = flags.string("pull") ?? "missing";
  if (!["always", "missing", "never"].includes(pull))
    throw new Failure("USAGE", `invalid pull option: '${printable(pull)}': must be one of "always", "missing" or "never"`);
  configOf(call, {});
  mountsOf(flags, storeDir);
  optionsOf(flags, storeDir, false);
}

/** What the command line and the image's configuration come to. Throws USAGE, NOT_FOUND, UNSUPPORTED. */
export function readCreateRequest(call: Invocation, image: Image, detached: boolean): MakeRequest {
  const { flags, args, storeDir } = call;
  const name = flags.string("name");
  return {
    image,
    imageName: args[0] as string,
    ...(name === undefined || name === "" ? {} : { name: name.replace(/^\//, "") }),
    config: configOf(call, image.config.config),
    mounts: mountsOf(flags, storeDir),
    options: optionsOf(flags, storeDir, detached),
  };
}

function configOf({ flags, args, env }: Invocation, image: ContainerConfig): ContainerConfig {
  const words = args.slice(1);
  const entrypoint = flags.string("entrypoint");
  const workdir = flags.string("workdir");
  if (workdir !== undefined && workdir !== "" && !workdir.startsWith("/"))
    throw new Failure("USAGE", `the working directory '${printable(workdir)}' is invalid, it needs to be an absolute path`);
  const stop = flags.string("stop-signal") ?? image.StopSignal;
  const problem = stop === undefined || stop === "" ? undefined : signalProblem(stop);
  if (problem) throw new Failure("USAGE", problem);
  const exposed = flags.list("expose").flatMap(readExpose);
  const published = flags.list("publish").flatMap(readPublish);
  const ports = [...Object.keys(image.ExposedPorts ?? {}), ...exposed, ...published.map((one) => `${one.port}/${one.protocol}`)];
  const { Entrypoint: _entrypoint, Cmd: _cmd, Healthcheck, StopSignal: _stop, ...rest } = image;
  const command = words.length > 0 ? words : entrypoint === undefined ? image.Cmd : undefined;
  const entry = entrypoint === undefined ? image.Entrypoint : entrypoint === "" ? undefined : [entrypoint];
  return {
    ...rest,
    Env: mergeVariables(image.Env ?? [], readVariables(flags.list("env-file"), flags.list("env"), env)),
    Labels: { ...image.Labels, ...readLabels(flags.list("label-file"), flags.list("label")) },
    WorkingDir: toPath(workdir || image.WorkingDir || "/"),
    ...(entry ? { Entrypoint: entry } : {}),
    ...(command ? { Cmd: command } : {}),
    ...(Healthcheck && !flags.bool("no-healthcheck") ? { Healthcheck } : {}),
    ...(stop ? { StopSignal: stop } : {}),
    ...(ports.length > 0 ? { ExposedPorts: Object.fromEntries(ports.map((one) => [one, {}])) } : {}),
    User: flags.string("user") || image.User || "",
  };
}

function mountsOf(flags: Flags, storeDir: string): readonly MountRequest[] {
  const own = [
    ...flags.list("volume").map(readVolume),
    ...flags.list("mount").map(readMount),
    ...flags.list("tmpfs").map(readTmpfs),
    ...flags.list("device").map(readDevice),
  ];
  const targets = new Set(own.map((one) => toPath(one.target)));
  return [
    ...own,
    ...flags
      .list("volumes-from")
      .flatMap((one) => borrowed(one, storeDir))
      .filter((one) => !targets.has(toPath(one.target))),
  ];
}

/** `--volumes-from CONTAINER[:ro]`: what that container has mounted. Its anonymous volumes stay its own: they cannot be shared. */
function borrowed(text: string, storeDir: string): readonly MountRequest[] {
  const [name = "", mode] = text.split(":");
  return findContainer(storeDir, name).record.mounts.flatMap((mount): readonly MountRequest[] => {
    const readonly = mount.readonly || mode === "ro";
    if (mount.type === "bind") return [{ type: "bind", source: mount.source, target: mount.target, readonly, create: false }];
    if (mount.type === "volume" && !mount.anonymous)
      return [{ type: "volume", name: mount.name, target: mount.target, readonly, copy: false }];
    return [];
  });
}

/** `--device SOURCE[:TARGET[:rwm]]`. */
function readDevice(text: string): MountRequest {
  const [source = "", target = source, rights = "rwm"] = text.split(":");
  const facts = statSync(source, { throwIfNoEntry: false });
  if (!facts || !(facts.isCharacterDevice() || facts.isBlockDevice()) || !/^[rwm]{1,3}$/.test(rights))
    throw new Failure("USAGE", `error gathering device information while adding custom device "${printable(text)}": no such device`);
  return { type: "bind", source, target, readonly: !rights.includes("w"), create: false };
}

function optionsOf(flags: Flags, storeDir: string, detached: boolean): RunOptions {
  const privileged = flags.bool("privileged");
  const security = readSecurity(flags.list("security-opt"), privileged);
  const [memory, cpus, pids, shm] = [flags.string("memory"), flags.string("cpus"), flags.int("pids-limit"), flags.string("shm-size")];
  const stopTimeout = flags.int("stop-timeout");
  const runtime = flags.string("runtime");
  const modes = { network: "default", pid: "", ipc: "", uts: "", ...namespaceModes(flags, storeDir) };
  return {
    hostname: hostnameOf(flags, modes),
    terminal: flags.bool("tty"),
    interactive: flags.bool("interactive"),
    detached,
    autoRemove: flags.bool("rm"),
    init: flags.bool("init"),
    privileged,
    unmasked: security.unmasked,
    readonlyRoot: flags.bool("read-only"),
    capabilities: readCapabilities(flags.list("cap-add"), flags.list("cap-drop"), privileged),
    capAdd: flags.list("cap-add"),
    capDrop: flags.list("cap-drop"),
    securityOpt: flags.list("security-opt"),
    seccomp: security.seccomp,
    ...(security.seccompProfile === undefined ? {} : { seccompProfile: security.seccompProfile }),
    noNewPrivileges: security.noNewPrivileges,
    ...modes,
    ports: flags.list("publish").flatMap(readPublish),
    publishAll: flags.bool("publish-all"),
    extraHosts: flags.list("add-host").map(readHost),
    dns: flags.list("dns"),
    dnsSearch: flags.list("dns-search"),
    dnsOptions: flags.list("dns-option"),
    groups: flags.list("group-add"),
    ulimits: flags.list("ulimit").map(readUlimit),
    ...(memory === undefined || /^0[a-z]*$/i.test(memory) ? {} : { memory: readMemory(memory) }),
    ...(cpus === undefined || Number(cpus) === 0 ? {} : { cpus: readCpus(cpus) }),
    ...(pids === undefined || pids <= 0 ? {} : { pids }),
    ...(shm === undefined ? {} : { shmSize: readBytes(shm, "--shm-size") }),
    ...(stopTimeout === undefined ? {} : { stopTimeout }),
    ...(runtime === undefined || runtime === "nought" ? {} : { runtime }),
  };
}

/** Docker's least, below which no program starts. */
const LEAST_MEMORY = 6 << 20;

function readMemory(text: string): number {
  const bytes = readBytes(text, "-m, --memory");
  if (bytes < LEAST_MEMORY) throw new Failure("USAGE", "Minimum memory limit allowed is 6MB");
  return bytes;
}

function hostnameOf(flags: Flags, modes: { readonly uts: string; readonly network: string }): string {
  const hostname = flags.string("hostname") ?? "";
  if (hostname !== "" && modes.uts === "host") throw new Failure("USAGE", "conflicting options: hostname and the UTS mode");
  if (!/^[a-zA-Z0-9_.-]*$/.test(hostname) || hostname.length > 64) throw new Failure("USAGE", `invalid hostname: ${printable(hostname)}`);
  if (hostname !== "") return hostname;
  return modes.network === "host" || modes.uts === "host" ? process.getBuiltinModule("node:os").hostname().slice(0, 64) : "";
}

/** `container:NAME` is kept as the id, so that it means the same container for ever. */
function namespaceModes(flags: Flags, storeDir: string): Partial<Pick<RunOptions, "network" | "pid" | "ipc" | "uts">> {
  const found: Record<string, string> = {};
  for (const kind of ["network", "pid", "ipc", "uts"] as const) {
    const text = flags.string(kind);
    if (text === undefined || text === "") continue;
    const other = containerNamed(text);
    if (other !== undefined) found[kind] = `container:${findContainer(storeDir, other).record.id}`;
    else if (kind === "network") found[kind] = text === "bridge" ? "default" : text;
    else if (text === "host") found[kind] = text;
    else if (kind === "ipc" && ["private", "shareable", "none"].includes(text)) continue;
    else throw new Failure("USAGE", `--${kind}: invalid ${kind.toUpperCase()} mode`);
  }
  return found;
}

/** `--add-host NAME:ADDRESS` or `NAME=ADDRESS`. */
function readHost(text: string): { readonly name: string; readonly address: string } {
  const [, name, given] = /^([^\s:=]+)[:=](.+)$/s.exec(text) ?? [];
  const address = given?.replace(/^\[(.*)\]$/, "$1");
  if (name === undefined || address === undefined || process.getBuiltinModule("node:net").isIP(address) === 0)
    throw new Failure(
      "USAGE",
      `invalid argument "${printable(text)}" for "--add-host" flag: bad format for add-host: "${printable(text)}"`,
    );
  return { name, address };
}
