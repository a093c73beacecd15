/** What every engine must do, on every level: the same tests over nought's own engine, in both its forms, and over real runtimes. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Failure } from "../../kit/error.ts";
import { setEngine } from "../engine.ts";
import { ownPrivileges } from "../privileges.ts";
import type { Machine } from "../run.ts";
import { Box, runCollecting, signalWhenUp } from "./box.ts";
import { confinementSuite } from "./confinement.ts";

/** Registers the tests under the engine's name. */
export function sandboxSuite(engine: string, machine: Machine, skip: string | false): void {
  confinementSuite(engine, machine, skip);
  const box = skip ? undefined : new Box(machine);
  after(() => {
    setEngine(undefined);
    box?.[Symbol.dispose]();
  });
  const here = () => box as Box;
  const check = (name: string, run: () => Promise<void>, without: string | false = false) =>
    test(`${engine}: ${name}`, { skip: skip || without, timeout: 60_000 }, async () => {
      setEngine(engine === "perl" ? "perl" : undefined);
      await run();
    });

  check("a step writes into its upper directory and nowhere else", async () => {
    const { code, out, err } = await here().sh("echo hello; echo oops >&2; echo text > /etc/new; exit 3");
    assert.deepEqual({ code, out, err }, { code: 3, out: "hello\n", err: "oops\n" });
    assert.deepEqual(readdirSync(here().upper), ["etc"]);
    assert.equal(readFileSync(join(here().upper, "etc/new"), "utf8"), "text\n");
    assert.equal(existsSync(join(here().base, "etc/new")), false);
  });

  check("X24: /proc, /dev and /sys are there and leave nothing in the layer", async () => {
    const mounts = [
      { type: "bytes", target: "/etc/hosts", bytes: Buffer.from("127.0.0.1 localhost\n"), mode: 0o644, uid: 0, gid: 0, readonly: true },
    ] as const;
    const { out } = await here().sh("cat /etc/hosts; ls /dev; test -d /proc/self && test -d /sys/class && echo there", { mounts });
    assert.equal(
      // crun has a link to the kernel's memory, which is masked.
      out.replace("core\n", ""),
      "127.0.0.1 localhost\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\nthere\n",
    );
    assert.deepEqual(readdirSync(here().upper), []);
  });

  check("X26: exit codes and signals are passed on", async () => {
    for (const code of [0, 1, 125, 126, 127, 137, 255]) assert.deepEqual(await exit(`exit ${code}`), { code });
    // Process 1 of a namespace is not killed by its own signals, so a child is what ends by one.
    assert.equal((await exit("sh -c 'kill -9 $$'; exit $?")).code, 137);
  });

  async function exit(line: string): Promise<{ code: number; signal?: string }> {
    const { code, signal } = await here().sh(line);
    return { code, ...(signal ? { signal } : {}) };
  }

  check("X01: nothing of the host is seen", async () => {
    const { out } = await here().sh(
      "echo $$; hostname; ls /proc/self/fd | wc -l; env; cat /proc/self/mountinfo; cat /proc/self/cgroup; ps | wc -l; cat /proc/1/environ | tr '\\0' '\\n'",
      { env: ["PATH=/bin", "ONLY=this", "HOME=/nowhere"] },
    );
    const lines = out.split("\n");
    assert.deepEqual(lines.slice(0, 3), ["1", "box", "4"]);
    assert.ok(!out.includes(here().dir), "a path of the host is in the mount table");
    assert.ok(!/NODE|HOME=\/root|SHELL/.test(out), out);
    for (const line of lines.filter((one) => /^\d+:.*:/.test(one))) assert.match(line, /:\/(\.\.)*$/);
  });

  check("the working directory is made for the user, and root may go where the user may not", async () => {
    const made = await here().sh("pwd; stat -c %u:%g:%a . ..", { cwd: "/app/a/b", user: { uid: 1000, gid: 1000, groups: [] } });
    const owner = ownPrivileges().single ? "0:0" : "1000:1000";
    assert.equal(made.out, `/app/a/b\n${owner}:755\n${owner}:755\n`);
    assert.equal((await here().sh("pwd", { cwd: "/app" })).out, "/app\n");
  });

  check("X09: a mount point cannot be replaced by a link", async () => {
    const hosts = { type: "bytes", target: "/etc/hosts", bytes: Buffer.from("x"), mode: 0o644, uid: 0, gid: 0, readonly: true } as const;
    const { err } = await here().sh("rm /etc/hosts; ln -sf /host/file /etc/hosts", { mounts: [hosts] });
    assert.match(err, /rm: can't remove '\/etc\/hosts': (?:Resource busy|Device or resource busy)/);
    assert.deepEqual(readdirSync(here().upper), []);
  });

  check("X07: a bind mount is read-only where asked, and a directory of the host stays as it is", async () => {
    const host = join(here().dir, "context");
    mkdirSync(host, { recursive: true });
    writeFileSync(join(host, "file"), "context");
    const mount = { type: "bind", source: host, target: "/mnt/context", kind: "directory" } as const;
    const { out, err } = await here().sh("cat /mnt/context/file; echo x > /mnt/context/file", { mounts: [{ ...mount, readonly: true }] });
    assert.equal(out, "context");
    assert.match(err, /Read-only file system/);
    await here().sh("echo new > /mnt/context/made", { mounts: [mount] });
    assert.equal(readFileSync(join(host, "made"), "utf8"), "new\n");
  });

  check("X08: the source of a bind mount cannot lead out of its directory", async () => {
    const stage = join(here().dir, "stage");
    mkdirSync(join(stage, "inner/etc"), { recursive: true });
    writeFileSync(join(stage, "inner/etc/hostname"), "inner");
    for (const [name, target] of [
      ["up", "../../../../../../etc"],
      ["root", "/etc"],
      ["magic", "/proc/self/root/etc"],
    ] as const) {
      const link = join(stage, "inner", name);
      if (!existsSync(link)) symlinkSync(target, link);
      const mounts = [{ type: "bind", within: join(stage, "inner"), source: name, target: "/m", kind: "directory" }] as const;
      const result = await here()
        .sh("cat /m/hostname; ls /m", { mounts })
        .catch((one: unknown) => one);
      if (result instanceof Failure) assert.match(result.message, /find magic/);
      else assert.equal((result as { out: string }).out, "innerhostname\n");
    }
  });

  check("tmpfs mounts have their size and mode, deeper targets come later", async () => {
    const mounts = [
      { type: "tmpfs", target: "/tmp/deep/er", size: 1 << 20, mode: 0o700 },
      { type: "tmpfs", target: "/tmp" },
    ] as const;
    const { out } = await here().sh(
      "stat -c %a /tmp /tmp/deep/er; dd if=/dev/zero of=/tmp/deep/er/f bs=1k count=2000 2>/dev/null; stat -c %s /tmp/deep/er/f",
      { mounts },
    );
    assert.equal(out, "1777\n700\n1048576\n");
  });

  check("layers of another stage, stacked and cut to a path", async () => {
    const make = (name: string, file: string) => {
      mkdirSync(join(here().dir, name, "lib"), { recursive: true });
      writeFileSync(join(here().dir, name, "lib", file), name);
      return join(here().dir, name);
    };
    const lowers = [make("one", "a"), make("two", "b")];
    const { out } = await here().sh("cat /m/a /m/b", {
      mounts: [{ type: "layers", lowers, path: "/lib", target: "/m", kind: "directory", readonly: true }],
    });
    assert.equal(out, "onetwo");
  });

  check("a read-only root, and roots without an overlay", async () => {
    assert.match((await here().sh("echo > /x", { readonlyRoot: true })).err, /Read-only file system/);
    const { upper: _, work: __, ...spec } = here().spec({ args: ["sh", "-c", "echo > /x"] });
    assert.match((await here().run(spec)).err, /Read-only file system/);
    const { out } = await here().run({ ...spec, lowers: [], plain: plainRoot(), args: ["sh", "-c", "echo y > /x; cat /x"] });
    assert.equal(out, "y\n");
  });

  function plainRoot(): string {
    for (const name of ["proc", "sys", "dev"]) mkdirSync(join(here().base, name), { recursive: true });
    return here().base;
  }

  check("standard input is empty unless given", async () => {
    assert.equal((await here().sh("cat; echo end")).out, "end\n");
    async function* pieces() {
      for (let at = 0; at < 50; at++) yield Buffer.alloc(10_000, "x");
    }
    const { out } = await here().run(here().spec({ args: ["sh", "-c", "wc -c; echo done"] }), { stdin: pieces() });
    assert.equal(out, "500000\ndone\n");
  });

  check("a program that writes much and one that reads nothing come to their end", async () => {
    const { out } = await here().sh("dd if=/dev/zero bs=64k count=200 2>/dev/null");
    assert.equal(out.length, 200 << 16);
    async function* endless() {
      for (;;) yield Buffer.alloc(1 << 16);
    }
    assert.equal((await here().run(here().spec({ args: ["true"] }), { stdin: endless() })).code, 0);
  });

  check("limits: open files 1024 unless told otherwise", async () => {
    assert.equal((await here().sh("ulimit -n; umask")).out, "1024\n0022\n");
    const ulimits = [
      { name: "nofile", soft: 50, hard: 60 },
      { name: "core", soft: 0, hard: 0 },
    ];
    assert.equal((await here().sh("ulimit -n; ulimit -Hn; ulimit -c", { limits: { ulimits } })).out, "50\n60\n0\n");
  });

  check("a terminal of its own", async () => {
    const { out, code } = await here().sh(
      "readlink /proc/self/fd/0; test -t 1 && test -t 2 && echo tty; stat -c %t:%T /dev/console; echo x > /dev/tty; exit 4",
      { terminal: true },
    );
    assert.equal(out, "/dev/pts/0\r\ntty\r\n88:0\r\nx\r\n");
    assert.equal(code, 4);
  });

  check("Linux before 6.5: layers in one mount option", async () => {
    const spec = here().spec({ args: ["sh", "-c", "echo old > /etc/new; cat /etc/new; grep -c lowerdir+ /proc/mounts"] });
    const { out } = await runCollecting(spec, {}, undefined, { ...machine, kernel: "6.1.0-44-amd64" });
    assert.equal(out, "old\n0\n");
    assert.equal(readFileSync(join(here().upper, "etc/new"), "utf8"), "old\n");
  });

  check("the host's network, and a /sys that cannot be written to", async () => {
    const { out, err } = await here().sh(
      "ls /sys/class/net; ls /sys/fs/cgroup; mount -o remount,rw /sys; echo x > /sys/kernel/mm/ksm/run",
      {
        network: "host",
      },
    );
    assert.equal(out, `${readdirSync("/sys/class/net").join("\n")}\n`);
    assert.match(err, /Read-only file system/);
    assert.equal((await here().sh("ls /sys/class/net; ip addr show lo | grep -c 'inet 127.0.0.1'")).out, "lo\n1\n");
  });

  check("the end of a task is the end of its sandbox", async () => {
    const abort = new AbortController();
    const started = performance.now();
    const { createTask } = await import("../../task/task.ts");
    const task = createTask(undefined, abort.signal);
    let pid = 0;
    const running = here().run(
      here().spec({ args: ["sh", "-c", "trap '' TERM; sleep 100"] }),
      {
        started: (control) => {
          pid = control.pid;
          abort.abort(new Failure("INTERRUPTED", "interrupted"));
        },
      },
      task,
    );
    await assert.rejects(running, { code: "INTERRUPTED" });
    assert.ok(performance.now() - started < 5000);
    assert.ok(pid > 1 && !existsSync(`/proc/${pid}`));
  });

  check("signals reach the program", async () => {
    const { code, out } = await here().run(
      here().spec({ args: ["sh", "-c", "trap 'echo got; exit 5' TERM; echo up; while :; do sleep 0.05; done"] }),
      signalWhenUp("SIGTERM"),
    );
    assert.equal(`${out} ${code}`, "up\ngot\n 5");
  });

  check("a layer with many layers below it", async () => {
    const lowers = Array.from({ length: 200 }, (_, at) => {
      const path = join(here().dir, "many", "x".repeat(150), `${at}`);
      mkdirSync(path, { recursive: true });
      writeFileSync(join(path, `f${at}`), "");
      return path;
    });
    const spec = here().spec({ args: ["sh", "-c", "ls / | grep -c '^f[0-9]'"] });
    assert.equal((await here().run({ ...spec, lowers: [spec.lowers[0] as string, ...lowers, spec.lowers[1] as string] })).out, "200\n");
  });

  check("the root of the layer keeps its mode", async () => {
    await here().sh("true");
    assert.equal(statSync(here().upper).mode & 0o777, 0o755);
  });
}
