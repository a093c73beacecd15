import type { NetworkProgram, PublishedPort } from "./network-program.ts";
import type { SeccompFile } from "./seccomp/file.ts";

/**
 * What a sandbox is made of, as data. Nothing here is resolved, mounted or created yet.
 *
 * The contract with whoever prepares the root file system (src/rootfs):
 * - Layer directories are unpacked so that overlayfs may stack them: whiteouts as character devices 0:0, opaque directories marked.
 * - The last of `lowers` is the stub layer: real directories and empty files at every path that `mountPoints` names, parents with the
 *   metadata of the image. The engine creates nothing in the root, so that nothing of it can appear in the changes of a step.
 * - `upper` has the mode and owner of the image's root directory; `work` is empty, on the same file system.
 */
export interface SandboxSpec {
  /** Absolute directories of unpacked layers, lowest first, as in a manifest; the stub layer last. At most 500. */
  readonly lowers: readonly string[];
  /** Where changes go. Without it (and without `plain`) the root is read-only. */
  readonly upper?: string;
  readonly work?: string;
  /** Instead of `lowers`: one directory that is the root as it is, writable unless `readonlyRoot`. */
  readonly plain?: string;
  /** The program and its arguments. Without a slash in the first, PATH of `env` is searched inside the root. */
  readonly args: readonly string[];
  /** `NAME=value`, complete: nothing is added. */
  readonly env: readonly string[];
  /** Absolute. Created as the user's if missing. Not below /proc, /sys or /dev. */
  readonly cwd: string;
  readonly user: SandboxUser;
  /** In the order of their targets' depth; the engine sorts. */
  readonly mounts: readonly SandboxMount[];
  /**
   * `none`: only a loopback device. `join`: the path of a network namespace, `/proc/PID/ns/net`. `program`: a namespace that this program
   * serves for the sandbox alone, as long as it runs, with these ports of the host leading to it (see network.ts).
   */
  readonly network:
    | "none"
    | "host"
    | { readonly join: string }
    | { readonly program: NetworkProgram; readonly ports: readonly PublishedPort[] };
  readonly hostname: string;
  readonly readonlyRoot: boolean;
  /** A terminal of the sandbox's own as standard input and output. */
  readonly terminal: boolean;
  /** `CAP_CHOWN`…; what is not named is taken away for good. */
  readonly capabilities: readonly string[];
  /** Docker's default filter of system calls. */
  readonly seccomp: boolean;
  /** With `seccomp`: this filter instead of docker's default. */
  readonly seccompProfile?: SeccompFile;
  /** Set-user-id programs and file capabilities give nothing: `--security-opt no-new-privileges`. */
  readonly noNewPrivileges?: boolean;
  /** A small process 1 that hands signals on and collects orphans. */
  readonly init: boolean;
  readonly limits: SandboxLimits;
  /**
   * No paths of /proc and /sys hidden or made read-only: for `--security=insecure` and `--privileged`.
   */
  readonly unmasked?: boolean;
  /**
   * All devices of the host, for `--privileged`; as an ordinary user those that may be opened. A single one (`--device`) is a bind mount:
   * `type: "bind"`, `kind: "file"`, source and target `/dev/fuse`.
   */
  readonly hostDevices?: boolean;
  /** Bytes of /dev/shm; 64 MiB without it. */
  readonly shm?: number;
  /**
   * Namespaces of other processes instead of own ones: `/proc/PID/ns/pid`; those that nought itself is in: `host`, also as an ordinary
   * user,
   * whose others must belong to the user namespace that nought is in: see `enterUserNamespace`.
   */
  readonly join?: { readonly pid?: string; readonly ipc?: string; readonly uts?: string };
}

export interface SandboxUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups; the primary one is added. */
  readonly groups: readonly number[];
}

interface MountTarget {
  /** Absolute path inside the root; links in it lead inside the root. */
  readonly target: string;
  readonly readonly?: boolean;
  readonly nosuid?: boolean;
  readonly nodev?: boolean;
  readonly noexec?: boolean;
}

export type SandboxMount = MountTarget &
  (
    | {
        readonly type: "bind";
        /** Absolute path on the host; of a directory or a file. With `within`, a path inside that directory, which no link leads out of. */
        readonly source: string;
        readonly within?: string;
        readonly kind: "directory" | "file";
      }
    | {
        /** Layers of another image or stage; `path` inside them, which no link leads out of. Changes go to `upper` and are the caller's. */
        readonly type: "layers";
        readonly lowers: readonly string[];
        readonly upper?: string;
        readonly work?: string;
        readonly path: string;
        readonly kind: "directory" | "file";
      }
    /** The root of another process with all its mounts, as that process sees it: for debugging. Nothing of it is seen over there. */
    | { readonly type: "root"; readonly pid: number }
    | { readonly type: "tmpfs"; readonly size?: number; readonly mode?: number; readonly uid?: number; readonly gid?: number }
    /** A file of these bytes that exists in memory only: resolv.conf, hosts, secrets. */
    | { readonly type: "bytes"; readonly bytes: Uint8Array; readonly mode: number; readonly uid: number; readonly gid: number }
  );

/** Undefined: as inherited. */
export interface SandboxLimits {
  /** `nofile` and its kind, as `ulimit` has them, in the units of setrlimit(2). */
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** Bytes; needs a writable cgroup. */
  readonly memory?: number;
  /** Processors, in parts: 1.5. */
  readonly cpus?: number;
  readonly pids?: number;
}

/** Where the bytes of the process go and come from. */
export interface SandboxIo {
  /** Output as it comes: 1 is standard output, 2 standard error. A terminal has only 1. `at`: nanoseconds since the epoch. */
  out?(stream: 1 | 2, chunk: Uint8Array, at: bigint): void;
  /** Output goes straight to nought's own standard output and error instead. */
  readonly direct?: boolean;
  /** `inherit`: nought's own standard input. Without it the process finds an empty one. */
  readonly stdin?: "inherit" | AsyncIterable<Uint8Array>;
  /** Told once the program runs, with the process number as the host sees it. */
  started?(control: SandboxControl): void;
}

/** A hand on a running sandbox. */
export interface SandboxControl {
  readonly pid: number;
  /** Sends a signal to the process: `SIGTERM`. Harmless when it has ended. */
  signal(name: NodeJS.Signals): void;
}

/** How the process ended: its exit code, or 128 and the number of the signal that ended it. */
export interface SandboxExit {
  readonly code: number;
  readonly signal?: NodeJS.Signals;
}

/** What must exist in the root before the engine starts, as an absolute path inside it. */
export interface MountPoint {
  readonly path: string;
  readonly kind: "directory" | "file";
}

/** The stubs that this sandbox needs in its topmost lower layer; parents are not listed. */
export function mountPoints(spec: Pick<SandboxSpec, "mounts" | "terminal">): readonly MountPoint[] {
  const points = new Map<string, MountPoint>();
  for (const path of ["/proc", "/sys", "/dev"]) points.set(path, { path, kind: "directory" });
  const targets = spec.mounts.map((mount) => mount.target);
  for (const mount of spec.mounts) {
    // What lies below another mount is made there, by the engine.
    if (isBelowAny(mount.target, ["/proc", "/sys", "/dev", ...targets])) continue;
    const kind = mount.type === "tmpfs" || mount.type === "root" ? "directory" : mount.type === "bytes" ? "file" : mount.kind;
    points.set(mount.target, { path: mount.target, kind });
  }
  return [...points.values()];
}

/** Whether the path lies truly inside one of the directories. */
export function isBelowAny(path: string, directories: readonly string[]): boolean {
  return directories.some((one) => path !== one && path.startsWith(one === "/" ? "/" : `${one}/`));
}
