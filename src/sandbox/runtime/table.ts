import { readFileSync } from "node:fs";
import { AT_FDCWD, MS, O, RESOLVE_IN_ROOT } from "../flags.ts";
import { BEGUN, type InnerTable } from "../inner-table.ts";
import { Inside, type InsideFacts } from "../inside.ts";
import { fileSystem, makeMount, rootMount } from "../mounts.ts";
import { candidatePaths } from "../program.ts";
import { isBelowAny } from "../spec.ts";
import { bindsSys, sysMount } from "../system-mounts.ts";
import type { Register } from "../table.ts";
import { openTerminal } from "../terminal.ts";
import { runtimeConfig, type StagedMount } from "./config.ts";

/** A real OCI runtime of this machine. */
export interface OciRuntime {
  readonly name: "crun" | "runc";
  readonly path: string;
}

export interface RuntimeFacts extends InsideFacts {
  readonly hardLimits: ReadonlyMap<string, number>;
}

/** Where a hybrid machine mounts the second kind of control groups. */
const UNIFIED = "/sys/fs/cgroup/unified";

/**
 * The second table for a real runtime: what it needs is put together on the sandbox's own tmpfs (its state, the bundle, the root as an
 * overlay, mounts), and then it takes over. Nothing is left when the mount namespace goes. Control groups are kept out of its hands:
 * a runtime that is killed would leave them behind.
 */
export function runtimeTable(facts: RuntimeFacts, runtime: OciRuntime, id: string): InnerTable {
  const inside = new Inside(facts);
  const { table, spec, stage } = inside;
  table.call("write", [4, table.words32(BEGUN, 0), 8]);
  table.call("close_range", [3, 0xffffffff, 4]);
  const root = rootMount(inside);
  const staged: StagedMount[] = [];
  const depth = (path: string) => path.split("/").length;
  for (const asked of spec.mounts.toSorted((a, b) => depth(a.target) - depth(b.target)))
    staged.push({ asked, source: standReady(inside, asked) });
  const bundle = `${stage}/bundle`;
  for (const path of [bundle, `${bundle}/rootfs`, `${stage}/state`])
    table.call("mkdirat", [AT_FDCWD, table.text(path), 0o711], { label: `mkdir ${path}` });
  inside.moveMount(root, `${bundle}/rootfs`, "/");
  const sys = bindsSys(inside) ? inside.attachStaged(sysMount(inside), "/sys") : undefined;
  const config = Buffer.from(JSON.stringify(runtimeConfig(spec, staged, facts.privileges, facts.architecture, facts.hardLimits, sys)));
  const file = table.register();
  table.call("openat", [AT_FDCWD, table.text(`${bundle}/config.json`), O.CREAT | O.WRONLY | O.CLOEXEC, 0o600], { into: file });
  table.call("write", [file, table.bytes(config), config.length], { label: "write config.json" });
  table.call("close", [file]);
  // The pid namespace's own, for the runtime must find its processes there.
  table.call("mount", [table.text("proc"), table.text("/proc"), table.text("proc"), MS.NOSUID | MS.NODEV | MS.NOEXEC, 0], {
    label: "mount /proc",
  });
  if (runtime.name === "crun") hideHybrid(inside);
  else protectCgroups(inside);
  if (spec.terminal) {
    // The runtime makes the container's own terminal and carries its bytes to and from this one.
    table.call("setsid", [], { ignore: true });
    const pts = fileSystem(
      inside,
      "devpts",
      [
        ["newinstance", ""],
        ["ptmxmode", "0666"],
      ],
      0,
      "the terminal",
    );
    openTerminal(inside, inside.attachStaged(pts, "the terminal"));
  }
  const inRoot = table.register();
  table.call("openat", [AT_FDCWD, table.text(`${bundle}/rootfs`), O.PATH | O.CLOEXEC, 0], { into: inRoot });
  makeWorkingDirectory(inside, inRoot);
  const troubles = lookForProgram(inside, inRoot);
  table.call("umask", [0o022]);
  const own = runtime.name === "crun" ? ["--cgroup-manager=disabled"] : ["--rootless", "true"];
  const args = [runtime.path, ...own, "--root", `${stage}/state`, "run", "-b", bundle, id];
  const env = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", `XDG_RUNTIME_DIR=${stage}`];
  table.call("execve", [table.text(runtime.path), table.list(args), table.list(env)], { label: `exec ${runtime.path}` });
  return { table: table.finish(), troubles };
}

/** Makes the working directory as the user's, where no mount covers it: runtimes would make it as root's. No link leads out. */
function makeWorkingDirectory(inside: Inside, root: Register): void {
  const { table, spec, scratch, privileges } = inside;
  const targets = spec.mounts.map((mount) => mount.target);
  if (targets.includes(spec.cwd) || isBelowAny(spec.cwd, targets)) return;
  const names = spec.cwd.split("/").filter(Boolean);
  const how = table.words64(O.PATH | O.CLOEXEC, 0, RESOLVE_IN_ROOT);
  const parent = table.register();
  for (const [at, name] of names.entries()) {
    const made = table.mark();
    const next = table.mark();
    table.call("openat2", [root, table.text(`/${names.slice(0, at).join("/")}`), how, 24], { ignore: true, into: parent });
    table.call("mkdirat", [parent, table.text(name), 0o755], { ignore: true, into: scratch });
    table.jumpEqual(scratch, 0, made);
    table.jump(next);
    table.place(made);
    if (!privileges.single) table.call("fchownat", [parent, table.text(name), spec.user.uid, spec.user.gid, 0x100]);
    table.place(next);
    table.call("close", [parent], { ignore: true });
  }
}

/**
 * Fails where no directory of PATH has the program: runtimes say so each in its own words and with exit code 1. What lies below a mount
 * is not seen here, and left to them.
 */
function lookForProgram(inside: Inside, root: Register): InnerTable["troubles"] {
  const { table, spec, scratch } = inside;
  const program = spec.args[0] ?? "";
  const candidates = candidatePaths(program, spec.env).map((path) => (path.startsWith("/") ? path : `${spec.cwd}/${path}`));
  const targets = spec.mounts.map((mount) => mount.target);
  if (candidates.some((path) => isBelowAny(path, targets) || targets.includes(path))) return new Map();
  const found = table.mark();
  const how = table.words64(O.PATH | O.CLOEXEC, 0, RESOLVE_IN_ROOT);
  const lookUp = (path: string, options: Parameters<typeof table.call>[2]) =>
    table.call("openat2", [root, table.text(path), how, 24], options);
  for (const path of candidates) {
    const next = table.mark();
    lookUp(path, { ignore: true, into: scratch });
    table.jumpEqual(scratch, -2, next);
    table.jump(found);
    table.place(next);
  }
  const troubles = new Map([[table.length, "missing" as const]]);
  lookUp(candidates.at(-1) ?? "", { label: `exec ${program}` });
  table.place(found);
  return troubles;
}

/** Gives a mount of the spec a path from which the runtime binds it. */
function standReady(inside: Inside, asked: StagedMount["asked"]): string {
  const { table } = inside;
  const mount = makeMount(inside, asked);
  const isFile = asked.type === "bytes" || ("kind" in asked && asked.kind === "file");
  if (!isFile) return inside.attachStaged(mount, asked.target);
  const path = inside.staged();
  table.call("openat", [AT_FDCWD, table.text(path), O.CREAT | O.RDONLY | O.CLOEXEC, 0o600], {
    into: inside.scratch,
    label: `create ${path}`,
  });
  table.call("close", [inside.scratch]);
  inside.moveMount(mount, path, asked.target);
  return path;
}

/** crun refuses machines with both kinds of control groups even when told to use none. */
function hideHybrid({ table }: Inside): void {
  table.call("mount", [table.text("tmpfs"), table.text(UNIFIED), table.text("tmpfs"), MS.RDONLY, 0], {
    ignore: true,
    label: "hide control groups",
  });
}

/** runc cannot be told to use none, but does without those it may not write to when it takes itself for rootless. */
function protectCgroups({ table }: Inside): void {
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const path = before.split(" ")[4];
    if (!path || !/^cgroup2? /.test(after)) continue;
    const flags = MS.REMOUNT | MS.BIND | MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC;
    table.call("mount", [0, table.text(path), 0, flags, 0], { ignore: true, label: `write-protect ${path}` });
  }
}
