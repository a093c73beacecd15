import type { ContainerConfig } from "../oci/config.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";

/** What `config.json` of a container holds: all that was settled when it was made. Never changes but for its name. */
export interface ContainerRecord {
  readonly version: 1;
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  readonly image: {
    /** As it was asked for. */
    readonly name: string;
    /** The digest of the image's configuration: docker's image ID. */
    readonly id: Digest;
    readonly manifest: Descriptor;
    /** `linux/amd64` */
    readonly platform: string;
  };
  /** The image's own with what the command line changed. */
  readonly config: ContainerConfig;
  readonly options: RunOptions;
  /** In the order in which they were asked for; the image's volumes last. */
  readonly mounts: readonly ContainerMount[];
  /** Unpacked layers, lowest first, as paths below the store. The stub layer comes on top of them. */
  readonly lowers: readonly string[];
}

/** How a container runs: docker's HostConfig and what the command line says beside it. */
export interface RunOptions {
  readonly hostname: string;
  readonly terminal: boolean;
  /** Standard input stays open (`-i`). */
  readonly interactive: boolean;
  readonly detached: boolean;
  readonly autoRemove: boolean;
  readonly init: boolean;
  readonly privileged: boolean;
  /** No paths of /proc and /sys hidden: privileged, or `systempaths=unconfined`. */
  readonly unmasked: boolean;
  readonly readonlyRoot: boolean;
  /** `CAP_CHOWN`…, complete. */
  readonly capabilities: readonly string[];
  /** As they were asked for, for `inspect`. */
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly securityOpt: readonly string[];
  readonly seccomp: boolean;
  /** Text of a profile of one's own. */
  readonly seccompProfile?: string;
  readonly noNewPrivileges: boolean;
  /** `default`, `none`, `host` or `container:ID`. */
  readonly network: string;
  /** Empty for a namespace of its own, `host`, or `container:ID`. */
  readonly pid: string;
  readonly ipc: string;
  readonly uts: string;
  readonly ports: readonly PortMapping[];
  readonly publishAll: boolean;
  readonly extraHosts: readonly { readonly name: string; readonly address: string }[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly groups: readonly string[];
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** Bytes, processors, processes; absent: not limited. */
  readonly memory?: number;
  readonly cpus?: number;
  readonly pids?: number;
  readonly shmSize?: number;
  /** Seconds between STOPSIGNAL and SIGKILL; −1 waits for ever. */
  readonly stopTimeout?: number;
  readonly runtime?: string;
}

/** A port inside, and where the host listens for it. `hostPort` 0: any that is free. */
export interface PortMapping {
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  readonly host?: string;
  readonly hostPort: number;
}

/** Something mounted into a container, resolved. Targets are absolute and without dots. */
export type ContainerMount = { readonly target: string; readonly readonly: boolean } & (
  | { readonly type: "bind"; readonly source: string; readonly kind: "directory" | "file" }
  /** A directory of the store: `volumes/NAME/_data`; anonymous ones lie in the container's own folder and go with it. */
  | { readonly type: "volume"; readonly name: string; readonly anonymous: boolean }
  | {
      readonly type: "tmpfs";
      readonly size?: number;
      readonly mode?: number;
      readonly uid?: number;
      readonly gid?: number;
      readonly noexec?: boolean;
      readonly nosuid?: boolean;
      readonly nodev?: boolean;
    }
);

/** What is being asked for, before an image was looked at and an id was given. */
export type MountRequest =
  | { readonly type: "bind"; readonly source: string; readonly target: string; readonly readonly: boolean; readonly create: boolean }
  | { readonly type: "volume"; readonly name?: string; readonly target: string; readonly readonly: boolean; readonly copy: boolean }
  | Extract<ContainerMount, { type: "tmpfs" }>;
