import { AT_FDCWD, CLONE, CLOSE_RANGE_CLOEXEC, MS, O } from "./flags.ts";
import { dieWithParent, FD, guard, lifeLine, pipe, reportPid } from "./guard.ts";
import { loopbackUp } from "./network-device.ts";
import type { NetworkProgram, PublishedPort } from "./network-program.ts";
import { ownPrivileges } from "./privileges.ts";
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
  table.call("close_range", [FD.table, 0xffffffff, CLOSE_RANGE_CLOEXEC]);
  table.call("setsid", [], { ignore: true });
  guard(table);
  const file = placeForNamespace(table, stage);
  const holder = hold(table, file, true);
  runNetworkProgram(table, options, file);
  const ready = table.words64(0, READY);
  table.call("write", [FD.frames, ready, 16], { label: "tell that the network is there" });
  table.pump(holder, writeStreams(table, {}));
  return table.finish();
}

/**
 * Adds the network of one sandbox to its first table: the same processes in a pid namespace of their own, which ends with this process.
 * The sandbox's process joins what is at the path that this gives. What the program has to say when it does not come up is a frame.
 */
export function serveNetwork(
  table: TableBuilder,
  { stage }: Pick<NetworkTableOptions, "stage">,
  network: Pick<NetworkTableOptions, "program" | "ports">,
): string {
  const file = placeForNamespace(table, stage);
  const [read, write] = pipe(table, "the network");
  const child = table.register();
  const parent = table.mark();
  const up = table.mark();
  const said = table.register();
  const line = lifeLine(table);
  table.clone(CLONE.NEWPID, child, parent, "clone with a new pid namespace for the network");
  line.hold();
  table.call("close_range", [FD.table, 0xffffffff, CLOSE_RANGE_CLOEXEC]);
  table.call("close", [read]);
  const holder = hold(table, file, false);
  const messages = pipe(table, "the network's words");
  runNetworkProgram(table, { ...network, root: ownPrivileges().initial, messages }, file);
  table.call("write", [write, table.text("."), 1]);
  for (const fd of [write, messages[0], messages[1], FD.table, FD.report, FD.frames]) table.call("close", [fd]);
  table.pump(holder, writeStreams(table, {}));
  table.place(parent);
  line.keep();
  table.call("close", [write]);
  table.call("read", [read, table.space(8), 1], { into: said });
  table.jumpEqual(said, 1, up);
  table.leave(125);
  table.place(up);
  table.call("close", [read]);
  return file;
}

/** A file in a mount namespace that only these processes see, for the network namespace to be bound on. */
function placeForNamespace(table: TableBuilder, stage: string): string {
  const file = `${stage}/net`;
  table.call("unshare", [CLONE.NEWNS], { label: "unshare (mounts)" });
  table.call("mount", [0, table.text("/"), 0, MS.REC | MS.SLAVE, 0], { label: "make mounts slaves" });
  table.call("mount", [table.text("tmpfs"), table.text(stage), table.text("tmpfs"), MS.NOSUID | MS.NODEV, table.text("mode=755")], {
    label: "mount a tmpfs",
  });
  const created = table.register();
  table.call("openat", [AT_FDCWD, table.text(file), O.CREAT | O.RDONLY | O.CLOEXEC, 0o444], { into: created, label: `create ${file}` });
  table.call("close", [created]);
  return file;
}

/** Forks the process that holds the namespace; goes on once its file is in place. */
function hold(table: TableBuilder, file: string, report: boolean): Register {
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
  if (report) reportPid(table);
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

/** What is started, and where it says why it does not come up; standard error without it. */
type Serving = Pick<NetworkTableOptions, "program" | "ports" | "root"> & { readonly messages?: readonly [Register, Register] };

function runNetworkProgram(table: TableBuilder, serving: Serving, file: string): void {
  if (serving.program.name === "pasta") runPasta(table, serving, file);
  else runSlirp(table, serving, file);
}

/** The stream of a frame with the last words of the network's program, padded with NUL. */
export const WORDS = 6;
const WORDS_LENGTH = 2000;

/** Ends because the program did not come up, after passing on what it said. */
function giveUp(table: TableBuilder, messages: Serving["messages"]): void {
  if (messages) {
    const record = table.space(16 + WORDS_LENGTH);
    table.store(BigInt(WORDS) + (BigInt(WORDS_LENGTH) << 32n), { at: record.at + 8 });
    table.call("close", [messages[1]]);
    table.call("read", [messages[0], { at: record.at + 16 }, WORDS_LENGTH], { ignore: true });
    table.call("write", [FD.frames, record, 16 + WORDS_LENGTH], { ignore: true });
  }
  table.leave(1);
}

function runPasta(table: TableBuilder, { program, ports, root, messages }: Serving, file: string): void {
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
  if (messages) table.call("dup3", [messages[1], 2, 0]);
  table.call("execve", [table.text(program.path), table.list(args), table.list([])], { label: `exec ${program.path}` });
  table.place(parent);
  // It returns when packets can travel, and goes on in the background.
  table.call("wait4", [child, memory, 0, 0]);
  table.load32(memory, status);
  table.jumpEqual(status, 0, up);
  giveUp(table, messages);
  table.place(up);
}

/** `127.0.0.1/8080:80`. passt(1), --tcp-ports. */
function publish({ host, hostPort, port }: PublishedPort): string {
  return `${host === undefined ? "" : `${host}/`}${hostPort}:${port}`;
}

function runSlirp(table: TableBuilder, { program, messages }: Serving, file: string): void {
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
  if (messages) table.call("dup3", [messages[1], 2, 0]);
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
  giveUp(table, messages);
  table.place(up);
}
