import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { livenessOf } from "../kit/liveness.ts";
import { createTask } from "../task/task.ts";
import { DEFAULT_CAPABILITIES } from "./capability.ts";
import { type DetachedSandbox, startDetached } from "./detached.ts";
import { findProgram, setEngine } from "./engine.ts";
import { type ExecSpec, execDetached, execInside } from "./exec.ts";
import { ownPrivileges } from "./privileges.ts";
import type { SandboxIo, SandboxSpec } from "./spec.ts";
import { Box, collecting, type Result, signalWhenUp, whyNot } from "./testing/box.ts";

const skip = whyNot();
const box = skip ? undefined : new Box();
const started: DetachedSandbox[] = [];
after(() => {
  setEngine(undefined);
  for (const { monitor } of started) if (livenessOf(monitor) === "alive") process.kill(monitor.pid, "SIGKILL");
  box?.[Symbol.dispose]();
});
const here = () => box as Box;

const plain: ExecSpec = {
  args: [],
  env: ["PATH=/bin", "HOME=/root"],
  cwd: "/",
  user: { uid: 0, gid: 0, groups: [] },
  capabilities: DEFAULT_CAPABILITIES,
  seccomp: true,
  terminal: false,
  limits: {},
};

async function container(line: string, changes: Partial<SandboxSpec> = {}): Promise<DetachedSandbox> {
  const folder = join(here().dir, `state${started.length}`);
  mkdirSync(folder);
  const one = await startDetached(here().spec({ args: ["sh", "-c", line], ...changes }), { folder }, createTask());
  started.push(one);
  return one;
}

async function inside({ init }: DetachedSandbox, line: string, changes: Partial<ExecSpec> = {}, io: SandboxIo = {}): Promise<Result> {
  const text: [string, string] = ["", ""];
  const spec = { ...plain, args: ["sh", "-c", line], ...changes };
  const exit = await execInside(init, spec, { ...io, out: collecting(text, io) }, createTask());
  return { ...exit, out: text[0], err: text[1] };
}

/** Set by rootless.test.ts where processes see the machine's /proc. */
const sharedProc = process.env["NOUGHT_TEST_PROC"] === "shared";

for (const engine of ["nbox", "perl"] as const) {
  const without = skip || (sharedProc && "no /proc of its own") || (engine === "perl" && !findProgram("perl") ? "there is no perl" : false);
  const check = (name: string, run: () => Promise<void>) =>
    test(`${engine}: ${name}`, { skip: without, timeout: 30_000 }, async () => {
      setEngine(engine === "perl" ? "perl" : undefined);
      await run();
    });

  check("a further process sees what the first one sees", async () => {
    const one = await container("echo written > /tmp/file; hostname; exec sleep 60", { hostname: "target" });
    const seen = await inside(
      one,
      "cat /tmp/file; hostname; cat /proc/1/cmdline | tr '\\0' ' '; ls /sys/class/net; pwd; echo oops >&2; exit 7",
    );
    assert.deepEqual(seen, { code: 7, out: "written\ntarget\nsleep 60 lo\n/\n", err: "oops\n" });
    const same = await inside(
      one,
      "for n in mnt pid ipc uts net cgroup; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n; done",
      {
        capabilities: [...DEFAULT_CAPABILITIES, "CAP_SYS_PTRACE"],
      },
    );
    assert.equal(same.out + same.err, "");
  });

  check("X26: its exit codes, its user, its directory and its terminal", async () => {
    const one = await container("exec sleep 60");
    for (const code of [0, 1, 125, 126, 127, 137, 255]) assert.equal((await inside(one, `exit ${code}`)).code, code);
    assert.deepEqual(await inside(one, "kill -9 $$"), { code: 137, signal: "SIGKILL", out: "", err: "" });
    assert.equal((await inside(one, "pwd", { cwd: "/etc" })).out, "/etc\n");
    await assert.rejects(inside(one, "pwd", { cwd: "/nowhere" }), /chdir to \/nowhere: ENOENT/);
    await assert.rejects(inside(one, "pwd", { cwd: "/proc/self/fd/7" }), { code: "PLAN" });
    const tty = await inside(one, "test -t 0 && test -t 2 && echo tty; echo x > /dev/tty; exit 4", { terminal: true });
    assert.deepEqual([tty.code, tty.out], [4, "tty\r\nx\r\n"]);
    if (ownPrivileges().single) return;
    const user = { uid: 1000, gid: 1001, groups: [2000] };
    const { out } = await inside(one, "id -u; id -g; grep -E 'Groups|CapEff' /proc/self/status; echo e > /dev/stderr", { user });
    assert.equal(out, "1000\n1001\nGroups:\t1001 2000 \nCapEff:\t0000000000000000\n");
  });

  check("its capabilities and its filter are those asked for", async () => {
    const one = await container("exec sleep 60");
    const { out } = await inside(
      one,
      "grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/self/status; umask; ulimit -n; mount -t tmpfs x /tmp 2>&1; ls /proc/self/fd | wc -l",
      {
        noNewPrivileges: true,
      },
    );
    assert.match(
      out,
      /CapInh:\t0+\nCapPrm:\t0+a80425fb\nCapEff:\t0+a80425fb\nCapBnd:\t0+a80425fb\nCapAmb:\t0+\nNoNewPrivs:\t1\nSeccomp:\t2\n0022\n1024\n/,
    );
    assert.match(out, /mount: .*(?:denied|not permitted).*\n4\n$/);
  });

  check("a program that is not there is told in docker's words", async () => {
    const one = await container("exec sleep 60");
    const run = (args: string[]) => execInside(one.init, { ...plain, args }, {}, createTask());
    await assert.rejects(run(["bash"]), { code: "SANDBOX", exit: 127, message: 'exec: "bash": executable file not found in $PATH' });
    await assert.rejects(run(["/etc/passwd"]), { exit: 126, message: 'exec: "/etc/passwd": permission denied' });
  });

  check("standard input, signals, and the end of a task", async () => {
    const one = await container("exec sleep 60");
    async function* pieces() {
      for (let at = 0; at < 50; at++) yield Buffer.alloc(10_000, "x");
    }
    assert.equal((await inside(one, "wc -c", {}, { stdin: pieces() })).out, "500000\n");
    assert.equal((await inside(one, "cat; echo end")).out, "end\n");
    const trap = "trap 'echo got; exit 5' TERM; echo up; while :; do sleep 0.05; done";
    const told = await inside(one, trap, {}, signalWhenUp("SIGTERM"));
    assert.equal(`${told.out} ${told.code}`, "up\ngot\n 5");
    const abort = new AbortController();
    const task = createTask(undefined, abort.signal);
    let pid = 0;
    const io = {
      started: (control: { pid: number }) => {
        pid = control.pid;
        abort.abort();
      },
    };
    await assert.rejects(execInside(one.init, { ...plain, args: ["sleep", "100"] }, io, task));
    // Whose parent was killed is collected by the machine's process 1, sooner or later.
    const runs = () => existsSync(`/proc/${pid}`) && !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
    for (let tries = 0; runs() && tries < 100; tries++) await wait(10);
    assert.ok(pid > 1 && !runs());
  });

  check("detached: it runs on by itself, and ends with the sandbox", async () => {
    const one = await container("exec sleep 60");
    await execDetached(one.init, { ...plain, args: ["sh", "-c", "echo gone; echo here > /tmp/mark; exec sleep 61"] }, createTask());
    let found = { out: "" };
    for (let tries = 0; tries < 100 && !/^here[\s\S]*sleep 61/.test(found.out); tries++) found = await inside(one, "cat /tmp/mark; ps");
    assert.match(found.out, /^here\n[\s\S]*sleep 61/);
    await assert.rejects(execDetached(one.init, { ...plain, args: ["bash"] }, createTask()), { exit: 127 });
    process.kill(one.init.pid, "SIGKILL");
  });

  check("X22: another process under the target's number is left alone, and one that has ended is told", async () => {
    const one = await container("exec sleep 60");
    const impostor = { ...one.init, start: one.init.start - 1 };
    const run = (init: typeof impostor) => execInside(init, { ...plain, args: ["touch", "/tmp/mark"] }, {}, createTask());
    await assert.rejects(run(impostor), { code: "CONFLICT" });
    assert.equal((await inside(one, "ls /tmp")).out, "");
    process.kill(one.init.pid, "SIGKILL");
    while (livenessOf(one.monitor) === "alive") await wait(10);
    await assert.rejects(run(one.init), { code: "CONFLICT" });
  });
}

test("the helper that enters cannot be looked into nor written to from inside (CVE-2019-5736)", {
  skip: skip || (sharedProc && "shared /proc"),
  timeout: 30_000,
}, async () => {
  setEngine(undefined);
  const spy =
    "while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || { cat $p/exe >/dev/null 2>&1 && (echo >> $p/exe) 2>/dev/null && echo broken; }; done; done";
  const one = await container(spy, { capabilities: [...DEFAULT_CAPABILITIES, "CAP_SYS_PTRACE"] });
  for (let round = 0; round < 10; round++) await inside(one, "true");
  assert.ok(!readFileSync(join(here().dir, `state${started.length - 1}`, "log"), "latin1").includes("broken"));
  process.kill(one.monitor.pid, "SIGKILL");
});
