import { accessSync, constants, lstatSync, readdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, S_IFBLK, S_IFCHR } from "./flags.ts";
import type { Inside } from "./inside.ts";
import type { SandboxMount } from "./spec.ts";

/** A device node of the host. */
export interface HostDevice {
  readonly path: string;
  readonly type: "c" | "b";
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What every sandbox has of its own, or must not share. */
const OWN = new Set(["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm", "mqueue", "fd", "core"]);
const MAX_DEVICES = 2000;
const MAX_DEPTH = 4;
/** A sandbox takes no more than a hundred mounts. */
const MAX_SHOWN = 50;

/** All device nodes below the host's /dev, in the order of their paths; what a sandbox makes itself aside. */
export function hostDevices(folder = "/dev"): readonly HostDevice[] {
  const found: HostDevice[] = [];
  const look = (path: string, depth: number) => {
    for (const name of names(path)) {
      if (found.length >= MAX_DEVICES || (depth === 0 && OWN.has(name))) continue;
      const facts = lstatSync(join(path, name), { throwIfNoEntry: false });
      if (facts?.isDirectory() && depth < MAX_DEPTH) look(join(path, name), depth + 1);
      else if (facts?.isCharacterDevice() || facts?.isBlockDevice()) found.push(device(join(path, name), facts));
    }
  };
  look(folder, 0);
  return found;
}

function names(path: string): readonly string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

/** makedev(3) of the C library, taken apart. */
function device(path: string, facts: Stats): HostDevice {
  const rdev = BigInt(facts.rdev);
  const major = Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn));
  const minor = Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n));
  return { path, type: facts.isBlockDevice() ? "b" : "c", major, minor, mode: facts.mode & 0o777, uid: facts.uid, gid: facts.gid };
}

/** What the kernel takes for a device. */
function number({ major, minor }: HostDevice): number {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}

/** As an ordinary user nodes cannot be made: the host's are shown where they may be opened; terminals of the machine never. */
export function deviceMounts(devices: readonly HostDevice[]): readonly SandboxMount[] {
  return devices
    .filter(({ path }) => !/^\/dev\/(?:tty|vcs)/.test(path) && mayOpen(path))
    .slice(0, MAX_SHOWN)
    .map(({ path }) => ({ type: "bind", source: path, target: path, kind: "file" }));
}

function mayOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Adds the nodes to a fresh /dev, as real root; one that the kernel refuses is passed over. */
export function makeDevices({ table }: Inside, devices: readonly HostDevice[]): void {
  const folders = new Set(devices.flatMap(({ path }) => above(path)));
  for (const path of folders) table.call("mkdirat", [AT_FDCWD, table.text(path), 0o755], { ignore: true });
  for (const one of devices) {
    const path = table.text(one.path);
    table.call("mknodat", [AT_FDCWD, path, (one.type === "b" ? S_IFBLK : S_IFCHR) | one.mode, number(one)], { ignore: true });
    table.call("fchmodat", [AT_FDCWD, path, one.mode], { ignore: true });
    table.call("fchownat", [AT_FDCWD, path, one.uid, one.gid, AT_SYMLINK_NOFOLLOW], { ignore: true });
  }
}

/** The directories between /dev and the path, the upper one first. */
function above(path: string): readonly string[] {
  const parts = path.split("/").slice(2, -1);
  return parts.map((_, at) => `/dev/${parts.slice(0, at + 1).join("/")}`);
}
