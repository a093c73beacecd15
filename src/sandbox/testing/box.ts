/** For tests of the sandbox: a root file system made of the machine's static busybox, and a way to run a line of shell in it. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createTask, type Task } from "../../task/task.ts";
import { DEFAULT_CAPABILITIES } from "../capability.ts";
import { ownPrivileges } from "../privileges.ts";
import { type Machine, runSandbox } from "../run.ts";
import { type MountPoint, mountPoints, type SandboxControl, type SandboxExit, type SandboxIo, type SandboxSpec } from "../spec.ts";

const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path) && isStatic(path));
const APPLETS =
  "sh ls cat id mount umount ps echo stty sleep true false env pwd hostname stat touch mkdir rm chmod chown ln readlink head tail grep wc kill mknod ulimit setsid nc ping dd test find od printenv sed su tr cut seq ip ifconfig date wget".split(
    " ",
  );

/** Whether a program needs no loader: the name of one stands near its beginning. */
function isStatic(path: string): boolean {
  return !readFileSync(path).subarray(0, 4096).includes("/ld-");
}

/** Why the sandbox cannot be tried here, or false. */
export function whyNot(): string | false {
  if (process.platform !== "linux") return "not Linux";
  if (!BUSYBOX) return "no static busybox (Debian: busybox-static)";
  return ownPrivileges().mayMount ? false : "neither root nor in a user namespace: see rootless.test.ts";
}

export interface Result extends SandboxExit {
  readonly out: string;
  readonly err: string;
}

/** A folder with a base layer, and what one step needs beside it. */
export class Box implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "nought-box-"));
  readonly base = join(this.dir, "base");
  readonly machine: Machine;
  #steps = 0;

  constructor(machine: Machine = {}) {
    this.machine = machine;
    for (const name of ["bin", "etc", "tmp", "app", "root"]) mkdirSync(join(this.base, name), { recursive: true });
    copyFileSync(BUSYBOX as string, join(this.base, "bin/busybox"));
    for (const name of APPLETS) symlinkSync("busybox", join(this.base, "bin", name));
    writeFileSync(join(this.base, "etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/app:/bin/sh\n");
    writeFileSync(join(this.base, "etc/group"), "root:x:0:\napp:x:1000:\nextra:x:2000:app\n");
  }

  /** The upper directory of the last step. */
  get upper(): string {
    return join(this.dir, `upper${this.#steps}`);
  }

  /** A spec like a RUN step's: an overlay with its stub layer. */
  spec(changes: Partial<SandboxSpec> = {}): SandboxSpec {
    const step = ++this.#steps;
    const stubs = join(this.dir, `stubs${step}`);
    const work = join(this.dir, `work${step}`);
    mkdirSync(work);
    mkdirSync(this.upper);
    const spec: SandboxSpec = {
      lowers: [this.base, stubs],
      upper: this.upper,
      work,
      args: ["true"],
      env: ["PATH=/bin", "HOME=/root"],
      cwd: "/",
      user: { uid: 0, gid: 0, groups: [] },
      mounts: [],
      network: "none",
      hostname: "box",
      readonlyRoot: false,
      terminal: false,
      capabilities: DEFAULT_CAPABILITIES,
      seccomp: true,
      init: false,
      limits: {},
      ...changes,
    };
    makeStubs(stubs, mountPoints(spec));
    return spec;
  }

  /** Runs a line of shell. */
  sh(line: string, changes: Partial<SandboxSpec> = {}): Promise<Result> {
    return this.run(this.spec({ args: ["sh", "-c", line], ...changes }));
  }

  /** Runs a spec on the machine of this box. */
  run(spec: SandboxSpec, io: SandboxIo = {}, task: Task = createTask()): Promise<Result> {
    return runCollecting(spec, io, task, this.machine);
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Runs a spec and keeps its output as text. */
export async function runCollecting(
  spec: SandboxSpec,
  io: SandboxIo = {},
  task: Task = createTask(),
  machine: Machine = {},
): Promise<Result> {
  const text: [string, string] = ["", ""];
  const exit = await runSandbox(spec, { ...io, out: collecting(text, io) }, task, machine);
  return { ...exit, out: text[0], err: text[1] };
}

/** Takes output into a pair of texts, and hands it on. */
export function collecting(text: [string, string], io: SandboxIo): NonNullable<SandboxIo["out"]> {
  return (stream, chunk, at) => {
    text[stream - 1] += Buffer.from(chunk).toString();
    io.out?.(stream, chunk, at);
  };
}

/** Sends a signal as soon as the program says `up`: before that it may not have set its trap. */
export function signalWhenUp(signal: "SIGTERM"): SandboxIo {
  let control: SandboxControl | undefined;
  let said = "";
  let sent = false;
  const look = () => {
    if (sent || control === undefined || !said.includes("up\n")) return;
    sent = true;
    control.signal(signal);
  };
  return {
    started(hand) {
      control = hand;
      look();
    },
    out(_, chunk) {
      said += Buffer.from(chunk).toString();
      look();
    },
  };
}

/** The topmost lower layer: only what is mounted over. */
export function makeStubs(folder: string, points: readonly MountPoint[]): void {
  mkdirSync(folder, { recursive: true });
  for (const { path, kind } of points) {
    mkdirSync(join(folder, kind === "directory" ? path : dirname(path)), { recursive: true });
    if (kind === "file") closeSync(openSync(join(folder, path), "a"));
  }
}
