/** A terminal for tests: a shell that has one as its controlling terminal, with our pipes on the other side. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";
import { engineCommand } from "../engine.ts";
import { AT_FDCWD, F_SETFL, O, O_NONBLOCK, TIOCGPTPEER, TIOCSCTTY, TIOCSPTLCK } from "../flags.ts";
import { dieWithParent } from "../guard.ts";
import { newTable } from "../perform.ts";
import { writeStreams } from "../streams.ts";

/** Runs a line of the machine's shell on a terminal of its own. What is written to `stdin` is typed, `stdout` is the screen. */
export function onTerminal(line: string, env: Readonly<Record<string, string>>): ChildProcess {
  const table = newTable();
  const master = table.register();
  const slave = table.register();
  const child = table.register();
  const parent = table.mark();
  dieWithParent(table, process.pid);
  const flags = O.RDWR | O.NOCTTY | O.CLOEXEC;
  table.call("openat", [AT_FDCWD, table.text("/dev/ptmx"), flags, 0], { into: master });
  table.call("ioctl", [master, TIOCSPTLCK, table.space(4)]);
  table.call("ioctl", [master, TIOCGPTPEER, flags], { into: slave });
  table.clone(0, child, parent);
  table.call("setsid");
  table.call("ioctl", [slave, TIOCSCTTY, 0]);
  for (const fd of [0, 1, 2]) table.call("dup3", [slave, fd, 0]);
  table.call("close_range", [3, 0xffffffff, 0]);
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  table.call("execve", [table.text("/bin/sh"), table.list(["sh", "-c", line]), table.list(variables)]);
  table.place(parent);
  table.call("close", [slave]);
  table.call("fcntl", [master, F_SETFL, O_NONBLOCK]);
  table.pump(child, writeStreams(table, { sources: [master], copies: [1], input: { from: 0, to: master } }));
  const engine = engineCommand();
  const started = spawn(engine.command, engine.args, { stdio: ["pipe", "pipe", "inherit", "pipe", "ignore"] });
  (started.stdio[3] as unknown as Writable).end(table.finish().bytes);
  started.stdin?.on("error", () => {});
  return started;
}
