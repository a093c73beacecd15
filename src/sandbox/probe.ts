import { accessSync, chmodSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { Failure } from "../kit/error.ts";
import { engineCommand, findProgram } from "./engine.ts";
import { errnoName } from "./errno.ts";
import { AT_FDCWD, CLONE, MS, O } from "./flags.ts";
import { installHelper } from "./helper.ts";
import { kernelIsAtLeast } from "./kernel.ts";
import { newTable, performTable, TableError } from "./perform.ts";
import { ownPrivileges } from "./privileges.ts";
import { ACTION, answer, assemble } from "./seccomp/bpf.ts";
import { writeStreams } from "./streams.ts";
import { ownSubIds } from "./subid.ts";
import type { Address, TableBuilder } from "./table.ts";
import { ownNamespace } from "./userns.ts";
import { enterNamespace, type UserNamespace } from "./userns-table.ts";

/**
 * How much isolation this machine allows us: 4 root, 3 a user namespace with a range of ids, 2 one with a single id, 1 a user namespace
 * without a /proc of its own, 0 none: RUN steps and containers are refused.
 */
export type Level = 0 | 1 | 2 | 3 | 4;

/** One thing that was tried or looked for. */
export interface Fact {
  readonly name: string;
  readonly works: boolean;
  /** What was found, or the call that failed. */
  readonly detail: string;
}

export interface Probe {
  readonly level: Level;
  readonly facts: readonly Fact[];
  /** Why the level is not higher, and what would raise it. */
  readonly advice: readonly string[];
  /** Whether changes of a step can be kept apart with overlayfs in the directory. */
  readonly overlay: boolean;
  /** The machine's /proc has to be used: for runSandbox. */
  readonly bindProc: boolean;
}

/** Tries what this machine allows, by doing it in processes of their own. `directory`: where steps will write (the store). */
export function probe(directory?: string): Probe {
  const facts: Fact[] = [];
  const fact = (name: string, works: boolean, detail: string) => void facts.push({ name, works, detail });
  const no = (advice: readonly string[]): Probe => ({ level: 0, facts, advice, overlay: false, bindProc: false });
  const modern = kernelIsAtLeast(5, 12);
  fact("Linux 5.12", modern, release());
  if (!modern) return no(["nought's sandbox needs Linux 5.12 or newer."]);
  try {
    const engine = engineCommand();
    fact(
      "helper",
      engine.name === "nbox",
      engine.name === "nbox" ? engine.command : "may not be executed where it lies (noexec?); perl stands in for it",
    );
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    fact("helper", false, error.message);
    return no([error.hint ?? ""]);
  }
  const { mayMount, initial } = ownPrivileges();
  const namespace = mayMount ? undefined : ownNamespace();
  const trial = tryAll(namespace, directory, mayMount && initial);
  if (!mayMount) idFacts(fact);
  if (typeof trial === "string") {
    fact(mayMount ? "namespaces" : "user namespace", false, trial);
    return no(adviceForNone(trial));
  }
  fact(mayMount ? "namespaces" : "user namespace", true, describe(trial, initial));
  for (const [name, errno] of trial.tried) fact(name, errno === 0, errno === 0 ? "works" : errnoName(errno));
  networkFacts(fact);
  const failed = new Set(trial.tried.filter(([, errno]) => errno !== 0).map(([name]) => name));
  const level = failed.has("own /proc") ? 1 : mayMount && initial ? 4 : trial.single ? 2 : 3;
  return { level, facts, advice: adviceFor(level, failed), overlay: !failed.has("overlay"), bindProc: level === 1 };
}

interface Trial {
  readonly single: boolean;
  readonly ids: number;
  readonly tried: readonly (readonly [string, number])[];
}

/** What a sandbox needs, one after the other; the namespaces themselves must work, or the call that failed is told. */
function tryAll(namespace: UserNamespace | undefined, directory: string | undefined, initial: boolean): Trial | string {
  const { stage } = installHelper();
  const table = newTable();
  const base = directory === undefined ? join(stage, "..") : directory;
  mkdirSync(base, { recursive: true });
  const folder = mkdtempSync(join(base, "probe-"));
  for (const name of ["lower", "upper", "work"]) mkdirSync(join(folder, name));
  if (namespace) enterNamespace(table, namespace, stage);
  const child = table.register();
  const parent = table.mark();
  table.clone(CLONE.NEWNS | CLONE.NEWPID | CLONE.NEWIPC | CLONE.NEWUTS | CLONE.NEWNET, child, parent, "clone with new namespaces");
  table.call("mount", [0, table.text("/"), 0, MS.REC | MS.SLAVE, 0], { label: "make mounts slaves" });
  table.call("mount", [table.text("tmpfs"), table.text(stage), table.text("tmpfs"), 0, 0], { label: "mount a tmpfs" });
  const names = ["own /proc", "own /sys", "overlay", "system call filter"];
  const results = table.space(8 * names.length + 4096);
  const into = (at: number) => ({ ignore: true, into: { at: results.at + 8 * at } });
  const mount = (type: string, options: string, at: number) =>
    table.call("mount", [table.text(type), table.text(stage), table.text(type), 0, table.text(options)], into(at));
  mount("proc", "", 0);
  mount("sysfs", "", 1);
  // Relative names, so that no comma or colon of a path is taken for one of the options'.
  table.call("chdir", [table.text(folder)]);
  const layers = "lowerdir=lower,upperdir=upper,workdir=work,volatile";
  mount("overlay", initial ? layers : `${layers},userxattr`, 2);
  const filter = assemble([answer(ACTION.allow)]);
  table.call("seccomp", [1, 0, table.words64(1, table.bytes(filter))], into(3));
  readIds(table, { at: results.at + 8 * names.length });
  table.call("write", [1, results, 8 * names.length + 4096]);
  table.leave(0);
  table.place(parent);
  table.call("close", [4]);
  table.pump(child, writeStreams(table, {}));
  try {
    const out = performTable(table.finish());
    const map = out
      .toString("latin1", 8 * names.length)
      .replaceAll("\0", "")
      .trim()
      .split("\n");
    const ids = map.reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[2] ?? 0), 0);
    return { single: ids === 1, ids, tried: names.map((name, at) => [name, -Number(out.readBigInt64LE(8 * at))]) };
  } catch (error) {
    if (error instanceof TableError) return error.message;
    throw error;
  } finally {
    removeProbe(folder);
  }
}

function readIds(table: TableBuilder, to: Address): void {
  const fd = table.register();
  table.call("openat", [AT_FDCWD, table.text("/proc/self/uid_map"), O.RDONLY | O.CLOEXEC, 0], { into: fd, ignore: true });
  table.call("read", [fd, to, 4096], { ignore: true });
}

/** overlayfs leaves directories that nobody may enter; they are ours all the same, so they are opened from the top down first. */
function removeProbe(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    for (const name of ["work/work", "work/work/incompat", "work/work/incompat/volatile"]) {
      const path = join(folder, name);
      if (existsSync(path)) chmodSync(path, 0o700);
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

function describe({ single, ids }: Trial, initial: boolean): string {
  if (initial && ids > 2 ** 31) return "root of the machine";
  return single ? "a single id" : `${ids} ids`;
}

function idFacts(fact: (name: string, works: boolean, detail: string) => void): void {
  for (const name of ["newuidmap", "newgidmap"]) fact(name, findProgram(name) !== undefined, findProgram(name) ?? "not found");
  for (const file of ["/etc/subuid", "/etc/subgid"] as const) {
    const ranges = ownSubIds(file);
    fact(
      file,
      ranges.length > 0,
      ranges.length > 0 ? ranges.map(({ start, count }) => `${count} ids from ${start}`).join(", ") : "no range for this user",
    );
  }
}

function networkFacts(fact: (name: string, works: boolean, detail: string) => void): void {
  const pasta = findProgram("pasta");
  const slirp = findProgram("slirp4netns");
  const found = pasta ?? slirp;
  if (found === undefined)
    fact("isolated network", false, "neither pasta (Debian: passt) nor slirp4netns was found; RUN uses the host's network");
  else if (!mayOpen("/dev/net/tun")) fact("isolated network", false, `${found} may not open /dev/net/tun; RUN uses the host's network`);
  else fact("isolated network", true, found);
}

function mayOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function adviceFor(level: Level, failed: ReadonlySet<string>): readonly string[] {
  const advice: string[] = [];
  if (level === 1)
    advice.push(
      "The kernel allows no new /proc here, most likely because a container around us hides parts of its own: processes see the machine's.",
    );
  if (level === 2)
    advice.push(
      "Only one user id can be mapped: owners of files are pretended. For more, install newuidmap and newgidmap (Debian: uidmap) and have a range given to this user in /etc/subuid and /etc/subgid, for example with `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME`.",
    );
  if (failed.has("overlay"))
    advice.push(
      "overlayfs does not work where the store is: put it on a local file system (ext4, xfs, btrfs, tmpfs) with --store or NOUGHT_STORE.",
    );
  if (failed.has("system call filter")) advice.push("The kernel takes no filters of system calls (CONFIG_SECCOMP_FILTER).");
  return advice;
}

/** Why there is no isolation at all. A protection that is in the way is never to be turned off as a whole. */
function adviceForNone(trouble: string): readonly string[] {
  const advice: string[] = [];
  const setting = (name: string) => (existsSync(`/proc/sys/${name}`) ? readFileSync(`/proc/sys/${name}`, "latin1").trim() : undefined);
  if (setting("kernel/apparmor_restrict_unprivileged_userns") === "1") {
    const { path } = installHelper();
    advice.push(
      `AppArmor lets only named programs use user namespaces. Give the helper a profile of its own: as root, write to /etc/apparmor.d/nought\n\n  abi <abi/4.0>,\n  include <tunables/global>\n  profile nought ${path.replace(/-[0-9a-f]+$/, "-*")} flags=(unconfined) {\n    userns,\n  }\n\nand load it with \`apparmor_parser -r /etc/apparmor.d/nought\`.`,
    );
  }
  if (setting("user/max_user_namespaces") === "0")
    advice.push("This machine allows no user namespaces (user.max_user_namespaces is 0); its administrator can set a number.");
  if (setting("kernel/unprivileged_userns_clone") === "0")
    advice.push(
      "Only root may make user namespaces here (kernel.unprivileged_userns_clone is 0); ask the administrator, or run nought as root.",
    );
  if (existsSync("/.dockerenv") || existsSync("/run/.containerenv"))
    advice.push(
      "This is a container whose filter of system calls refuses namespaces. Start it with a profile that allows them for nought's purpose: `--security-opt seccomp=…` with clone, unshare, mount and pivot_root added, and `--security-opt systempaths=unconfined` for a /proc of its own.",
    );
  if (advice.length === 0) advice.push(`The kernel refused (${trouble}); run nought as root, or on a machine that allows user namespaces.`);
  advice.push("Without it, Dockerfiles without RUN are built all the same.");
  return advice;
}
