/** Starts nought as a whole program with a store of its own that holds a tiny image, as root or as an ordinary user. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noughtCommand } from "./golden/nought.ts";
import type { Ran } from "./program.ts";

const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox"].find(
  (path) => existsSync(path) && !readFileSync(path).subarray(0, 4096).includes("/ld-"),
);
const APPLETS =
  "sh ls cat id ps echo sleep true false env pwd hostname stat touch mkdir rm kill head tail wc test nc date mount dd yes seq stty tty printf sync mknod chown nproc ulimit cut sort grep mkfifo wget httpd ip";

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** A user that nobody is, without ranges in /etc/subuid. */
const NOBODYS: User = { uid: 54_321, gid: 54_321 };

/** The first user with ranges in /etc/subuid. */
function rangedUser(): User | undefined {
  const names = (existsSync("/etc/subuid") ? readFileSync("/etc/subuid", "utf8") : "").split("\n").map((line) => line.split(":")[0]);
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [name, , uid, gid] = line.split(":");
    if (names.includes(name) && uid !== "0") return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

const isRoot = process.getuid?.() === 0;

/** Who the tests can be, and why not: root, a user with ranges of ids, one with a single id. As an ordinary user only oneself. */
export function people(): readonly { readonly who: string; readonly user?: User; readonly skip: string | false }[] {
  const missing = process.platform !== "linux" ? "not Linux" : BUSYBOX ? false : "no static busybox (Debian: busybox-static)";
  if (!isRoot) return [{ who: "this user", skip: missing }];
  const ranged = rangedUser();
  return [
    { who: "root", skip: missing },
    { who: "a user with ranges of ids", ...(ranged ? { user: ranged } : {}), skip: missing || (ranged ? false : "no user in /etc/subuid") },
    { who: "a user with a single id", user: NOBODYS, skip: missing },
  ];
}

/** nought with a store in which `bb` is an image of a static busybox. */
export class Containers implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "nought-containers-"));
  readonly store = join(this.dir, "store");
  readonly #command: readonly string[];
  readonly #user: User | undefined;

  private constructor(command: readonly string[], user: User | undefined) {
    this.#command = command;
    this.#user = user;
    chmodSync(this.dir, 0o755);
    this.owned(this.dir);
  }

  static async make(user?: User): Promise<Containers> {
    const made = new Containers(await noughtCommand(), user);
    made.image("bb");
    return made;
  }

  /** Gives a file to the user that nought runs as. */
  owned(path: string): string {
    if (this.#user) chownSync(path, this.#user.uid, this.#user.gid);
    return path;
  }

  /** Imports an image: busybox, and whatever `change` does to the folder. `changes` are instructions for its configuration. */
  image(name: string, change: (root: string) => void = () => {}, changes: readonly string[] = []): void {
    const root = join(this.dir, `root-${name}`);
    for (const folder of ["bin", "etc", "tmp", "app"]) mkdirSync(join(root, folder), { recursive: true });
    copyFileSync(BUSYBOX as string, join(root, "bin/busybox"));
    for (const applet of APPLETS.split(" ")) symlinkSync("busybox", join(root, "bin", applet));
    chmodSync(join(root, "tmp"), 0o1777);
    writeFileSync(join(root, "etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/app:/bin/sh\n");
    writeFileSync(join(root, "etc/group"), "root:x:0:\napp:x:1000:\nextra:x:2000:app\n");
    change(root);
    const tar = spawnSync("tar", ["-C", root, "--owner=0", "--group=0", "--sparse", "-cf", join(this.dir, `${name}.tar`), "."], {
      encoding: "utf8",
    });
    if (tar.status !== 0) throw new Error(`tar: ${tar.stderr}`);
    this.out("import", ...changes.flatMap((one) => ["--change", one]), join(this.dir, `${name}.tar`), name);
    rmSync(root, { recursive: true, force: true });
  }

  get env(): NodeJS.ProcessEnv {
    const { PATH } = process.env;
    return { PATH, HOME: this.dir, NOUGHT_STORE: this.store, TZ: "UTC", LC_ALL: "C.UTF-8", TERM: "xterm", TMPDIR: this.dir };
  }

  run(args: readonly string[], how: { readonly input?: string | Buffer; readonly env?: NodeJS.ProcessEnv } = {}): Ran {
    const [node = "", ...before] = this.#command;
    const ran = spawnSync(node, [...before, ...args], {
      cwd: this.dir,
      env: { ...this.env, ...how.env },
      input: how.input ?? "",
      timeout: 20_000,
      killSignal: "SIGKILL",
      maxBuffer: 256 << 20,
      ...this.#user,
    });
    return { status: ran.status ?? 128, stdout: String(ran.stdout), stderr: String(ran.stderr) };
  }

  /** Runs it and expects exit 0; gives standard output. */
  out(...args: string[]): string {
    const ran = this.run(args);
    if (ran.status !== 0) throw new Error(`nought ${args.join(" ")} ended with ${ran.status}:\n${ran.stderr}`);
    return ran.stdout;
  }

  /** `run --rm --network none` of a line of shell in `bb`, with flags before. */
  sh(line: string, ...flags: string[]): Ran {
    return this.run(["run", "--rm", "--network", "none", ...flags, "bb", "sh", "-c", line]);
  }

  start(args: readonly string[]): ChildProcess {
    const [node = "", ...before] = this.#command;
    return spawn(node, [...before, ...args], { cwd: this.dir, env: this.env, stdio: ["pipe", "pipe", "pipe"], ...this.#user });
  }

  /** A line of shell, as the same user, in which `nought` is the program; for terminals made by script(1). */
  shell(line: string): Ran {
    const quoted = this.#command.map((word) => `'${word}'`).join(" ");
    const script = join(this.dir, "nought");
    writeFileSync(script, `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 });
    const env = { ...this.env, PATH: `${this.dir}:${process.env["PATH"]}` };
    const ran = spawnSync("sh", ["-c", line], { cwd: this.dir, env, input: "", timeout: 20_000, killSignal: "SIGKILL", ...this.#user });
    return { status: ran.status ?? 128, stdout: String(ran.stdout), stderr: String(ran.stderr) };
  }

  [Symbol.dispose](): void {
    const ids = this.run(["ps", "-aq"]).stdout.split("\n").filter(Boolean);
    if (ids.length > 0) this.run(["rm", "-f", ...ids]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
