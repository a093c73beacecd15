import type { Flag } from "../flags.ts";
import { POLICY_FLAG } from "./sign.ts";

/** What `run` and `create` take, as docker's: in the order of their names. */
export const CREATE_FLAGS: readonly Flag[] = [
  { name: "add-host", type: "list", description: "Add a custom host-to-IP mapping (host:ip)" },
  { name: "attach", short: "a", type: "list", description: "Attach to STDIN, STDOUT or STDERR" },
  { name: "cap-add", type: "csv", placeholder: "list", description: "Add Linux capabilities" },
  { name: "cap-drop", type: "csv", placeholder: "list", description: "Drop Linux capabilities" },
  { name: "cidfile", type: "string", description: "Write the container ID to the file" },
  { name: "cpus", type: "string", placeholder: "decimal", description: "Number of CPUs" },
  { name: "device", type: "list", description: "Add a host device to the container" },
  { name: "dns", type: "list", description: "Set custom DNS servers" },
  { name: "dns-option", type: "list", description: "Set DNS options" },
  { name: "dns-search", type: "list", description: "Set custom DNS search domains" },
  { name: "entrypoint", type: "string", description: "Overwrite the default ENTRYPOINT of the image" },
  { name: "env", short: "e", type: "list", description: "Set environment variables" },
  { name: "env-file", type: "list", description: "Read in a file of environment variables" },
  { name: "expose", type: "list", description: "Expose a port or a range of ports" },
  { name: "group-add", type: "list", description: "Add additional groups to join" },
  { name: "hostname", short: "h", type: "string", description: "Container host name" },
  { name: "init", type: "bool", description: "Run an init inside the container that forwards signals and reaps processes" },
  { name: "interactive", short: "i", type: "bool", description: "Keep STDIN open even if not attached" },
  { name: "ipc", type: "string", description: 'IPC namespace to use: "private", "host", "container:NAME"' },
  { name: "label", short: "l", type: "list", description: "Set meta data on a container" },
  { name: "label-file", type: "list", description: "Read in a line delimited file of labels" },
  { name: "memory", short: "m", type: "string", placeholder: "bytes", description: "Memory limit" },
  { name: "mount", type: "list", placeholder: "mount", description: "Attach a filesystem mount to the container" },
  { name: "name", type: "string", description: "Assign a name to the container" },
  {
    name: "network",
    type: "string",
    placeholder: "network",
    description: 'Connect a container to a network: "default", "none", "host", "container:NAME"',
  },
  { name: "no-healthcheck", type: "bool", description: "Disable any container-specified HEALTHCHECK" },
  { name: "pid", type: "string", description: 'PID namespace to use: "host", "container:NAME"' },
  { name: "pids-limit", type: "int", description: "Tune container pids limit (set -1 for unlimited)" },
  { name: "platform", type: "string", description: 'Take this platform of a multi-platform image, as "os[/arch[/variant]]"' },
  POLICY_FLAG,
  { name: "privileged", type: "bool", description: "Give extended privileges to this container" },
  { name: "publish", short: "p", type: "list", description: "Publish a container's port(s) to the host" },
  { name: "publish-all", short: "P", type: "bool", description: "Publish all exposed ports to random ports" },
  {
    name: "pull",
    type: "string",
    default: "missing",
    description: 'Pull image before running ("always", "missing", "never")',
  },
  { name: "quiet", short: "q", type: "bool", description: "Suppress the pull output" },
  { name: "read-only", type: "bool", description: "Mount the container's root filesystem as read only" },
  { name: "restart", type: "string", default: "no", description: 'Restart policy to apply when a container exits (only "no")' },
  { name: "rm", type: "bool", description: "Automatically remove the container and its anonymous volumes when it exits" },
  { name: "runtime", type: "string", description: 'Runtime to use for this container: "crun", "runc", or nought\'s own without it' },
  { name: "security-opt", type: "list", description: "Security Options" },
  { name: "shm-size", type: "string", placeholder: "bytes", description: "Size of /dev/shm" },
  { name: "stop-signal", type: "string", description: "Signal to stop the container" },
  { name: "stop-timeout", type: "int", description: "Timeout (in seconds) to stop a container" },
  { name: "tmpfs", type: "list", description: "Mount a tmpfs directory" },
  { name: "tty", short: "t", type: "bool", description: "Allocate a pseudo-TTY" },
  { name: "ulimit", type: "list", placeholder: "ulimit", description: "Ulimit options" },
  { name: "user", short: "u", type: "string", description: "Username or UID (format: <name|uid>[:<group|gid>])" },
  { name: "uts", type: "string", description: 'UTS namespace to use: "host", "container:NAME"' },
  { name: "volume", short: "v", type: "list", description: "Bind mount a volume" },
  { name: "volumes-from", type: "list", description: "Mount volumes from the specified container(s)" },
  { name: "workdir", short: "w", type: "string", description: "Working directory inside the container" },
];

const REFUSED: Readonly<Record<string, string>> = {
  "blkio-weight": "the disk's share is not limited",
  "cgroup-parent": "nought chooses its control groups itself",
  "cpu-period": "use --cpus",
  "cpu-quota": "use --cpus",
  "cpu-shares": "use --cpus",
  "cpuset-cpus": "use taskset(1) around nought",
  "device-cgroup-rule": "name the devices with --device",
  domainname: "the domain name is never set",
  gpus: "name the devices with --device",
  ip: "networks have no addresses to choose from",
  "kernel-memory": "use --memory",
  link: "use --network container:NAME",
  "log-driver": "output is kept in files of the store; `nought logs` shows it",
  "log-opt": "output is kept in files of the store; `nought logs` shows it",
  "mac-address": "networks have no addresses to choose from",
  "memory-reservation": "use --memory",
  "memory-swap": "as much swap as memory is allowed, docker's default",
  "network-alias": "containers do not find each other by name; use --network container:NAME",
  "oom-score-adj": "use choom(1) around nought",
  "storage-opt": "the store has no such options",
  sysctl: "settings of the kernel stay as they are",
  userns: "nought chooses the user namespace itself",
  "volume-driver": "volumes are directories of the store",
};

/** Flags of docker's that are known and refused, each with what to do instead. */
export const REFUSED_FLAGS: ReadonlyMap<string, string> = new Map(Object.entries(REFUSED));

/** Flags of docker's without effect here. */
const IGNORED = ["annotation", "disable-content-trust", "health-cmd", "health-interval", "health-retries", "health-start-interval"];
const IGNORED_TOO = ["health-start-period", "health-timeout", "isolation", "cgroupns", "oom-kill-disable", "memory-swappiness"];

/** Hidden flags: those that are refused with a reason, and those that change nothing. */
export const SILENT_FLAGS: readonly Flag[] = [
  ...Object.entries(REFUSED).map(([name, why]): Flag => {
    return { name, type: "list", hidden: true, description: `Not supported: ${why}` };
  }),
  ...[...IGNORED, ...IGNORED_TOO].map((name): Flag => {
    const bare = name === "disable-content-trust" || name === "oom-kill-disable";
    return { name, type: bare ? "bool" : "list", hidden: true, description: "Accepted for docker's sake; has no effect" };
  }),
];
