import { AT_FDCWD, CLONE, MS, O } from "./flags.ts";
import type { SubIdRange } from "./subid.ts";
import type { Address, Register, TableBuilder } from "./table.ts";

/** What a user namespace is made with. */
export interface UserNamespace {
  readonly uid: number;
  readonly gid: number;
  /** Programs and ranges for more than one id; without them there is only root inside, who is the user outside. */
  readonly ranges?: {
    readonly newuidmap: string;
    readonly newgidmap: string;
    readonly uids: readonly SubIdRange[];
    readonly gids: readonly SubIdRange[];
  };
}

/**
 * Adds the calls that take the process into a user namespace (and a mount namespace) of its own. The ranges of the user are mapped by
 * newuidmap and newgidmap, which the kernel lets do it from outside only: a child stays behind for them. If they refuse, the namespace
 * has a single id. user_namespaces(7). `stage` is an empty directory, to see whether anything can be mounted.
 */
export function enterNamespace(table: TableBuilder, namespace: UserNamespace, stage: string): void {
  const mapped = table.mark();
  const { ranges } = namespace;
  if (ranges) {
    const go = pipe(table);
    const child = mapFromOutside(table, namespace, ranges, go);
    unshareUser(table);
    table.call("write", [go[1], table.text("go"), 1]);
    // If they refused, most likely they are not set-uid root here.
    table.jumpEqual(waitFor(table, child), 0, mapped);
  } else unshareUser(table);
  mapSingle(table, namespace);
  table.place(mapped);
  if (ranges) table.call("setgroups", [0, 0], { ignore: true });
  ownMounts(table, stage);
}

/** Adds the calls that take the process into the user namespace of another one, which the same user made, with mounts of its own. */
export function joinNamespace(table: TableBuilder, pid: number, stage: string): void {
  const namespace = table.register();
  table.call("openat", [AT_FDCWD, table.text(`/proc/${pid}/ns/user`), O.RDONLY | O.CLOEXEC, 0], {
    into: namespace,
    label: `open /proc/${pid}/ns/user`,
  });
  table.call("setns", [namespace, CLONE.NEWUSER], { label: "setns (user)" });
  table.call("close", [namespace]);
  table.call("setgroups", [0, 0], { ignore: true });
  ownMounts(table, stage);
}

function ownMounts(table: TableBuilder, stage: string): void {
  // Some systems let everybody make a user namespace and then do nothing in it: better known here than in the middle of a build.
  table.call("unshare", [CLONE.NEWNS], { label: "unshare (mounts)" });
  const tmpfs = [table.text("tmpfs"), table.text(stage), table.text("tmpfs"), MS.NOSUID | MS.NODEV, 0];
  table.call("mount", tmpfs, { label: "mount a tmpfs" });
  table.call("umount2", [table.text(stage), 0], { label: "umount2" });
}

/**
 * Adds the calls that replace the process by a program. With `onError`, the program is started too when anything before failed, and finds
 * `NAME_OPERATION` and `NAME_ERRNO` in its environment.
 */
export function becomeProgram(table: TableBuilder, args: readonly [string, ...string[]], env: readonly string[], onError?: string): void {
  const argv = table.list(args);
  table.call("execve", [table.text(args[0]), argv, table.list(env)], { label: `exec ${args[0]}` });
  if (onError === undefined) return;
  const failed = table.mark();
  table.place(failed);
  table.onError(failed);
  const operation = numberVariable(table, `${onError}_OPERATION`, { register: 254 });
  const errno = numberVariable(table, `${onError}_ERRNO`, { register: 255 });
  const envp = table.words64(...env.map((one) => table.text(one)), operation, errno, 0);
  table.call("execve", [table.text(args[0]), argv, envp]);
}

/** `NAME=` and the register's number. */
function numberVariable(table: TableBuilder, name: string, value: Register): Address {
  const text = table.bytes(Buffer.from(`${name}=${"\0".repeat(24)}`));
  table.decimal(value, { at: text.at + name.length + 1 });
  return text;
}

function unshareUser(table: TableBuilder): void {
  table.call("unshare", [CLONE.NEWUSER], { label: "unshare (user)" });
}

function pipe(table: TableBuilder): readonly [Register, Register] {
  const fds = table.space(8);
  const both = [table.register(), table.register()] as const;
  table.call("pipe2", [fds, O.CLOEXEC]);
  table.load32(fds, both[0]);
  table.load32({ at: fds.at + 4 }, both[1]);
  return both;
}

/** Forks the child that maps the ids once its parent has told it so. */
function mapFromOutside(
  table: TableBuilder,
  { uid, gid }: UserNamespace,
  ranges: NonNullable<UserNamespace["ranges"]>,
  go: readonly [Register, Register],
): Register {
  const self = table.register();
  const child = table.register();
  const parent = table.mark();
  const pid = table.space(24);
  table.call("getpid", [], { into: self });
  table.decimal(self, pid);
  table.clone(0, child, parent, "fork");
  const read = table.register();
  const told = table.mark();
  table.call("close", [go[1]]);
  table.call("read", [go[0], table.space(8), 1], { into: read });
  table.jumpEqual(read, 1, told);
  table.leave(1);
  table.place(told);
  runMapper(table, ranges.newuidmap, pid, uid, ranges.uids);
  runMapper(table, ranges.newgidmap, pid, gid, ranges.gids);
  table.leave(0);
  table.place(parent);
  table.call("close", [go[0]]);
  return child;
}

function runMapper(table: TableBuilder, program: string, pid: Address, own: number, ranges: readonly SubIdRange[]): void {
  const child = table.register();
  const parent = table.mark();
  const well = table.mark();
  let next = 1;
  const numbers = [0, own, 1];
  for (const { start, count } of ranges) {
    numbers.push(next, start, count);
    next += count;
  }
  const argv = table.words64(table.text(program), pid, ...numbers.map((one) => table.text(`${one}`)), 0);
  table.clone(0, child, parent, "fork");
  // What it has to say is no news: where it fails there is another way.
  const silence = table.register();
  table.call("openat", [AT_FDCWD, table.text("/dev/null"), O.WRONLY, 0], { into: silence, ignore: true });
  table.call("dup3", [silence, 2, 0], { ignore: true });
  table.call("execve", [table.text(program), argv, table.list([])], { ignore: true });
  table.leave(1);
  table.place(parent);
  table.jumpEqual(waitFor(table, child), 0, well);
  table.leave(1);
  table.place(well);
}

function waitFor(table: TableBuilder, child: Register): Register {
  const status = table.register();
  const memory = table.space(8);
  table.call("wait4", [child, memory, 0, 0]);
  table.load32(memory, status);
  return status;
}

/** Maps the one id that everybody may map himself. */
function mapSingle(table: TableBuilder, { uid, gid }: UserNamespace): void {
  for (const [file, text] of [
    ["setgroups", "deny"],
    ["uid_map", `0 ${uid} 1\n`],
    ["gid_map", `0 ${gid} 1\n`],
  ] as const) {
    const fd = table.register();
    table.call("openat", [AT_FDCWD, table.text(`/proc/self/${file}`), O.WRONLY | O.CLOEXEC, 0], { into: fd, label: `open ${file}` });
    table.call("write", [fd, table.text(text), text.length], { label: `write ${file}` });
    table.call("close", [fd]);
  }
}
