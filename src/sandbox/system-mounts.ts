import { hostDevices, makeDevices } from "./devices.ts";
import { AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR, MS, O, OPEN_TREE } from "./flags.ts";
import type { Inside, WaitingMount } from "./inside.ts";
import { fileSystem } from "./mounts.ts";
import type { Register } from "./table.ts";

/** Docker's list, newest: what of the kernel's own files a container is not to read. */
export const MASKED = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];

/** Docker's list: what it may read but not write, although root could. */
export const READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"];

const LINKS = [
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
  ["/dev/ptmx", "pts/ptmx"],
] as const;

const { NOSUID, NODEV, NOEXEC, RDONLY, STRICTATIME } = MOUNT_ATTR;

/** Mounts of the system that are made while the host's root is still there. */
export interface SystemMounts {
  readonly waiting: readonly WaitingMount[];
  /** Copies of the host's null device that go over files; after the waiting ones. */
  readonly masks: readonly WaitingMount[];
}

/** Makes /proc, /dev and /sys and the devices, as BuildKit and docker have them. */
export function systemMounts(inside: Inside): SystemMounts {
  const { spec, privileges } = inside;
  const devpts: (readonly [string, string])[] = [
    ["newinstance", ""],
    ["ptmxmode", "0666"],
    ["mode", "0620"],
  ];
  // Debian's group tty; where there is no such id, the kernel would refuse.
  if (privileges.hasGid(5)) devpts.push(["gid", "5"]);
  const shm: (readonly [string, string])[] = [
    ["mode", "1777"],
    ["size", spec.shm === undefined ? "65536k" : `${spec.shm}`],
  ];
  const waiting: WaitingMount[] = [];
  const add = (target: string, mount: Register) => waiting.push({ target, mount, label: target });
  add("/proc", procMount(inside));
  add(
    "/dev",
    fileSystem(
      inside,
      "tmpfs",
      [
        ["mode", "755"],
        ["size", "65536k"],
      ],
      NOSUID | STRICTATIME,
      "/dev",
    ),
  );
  add("/dev/pts", fileSystem(inside, "devpts", devpts, NOSUID | NOEXEC, "/dev/pts"));
  add("/dev/shm", fileSystem(inside, "tmpfs", shm, NOSUID | NODEV | NOEXEC, "/dev/shm"));
  // That of the machine's namespace belongs to the machine's root.
  if (inside.spec.join?.ipc !== "host" || inside.privileges.initial)
    add("/dev/mqueue", fileSystem(inside, "mqueue", [], NOSUID | NODEV | NOEXEC, "/dev/mqueue"));
  add("/sys", sysMount(inside));
  for (const name of DEVICES) add(`/dev/${name}`, inside.openTree(AT_FDCWD, `/dev/${name}`, OPEN_TREE.CLONE, `/dev/${name}`));
  const masks: WaitingMount[] = [];
  if (!spec.unmasked) {
    for (const path of MASKED) {
      if (inside.kindOf(path) !== "file") continue;
      masks.push({ target: path, mount: inside.openTree(AT_FDCWD, "/dev/null", OPEN_TREE.CLONE, "/dev/null"), label: `mask over ${path}` });
    }
  }
  return { waiting, masks };
}

/** Adds what a fresh /dev holds, once it is attached and before mounts go below it. */
export function fillDev(inside: Inside): void {
  const { table } = inside;
  for (const name of ["pts", "shm", "mqueue"])
    table.call("mkdirat", [AT_FDCWD, table.text(`/dev/${name}`), 0o755], { label: `mkdir /dev/${name}` });
  for (const name of inside.spec.terminal ? [...DEVICES, "console"] : DEVICES) {
    const flags = O.CREAT | O.EXCL | O.WRONLY | O.CLOEXEC;
    table.call("openat", [AT_FDCWD, table.text(`/dev/${name}`), flags, 0o644], { into: inside.scratch, label: `create /dev/${name}` });
    table.call("close", [inside.scratch]);
  }
  for (const [path, target] of LINKS)
    table.call("symlinkat", [table.text(target), AT_FDCWD, table.text(path)], { label: `symlink ${path}` });
  if (inside.spec.hostDevices && inside.privileges.initial) makeDevices(inside, hostDevices());
}

/** Hides and write-protects parts of /proc and /sys, after everything is in place. */
export function protectSystem(inside: Inside, masks: readonly WaitingMount[]): void {
  if (inside.spec.unmasked) return;
  const { table } = inside;
  for (const path of READ_ONLY) {
    if (inside.kindOf(path) === undefined) continue;
    const copy = inside.openTree(AT_FDCWD, path, OPEN_TREE.CLONE | (inside.bindProc ? AT_RECURSIVE : 0), path);
    inside.setAttributes(copy, RDONLY, { recursive: inside.bindProc, label: path });
    inside.moveMount(copy, path, `${path} read-only`);
  }
  for (const { mount, target, label } of masks) inside.moveMount(mount, target, label);
  const empty = MASKED.filter((path) => inside.kindOf(path) === "directory");
  if (bindsSys(inside)) empty.push("/sys/fs/cgroup");
  for (const path of empty) {
    const flags = MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC;
    table.call("mount", [table.text("tmpfs"), table.text(path), table.text("tmpfs"), flags, table.text("nr_blocks=1,nr_inodes=1")], {
      label: `mask over ${path}`,
    });
  }
}

function procMount(inside: Inside): Register {
  const attributes = NOSUID | NODEV | NOEXEC;
  if (!inside.bindProc) return fileSystem(inside, "proc", [], attributes, "/proc");
  const copy = inside.openTree(AT_FDCWD, "/proc", OPEN_TREE.CLONE | AT_RECURSIVE, "/proc");
  inside.setAttributes(copy, attributes, { private: true, label: "/proc" });
  return copy;
}

/** Whether /sys is the host's: a new one may only be mounted by who owns the network namespace it shows. */
export function bindsSys({ privileges, spec, bindProc }: Inside): boolean {
  return bindProc || (!privileges.initial && spec.network === "host");
}

/** Makes /sys: a new one, or the host's with everything in it read-only. */
export function sysMount(inside: Inside): Register {
  const attributes = NOSUID | NODEV | NOEXEC | (inside.spec.unmasked ? 0 : RDONLY);
  if (!bindsSys(inside)) return fileSystem(inside, "sysfs", [], attributes, "/sys");
  const copy = inside.openTree(AT_FDCWD, "/sys", OPEN_TREE.CLONE | AT_RECURSIVE, "/sys");
  inside.setAttributes(copy, attributes, { recursive: true, private: true, label: "/sys" });
  return copy;
}
