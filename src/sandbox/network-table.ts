import { AT_FDCWD, CLONE, MS, O } from "./flags.ts";
import { loopbackUp } from "./network-device.ts";
import type { NetworkProgram, PublishedPort } from "./network-program.ts";
import { dieWithParent, FD, guard, reportPid } from "./outer-table.ts";
import { writeStreams } from "./streams.ts";
import type { CallArchitecture } from "./syscall-numbers.ts";
import { type Register, type Table, TableBuilder } from "./table.ts";

export interface NetworkTableOptions {
  readonly architecture: CallArchitecture;
  readonly stage: string;
  readonly parentPid: number;
  readonly program: NetworkProgram;
  readonly ports: readonly PublishedPort[];
  /** Whether we are the machine's root, which the program would otherwise give up. */
  readonly root: boolean;
}

/** The stream of the frame that says that packets can travel. */
export const READY = 4;

/**
 * Writes the table of a network: a guard namespace as for sandboxes; in it a process that does nothing but hold a network namespace, and
 * the program that serves it. The namespace's file is put on a path of a mount namespace that only these see, because as root the program
 * may not look at the processes of others. It goes into the background, where it is still in the guard's namespace and ends with it.
 */
export function networkTable(options: NetworkTableOptions): Table {
  const table = new TableBuilder(options.architecture);
  const { stage } = options;
  dieWithParent(table, options.parentPid);
  table.call("close_range", [FD.frames + 1, 0xffffffff, 0]);
  table.call("close_range", [FD.table, 0xffffffff, 4]);
  table.call("setsid", [], { ignore: true });
  guard(table);
  const file = `${stage}/net`;
  table.call("unshare", [CLONE.NEWNS], { label: "unshare (mounts)" });
  table.call("mount", [0, table.text("/"), 0, MS.REC | MS.SLAVE, 0], { label: "make mounts slaves" });
  table.call("mount", [table.text("tmpfs"), table.text(stage), table.text("tmpfs"), MS.NOSUID | MS.NODEV, table.text("mode=755")], {
    label: "mount a tmpfs",
  });
  const created = table.register();
  table.call("openat", [AT_FDCWD, table.text(file), O.CREAT | O.RDONLY | O.CLOEXEC, 0o444], { into: created, label: `create ${file}` });
  const holder = hold(table, file);
  if (options.program.name === "pasta") runPasta(table, options, file);
  else runSlirp(table, options, file);
  const ready = table.words64(0, READY);
  table.call("write", [FD.frames, ready, 16], { label: "tell that the network is there" });
  table.pump(holder, writeStreams(table, {}));
  return table.finish();
}

/** Forks the process that holds the namespace; goes on once its file is in place. */
function hold(table: TableBuilder, file: string): Register {
  const child = table.register();
  const parent = table.mark();
  const read = table.register();
  const write = table.register();
  const fds = table.space(8);
  const said = table.register();
  const there = table.mark();
  table.call("pipe2", [fds, O.CLOEXEC]);
  table.load32(fds, read);
  table.load32({ at: fds.at + 4 }, write);
  table.clone(CLONE.NEWNET, child, parent, "clone with a new network namespace");
  loopbackUp({ table });
  table.call("mount", [table.text("/proc/self/ns/net"), table.text(file), 0, MS.BIND, 0], { label: `bind ${file}` });
  reportPid(table);
  table.call("write", [write, table.text("."), 1]);
  for (const fd of [0, 1, 2, FD.report, FD.frames, write]) table.call("close", [fd], { ignore: true });
  table.call("ppoll", [0, 0, 0, 0, 0], { ignore: true });
  table.leave(0);
  table.place(parent);
  table.call("close", [write]);
  table.call("read", [read, table.space(8), 1], { into: said });
  table.jumpEqual(said, 1, there);
  table.leave(1);
  table.place(there);
  table.call("close", [read]);
  return child;
}

function runPasta(table: TableBuilder, { program, ports, root }: NetworkTableOptions, file: string): void {
  const specs = (protocol: "tcp" | "udp") => ports.filter((one) => one.protocol === protocol).map(publish);
  const forward = (flag: string, found: readonly string[]) => (found.length === 0 ? [flag, "none"] : found.flatMap((one) => [flag, one]));
  const args = [
    program.path,
    "--quiet",
    "--config-net",
    // The gateway's address would lead to the services of the host's loopback device.
    "--no-map-gw",
    ...forward("-t", specs("tcp")),
    ...forward("-u", specs("udp")),
    "-T",
    "none",
    "-U",
    "none",
    "--netns",
    file,
    "--netns-only",
    "--no-netns-quit",
    ...(root ? ["--runas", "0"] : []),
  ];
  const child = table.register();
  const parent = table.mark();
  const up = table.mark();
  const status = table.register();
  const memory = table.space(8);
  table.clone(0, child, parent, "fork");
  table.call("execve", [table.text(program.path), table.list(args), table.list([])], { label: `exec ${program.path}` });
  table.place(parent);
  // It returns when packets can travel, and goes on in the background.
  table.call("wait4", [child, memory, 0, 0]);
  table.load32(memory, status);
  table.jumpEqual(status, 0, up);
  table.leave(1);
  table.place(up);
}

/** `127.0.0.1/8080:80`. passt(1), --tcp-ports. */
function publish({ host, hostPort, port }: PublishedPort): string {
  return `${host === undefined ? "" : `${host}/`}${hostPort}:${port}`;
}

function runSlirp(table: TableBuilder, { program }: NetworkTableOptions, file: string): void {
  const fds = table.space(8);
  const read = table.register();
  const write = table.register();
  const child = table.register();
  const parent = table.mark();
  const said = table.register();
  const up = table.mark();
  table.call("pipe2", [fds, O.CLOEXEC]);
  table.load32(fds, read);
  table.load32({ at: fds.at + 4 }, write);
  table.clone(0, child, parent, "fork");
  table.call("dup3", [write, FD.table, 0]);
  const args = [
    program.path,
    "--configure",
    "--mtu=65520",
    "--disable-host-loopback",
    `--ready-fd=${FD.table}`,
    "--netns-type=path",
    file,
    "tap0",
  ];
  table.call("execve", [table.text(program.path), table.list(args), table.list([])], { label: `exec ${program.path}` });
  table.place(parent);
  table.call("close", [write]);
  table.call("read", [read, table.space(8), 1], { into: said });
  table.jumpEqual(said, 1, up);
  table.leave(1);
  table.place(up);
}
