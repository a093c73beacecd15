import { hostDevices } from "../devices.ts";
import { limitsOf } from "../limits.ts";
import type { Privileges } from "../privileges.ts";
import { FAKED } from "../seccomp/filters.ts";
import { ociSeccomp } from "../seccomp/oci.ts";
import { dockerProfile } from "../seccomp/profile.ts";
import type { SandboxMount, SandboxSpec } from "../spec.ts";
import type { CallArchitecture } from "../syscall-numbers.ts";
import { MASKED, READ_ONLY } from "../system-mounts.ts";

/** A mount of the spec that stands ready on a path. */
export interface StagedMount {
  readonly asked: SandboxMount;
  readonly source: string;
}

/** The spec as a runtime's config.json. OCI runtime specification 1.0, config.md and config-linux.md. Hooks and annotations: none. */
export function runtimeConfig(
  spec: SandboxSpec,
  staged: readonly StagedMount[],
  privileges: Privileges,
  architecture: CallArchitecture,
  hardLimits: ReadonlyMap<string, number>,
  /** Where the host's /sys stands ready, if a new one cannot be had. */
  sys: string | undefined,
): object {
  const { uid, gid, groups } = spec.user;
  const faked = privileges.single ? FAKED : [];
  const filtered = spec.seccomp || privileges.single;
  const profile = spec.seccomp
    ? dockerProfile(spec.capabilities)
    : { refused: new Set<string>(), absent: new Set<string>(), rules: new Map() };
  const capabilities = uid === 0 ? spec.capabilities : [];
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: spec.terminal,
      ...(spec.terminal && process.stdout.isTTY ? { consoleSize: { height: process.stdout.rows, width: process.stdout.columns } } : {}),
      user: { uid, gid, umask: 0o022, ...(privileges.single ? {} : { additionalGids: [...new Set([gid, ...groups])] }) },
      args: spec.args,
      env: spec.env,
      cwd: spec.cwd,
      capabilities: { bounding: spec.capabilities, effective: capabilities, permitted: capabilities, inheritable: [], ambient: [] },
      rlimits: limitsOf(spec, hardLimits).map(({ name, soft, hard }) => ({
        type: `RLIMIT_${name.toUpperCase()}`,
        soft: large(soft),
        hard: large(hard),
      })),
      noNewPrivileges: spec.noNewPrivileges === true,
    },
    root: { path: "rootfs", readonly: spec.readonlyRoot || (spec.upper === undefined && spec.plain === undefined) },
    ...(spec.join?.uts ? {} : { hostname: spec.hostname }),
    mounts: [...systemMounts(spec, privileges, sys), ...staged.map(ociMount)],
    linux: {
      namespaces: namespaces(spec),
      ...(spec.hostDevices && privileges.initial ? { devices: hostDevices().map(({ mode, ...one }) => ({ ...one, fileMode: mode })) } : {}),
      maskedPaths: spec.unmasked ? [] : [...MASKED, ...(sys === undefined ? [] : ["/sys/fs/cgroup"])],
      readonlyPaths: spec.unmasked ? [] : READ_ONLY,
      ...(filtered ? { seccomp: ociSeccomp(profile, faked, architecture) } : {}),
    },
  };
}

/** −1, for none, in JSON: the largest number of 64 bits as far as JavaScript can say it; runtimes clamp. */
function large(limit: number): number {
  return limit === -1 ? Number.MAX_SAFE_INTEGER : limit;
}

function namespaces(spec: SandboxSpec): readonly object[] {
  const joined = (type: "pid" | "ipc" | "uts") => {
    const path = spec.join?.[type];
    return path === "host" ? [] : [{ type, ...(path === undefined ? {} : { path }) }];
  };
  const found: object[] = [...joined("pid"), ...joined("ipc"), ...joined("uts"), { type: "mount" }];
  if (spec.network !== "host")
    found.push({ type: "network", ...(typeof spec.network === "object" && "join" in spec.network ? { path: spec.network.join } : {}) });
  return found;
}

function systemMounts(spec: SandboxSpec, privileges: Privileges, sys: string | undefined): readonly object[] {
  const mount = (destination: string, type: string, ...options: string[]) => ({ destination, type, source: type, options });
  const pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", ...(privileges.hasGid(5) ? ["gid=5"] : [])];
  const found: object[] = [
    mount("/proc", "proc", "nosuid", "noexec", "nodev"),
    mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
    mount("/dev/pts", "devpts", ...pts),
    mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", spec.shm === undefined ? "size=65536k" : `size=${spec.shm}`),
    mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
  ];
  const access = spec.unmasked ? "rw" : "ro";
  if (sys === undefined) found.push(mount("/sys", "sysfs", "nosuid", "noexec", "nodev", access));
  else found.push({ destination: "/sys", type: "bind", source: sys, options: ["rbind", "rprivate", "nosuid", "noexec", "nodev", access] });
  return found;
}

function ociMount({ asked, source }: StagedMount): object {
  const flags = [asked.readonly ? "ro" : "rw", ...(["nosuid", "nodev", "noexec"] as const).filter((name) => asked[name])];
  return { destination: asked.target, type: "bind", source, options: ["rbind", "rprivate", ...flags] };
}
