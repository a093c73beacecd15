/** Starts nought as a whole program, in a folder and with a store of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { noughtCommand } from "./golden/nought.ts";

export interface Ran {
  /** Exit code, or 128 and more for a signal as a shell tells it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  /** The working directory, empty at first. */
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  /** argv that starts nought. */
  readonly command: readonly string[];
  /** Runs it and waits. A string is standard input; without one that is empty. */
  run(args: readonly string[], how?: { readonly input?: string | Buffer; readonly env?: NodeJS.ProcessEnv; readonly cwd?: string }): Ran;
  /** Runs it and expects exit 0; the result is standard output. */
  out(...args: string[]): string;
  start(args: readonly string[], env?: NodeJS.ProcessEnv): ChildProcess;
  /** Runs it while this process goes on serving, to a registry of its own say. Without standard input; killed after `ms` milliseconds. */
  aside(args: readonly string[], env?: NodeJS.ProcessEnv, ms?: number): Promise<Ran>;
  /** Runs a line of shell in which `nought` is the program. */
  shell(line: string, env?: NodeJS.ProcessEnv): Ran;
  /** Writes files of the working directory, folders made on the way. */
  write(files: Readonly<Record<string, string | Buffer>>): void;
}

/** A program for one test file; everything is removed after the tests. Times are UTC and the language is C. */
export async function program(): Promise<Program> {
  const command = await noughtCommand();
  const top = mkdtempSync(join(tmpdir(), "nought-e2e-"));
  const dir = join(top, "work");
  mkdirSync(dir);
  after(() => rmSync(top, { recursive: true, force: true }));
  const { PATH } = process.env;
  const env: NodeJS.ProcessEnv = {
    PATH,
    HOME: join(top, "home"),
    NOUGHT_STORE: join(top, "store"),
    TZ: "UTC",
    LC_ALL: "C.UTF-8",
    TERM: "xterm",
  };
  mkdirSync(join(top, "home"));
  const bin = join(top, "bin");
  mkdirSync(bin);
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  writeFileSync(join(bin, "nought"), `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 });
  const [node = "", ...before] = command;
  const told = (result: ReturnType<typeof spawnSync>): Ran => ({
    status: result.status ?? 128 + signalNumber(result.signal),
    stdout: String(result.stdout),
    stderr: String(result.stderr),
  });
  const self: Program = {
    dir,
    env,
    command,
    run: (args, how = {}) =>
      told(
        spawnSync(node, [...before, ...args], {
          cwd: how.cwd ?? dir,
          env: { ...env, ...how.env },
          input: how.input ?? "",
          maxBuffer: 256 << 20,
          timeout: 120_000,
        }),
      ),
    out(...args) {
      const ran = self.run(args);
      if (ran.status !== 0) throw new Error(`nought ${args.join(" ")} ended with ${ran.status}:\n${ran.stderr}`);
      return ran.stdout;
    },
    start: (args, extra = {}) =>
      spawn(node, [...before, ...args], { cwd: dir, env: { ...env, ...extra }, stdio: ["pipe", "pipe", "pipe"] }),
    aside: (args, extra, ms) => finished(self.start(args, extra), ms),
    shell: (line, extra = {}) =>
      told(
        spawnSync("bash", ["-c", line], {
          cwd: dir,
          env: { ...env, PATH: `${bin}:${PATH}`, ...extra },
          input: "",
          maxBuffer: 256 << 20,
          timeout: 120_000,
        }),
      ),
    write(files) {
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, name)), { recursive: true });
        writeFileSync(join(dir, name), content);
      }
    },
  };
  return self;
}

/** What a program that was started came to. It gets no standard input, and is killed after `ms` milliseconds. */
export async function finished(child: ChildProcess, ms = 60_000): Promise<Ran> {
  let [stdout, stderr] = ["", ""];
  child.stdin?.end();
  child.stdout?.on("data", (chunk) => (stdout += chunk));
  child.stderr?.on("data", (chunk) => (stderr += chunk));
  const timer = setTimeout(() => child.kill("SIGKILL"), ms);
  const status = await new Promise<number>((resolve) => child.once("close", (code, signal) => resolve(code ?? 128 + signalNumber(signal))));
  clearTimeout(timer);
  return { status, stdout, stderr };
}

function signalNumber(name: NodeJS.Signals | null): number {
  return { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGPIPE: 13, SIGTERM: 15 }[name as string] ?? 0;
}
