import { AF, AT_FDCWD, CLONE, O, PR, SIGKILL, SOCK } from "./flags.ts";
import { writeStreams } from "./streams.ts";
import type { Address, Register, TableBuilder } from "./table.ts";

/** Descriptors on entry. */
export const FD = { table: 3, report: 4, frames: 5 } as const;

/** Asks to be killed with the parent, and ends if that is gone already. */
export function dieWithParent(table: TableBuilder, parentPid: number): void {
  const parent = table.register();
  const there = table.mark();
  table.call("prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  table.call("getppid", [], { into: parent });
  table.jumpEqual(parent, parentPid, there);
  table.leave(125);
  table.place(there);
}

/** A pipe of which only the parent has the writing end. */
export interface LifeLine {
  /** In the child: asks to be killed with the parent, and ends if that is gone already. */
  hold(): void;
  /** In the parent. */
  keep(): void;
}

/** To be made before a fork: a parent that dies before its child could ask to die with it would otherwise be survived. prctl(2). */
export function lifeLine(table: TableBuilder): LifeLine {
  const [read, write] = pipe(table, "life line");
  return {
    hold() {
      const alive = table.mark();
      const ready = table.register();
      const poll = table.space(8);
      table.call("close", [write]);
      table.call("prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
      table.store(read, poll);
      table.call("ppoll", [poll, 1, table.words64(0, 0), 0, 0], { into: ready });
      table.jumpEqual(ready, 0, alive);
      table.leave(125);
      table.place(alive);
      table.call("close", [read]);
    },
    keep() {
      table.call("close", [read]);
    },
  };
}

/**
 * Goes on as process 1 of a namespace that never runs anything else, while this process waits for it and then ends with its exit code;
 * `afterwards` adds what is done before that, and must end the process itself.
 */
export function guard(table: TableBuilder, afterwards?: (code: Register) => void): void {
  const line = lifeLine(table);
  const child = table.register();
  const parent = table.mark();
  const begin = table.mark();
  table.jump(begin);
  table.place(parent);
  line.keep();
  for (const fd of [FD.table, FD.report, FD.frames]) table.call("close", [fd]);
  if (afterwards) {
    const code = table.register();
    table.pump(child, writeStreams(table, {}), code);
    afterwards(code);
  } else table.pump(child, writeStreams(table, {}));
  table.place(begin);
  table.clone(CLONE.NEWPID, child, parent, "clone with a new pid namespace");
  line.hold();
}

/**
 * Tells who this process is where the host's /proc is mounted, by what stands in its stat: a frame of the stream, and a file. proc(5).
 */
export function reportStat(table: TableBuilder, stream: number, file?: { readonly path: string; readonly before: string }): void {
  const fd = table.register();
  const record = table.space(16 + STAT_LENGTH);
  table.store(BigInt(stream) + (BigInt(STAT_LENGTH) << 32n), { at: record.at + 8 });
  table.call("openat", [AT_FDCWD, table.text("/proc/self/stat"), O.RDONLY | O.CLOEXEC, 0], { into: fd, label: "open /proc/self/stat" });
  table.call("read", [fd, { at: record.at + 16 }, STAT_LENGTH], { label: "read /proc/self/stat" });
  table.call("close", [fd]);
  table.call("write", [FD.frames, record, 16 + STAT_LENGTH], { label: "report the process" });
  if (!file) return;
  const { path, before } = file;
  table.call("openat", [AT_FDCWD, table.text(path), O.CREAT | O.TRUNC | O.WRONLY | O.CLOEXEC, 0o600], { into: fd, label: `open ${path}` });
  table.call("write", [fd, table.text(before), Buffer.byteLength(before)], { label: `write ${path}` });
  table.call("write", [fd, { at: record.at + 16 }, STAT_LENGTH], { label: `write ${path}` });
  table.call("close", [fd]);
}

/** Bytes of such a report; the rest is NUL. */
const STAT_LENGTH = 512;

/** Tells which number this process has where the host's /proc is mounted: a frame of stream 3. */
export function reportPid(table: TableBuilder): void {
  const record = table.space(40);
  table.store(3 + 24 * 2 ** 32, { at: record.at + 8 });
  table.call("readlinkat", [AT_FDCWD, table.text("/proc/self"), { at: record.at + 16 }, 23], { label: "readlink /proc/self" });
  table.call("write", [FD.frames, record, 40], { label: "report the process number" });
}

/** Makes a pipe; the registers get its reading and its writing end. pipe(2). */
export function pipe(table: TableBuilder, label: string): readonly [Register, Register] {
  const fds = table.space(8);
  table.call("pipe2", [fds, O.CLOEXEC], { label: `pipe for ${label}` });
  return loadBoth(table, fds);
}

/** Makes two connected sockets. socketpair(2). */
export function pair(table: TableBuilder): readonly [Register, Register] {
  const fds = table.space(8);
  table.call("socketpair", [AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC, 0, fds], { label: "socketpair" });
  return loadBoth(table, fds);
}

function loadBoth(table: TableBuilder, fds: Address): readonly [Register, Register] {
  const both = [table.register(), table.register()] as const;
  table.load32(fds, both[0]);
  table.load32({ at: fds.at + 4 }, both[1]);
  return both;
}
