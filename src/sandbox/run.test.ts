import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Failure } from "../kit/error.ts";
import { ownPrivileges } from "./privileges.ts";
import { Box, runCollecting, whyNot } from "./testing/box.ts";

const skip = whyNot();
const box = skip ? undefined : new Box();
after(() => box?.[Symbol.dispose]());
const here = () => box as Box;
const rooted = skip || (ownPrivileges().single ? "only one user id exists here" : false);

test("a step writes into its upper directory and nowhere else", { skip }, async () => {
  const { code, out, err } = await here().sh("echo hello; echo oops >&2; echo text > /etc/new; exit 3");
  assert.deepEqual({ code, out, err }, { code: 3, out: "hello\n", err: "oops\n" });
  assert.deepEqual(readdirSync(here().upper), ["etc"]);
  assert.equal(readFileSync(join(here().upper, "etc/new"), "utf8"), "text\n");
  assert.equal(existsSync(join(here().base, "etc/new")), false);
});

test("X24: /proc, /dev and /sys are there and leave nothing in the layer", { skip }, async () => {
  const mounts = [
    { type: "bytes", target: "/etc/hosts", bytes: Buffer.from("127.0.0.1 localhost\n"), mode: 0o644, uid: 0, gid: 0, readonly: true },
  ] as const;
  const { out } = await here().sh("cat /etc/hosts; ls /dev; test -d /proc/self && test -d /sys/class && echo there", { mounts });
  assert.equal(
    out,
    "127.0.0.1 localhost\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\nthere\n",
  );
  assert.deepEqual(readdirSync(here().upper), []);
});

test("X26: exit codes and signals are passed on", { skip }, async () => {
  for (const code of [0, 1, 125, 126, 127, 137, 255]) assert.deepEqual(await exit(`exit ${code}`), { code });
  // Process 1 of a namespace is not killed by its own signals, so a child is what ends by one.
  assert.equal((await exit("sh -c 'kill -9 $$'; exit $?")).code, 137);
});

async function exit(line: string): Promise<{ code: number; signal?: string }> {
  const { code, signal } = await here().sh(line);
  return { code, ...(signal ? { signal } : {}) };
}

test("X01: nothing of the host is seen", { skip }, async () => {
  const { out } = await here().sh(
    "echo $$; hostname; ls /proc/self/fd | wc -l; env; cat /proc/self/mountinfo; cat /proc/self/cgroup; ps | wc -l; cat /proc/1/environ | tr '\\0' '\\n'",
    { env: ["PATH=/bin", "ONLY=this"] },
  );
  const lines = out.split("\n");
  assert.deepEqual(lines.slice(0, 3), ["1", "box", "4"]);
  assert.ok(!out.includes(here().dir), "a path of the host is in the mount table");
  assert.ok(!/NODE|HOME=\/root|SHELL/.test(out), out);
  for (const line of lines.filter((one) => /^\d+:.*:/.test(one))) assert.match(line, /:\/(\.\.)*$/);
});

test("capabilities are docker's, and none can be inherited", { skip }, async () => {
  const { out } = await here().sh("grep Cap /proc/self/status");
  const caps = Object.fromEntries(
    out
      .trim()
      .split("\n")
      .map((line) => line.split(/:\s*/) as [string, string]),
  );
  assert.deepEqual(caps, {
    CapInh: "0000000000000000",
    CapPrm: "00000000a80425fb",
    CapEff: "00000000a80425fb",
    CapBnd: "00000000a80425fb",
    CapAmb: "0000000000000000",
  });
  const none = await here().sh("grep CapEff /proc/self/status", { capabilities: [] });
  assert.equal(none.out, "CapEff:\t0000000000000000\n");
});

test("another user has its groups, no capabilities, and may open its own output again", { skip: rooted }, async () => {
  const { out, err } = await here().sh(
    "id -u; id -g; cat /proc/self/status | grep -E 'Groups|CapEff'; echo again > /dev/stderr; echo more > /proc/1/fd/1",
    {
      user: { uid: 1000, gid: 1001, groups: [2000] },
    },
  );
  assert.equal(out, "1000\n1001\nGroups:\t1001 2000 \nCapEff:\t0000000000000000\nmore\n");
  assert.equal(err, "again\n");
});

test("the working directory is made for the user, and root may go where the user may not", { skip }, async () => {
  const made = await here().sh("pwd; stat -c %u:%g:%a . ..", { cwd: "/app/a/b", user: { uid: 1000, gid: 1000, groups: [] } });
  const owner = ownPrivileges().single ? "0:0" : "1000:1000";
  assert.equal(made.out, `/app/a/b\n${owner}:755\n${owner}:755\n`);
  assert.equal((await here().sh("pwd", { cwd: "/app" })).out, "/app\n");
});

test("X10: no working directory leads out", { skip }, async () => {
  for (const cwd of ["/proc/self/fd/7", "/dev", "/sys/x"].slice(0, 1)) await assert.rejects(here().sh("pwd", { cwd }), { code: "PLAN" });
  await assert.rejects(here().sh("pwd", { cwd: `/${"x".repeat(5000)}` }), { code: "LIMIT" });
  await assert.rejects(here().sh("pwd", { cwd: "relative" }), { code: "PLAN" });
  for (let fd = 3; fd < 130; fd += fd < 12 ? 1 : 40) {
    const link = `/link${fd}`;
    if (!existsSync(join(here().base, link))) symlinkSync(`/proc/self/fd/${fd}`, join(here().base, link));
    const error = await here()
      .sh("ls", { cwd: link })
      .catch((one: unknown) => one);
    assert.ok(error instanceof Failure && /chdir to \/link/.test(error.message), `${link}: ${error}`);
  }
  writeFileSync(join(here().base, "file"), "");
  await assert.rejects(here().sh("pwd", { cwd: "/file" }), /chdir to \/file: ENOTDIR/);
});

test("a program that is not there is told in docker's words", { skip }, async () => {
  const run = (args: string[]) => runCollecting(here().spec({ args }));
  await assert.rejects(run(["bash"]), { code: "SANDBOX", exit: 127, message: 'exec: "bash": executable file not found in $PATH' });
  await assert.rejects(run(["/bin/bash"]), { exit: 127, message: 'exec: "/bin/bash": stat /bin/bash: no such file or directory' });
  await assert.rejects(run(["/etc/passwd"]), { exit: 126, message: 'exec: "/etc/passwd": permission denied' });
  await assert.rejects(run(["/etc"]), { exit: 126 });
  writeFileSync(join(here().base, "bin/script"), "#!/bin/nowhere\n", { mode: 0o755 });
  await assert.rejects(run(["script"]), { exit: 127, message: "exec /bin/script: no such file or directory" });
  writeFileSync(join(here().base, "bin/junk"), "\x7fELFjunk", { mode: 0o755 });
  await assert.rejects(run(["junk"]), { exit: 126, message: 'exec: "junk": exec format error' });
  await assert.rejects(run([]), { code: "USAGE" });
});

test("X07: a bind mount is read-only where asked, and a directory of the host stays as it is", { skip }, async () => {
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

test("X08: the source of a bind mount cannot lead out of its directory", { skip }, async () => {
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

test("X27: a secret is a file in memory with its mode and owner", { skip: rooted }, async () => {
  const secret = {
    type: "bytes",
    target: "/run/secrets/key",
    bytes: Buffer.from("marker-7f3a"),
    mode: 0o400,
    uid: 1000,
    gid: 1000,
    readonly: true,
  } as const;
  const { out } = await here().sh(
    "stat -c '%a %u:%g' /run/secrets/key; cat /run/secrets/key; grep secrets /proc/self/mountinfo | grep -c tmpfs",
    {
      mounts: [secret],
      user: { uid: 1000, gid: 1000, groups: [] },
    },
  );
  assert.equal(out, "400 1000:1000\nmarker-7f3a1\n");
  assert.deepEqual(readdirSync(here().upper), []);
});

test("tmpfs mounts have their size and mode, deeper targets come later", { skip }, async () => {
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

test("layers of another stage, stacked and cut to a path", { skip }, async () => {
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

test("a read-only root, and roots without an overlay", { skip }, async () => {
  assert.match((await here().sh("echo > /x", { readonlyRoot: true })).err, /Read-only file system/);
  const { upper: _, work: __, ...spec } = here().spec({ args: ["sh", "-c", "echo > /x"] });
  assert.match((await runCollecting(spec)).err, /Read-only file system/);
  const { out } = await runCollecting({ ...spec, lowers: [], plain: plainRoot(), args: ["sh", "-c", "echo y > /x; cat /x"] });
  assert.equal(out, "y\n");
});

function plainRoot(): string {
  for (const name of ["proc", "sys", "dev"]) mkdirSync(join(here().base, name), { recursive: true });
  return here().base;
}

test("standard input is empty unless given", { skip }, async () => {
  assert.equal((await here().sh("cat; echo end")).out, "end\n");
  async function* pieces() {
    for (let at = 0; at < 50; at++) yield Buffer.alloc(10_000, "x");
  }
  const { out } = await runCollecting(here().spec({ args: ["sh", "-c", "wc -c; echo done"] }), { stdin: pieces() });
  assert.equal(out, "500000\ndone\n");
});

test("a program that writes much and one that reads nothing come to their end", { skip }, async () => {
  const { out } = await here().sh("dd if=/dev/zero bs=64k count=200 2>/dev/null");
  assert.equal(out.length, 200 << 16);
  async function* endless() {
    for (;;) yield Buffer.alloc(1 << 16);
  }
  assert.equal((await runCollecting(here().spec({ args: ["true"] }), { stdin: endless() })).code, 0);
});

test("limits: open files 1024 unless told otherwise", { skip }, async () => {
  assert.equal((await here().sh("ulimit -n; umask")).out, "1024\n0022\n");
  const ulimits = [
    { name: "nofile", soft: 50, hard: 60 },
    { name: "core", soft: 0, hard: 0 },
  ];
  assert.equal((await here().sh("ulimit -n; ulimit -Hn; ulimit -c", { limits: { ulimits } })).out, "50\n60\n0\n");
});

test("a terminal of its own", { skip }, async () => {
  const { out, code } = await here().sh(
    "readlink /proc/self/fd/0; test -t 1 && test -t 2 && echo tty; stat -c %t:%T /dev/console; echo x > /dev/tty; exit 4",
    { terminal: true },
  );
  assert.equal(out, "/dev/pts/0\r\ntty\r\n88:0\r\nx\r\n");
  assert.equal(code, 4);
});

test("an init as process 1 hands signals on and collects orphans", { skip }, async () => {
  const line =
    "echo $$; (sleep 0.05 &) ; sleep 0.2; cat /proc/[0-9]*/stat | grep -c ') Z'; trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done";
  const running = runCollecting(here().spec({ args: ["sh", "-c", line], init: true }), {
    started: (control) => void setTimeout(() => control.signal("SIGTERM"), 600),
  });
  const { code, out } = await running;
  assert.equal(`${out}${code}`, "2\n0\nup\n9");
  assert.deepEqual(await runCollecting(here().spec({ args: ["sh", "-c", "kill -9 $$"], init: true })), { code: 137, out: "", err: "" });
  const spied = await here().sh("readlink /proc/1/exe /proc/1/root /proc/1/fd/0; cat /proc/1/environ; echo $?", {
    init: true,
    user: { uid: 0, gid: 0, groups: [] },
  });
  assert.equal(spied.out, "1\n", "nobody looks into the init");
});

test("Linux before 6.5: layers in one mount option", { skip }, async () => {
  const spec = here().spec({ args: ["sh", "-c", "echo old > /etc/new; cat /etc/new; grep -c lowerdir+ /proc/mounts"] });
  const { out } = await runCollecting(spec, {}, undefined, { kernel: "6.1.0-44-amd64" });
  assert.equal(out, "old\n0\n");
  assert.equal(readFileSync(join(here().upper, "etc/new"), "utf8"), "old\n");
});

test("where no new /proc is allowed, the machine's is bound", { skip }, async () => {
  const { out } = await runCollecting(
    here().spec({ args: ["sh", "-c", "test -d /proc/self && echo > /proc/sys/kernel/x; ls /proc/1 >/dev/null && echo ok"] }),
    {},
    undefined,
    { bindProc: true },
  );
  assert.equal(out, "ok\n");
});

test("the host's network, and a /sys that cannot be written to", { skip }, async () => {
  const { out, err } = await here().sh("ls /sys/class/net; ls /sys/fs/cgroup; mount -o remount,rw /sys; echo x > /sys/kernel/mm/ksm/run", {
    network: "host",
  });
  assert.equal(out, `${readdirSync("/sys/class/net").join("\n")}\n`);
  assert.match(err, /Read-only file system/);
  assert.equal((await here().sh("ls /sys/class/net; ip addr show lo | grep -c 'inet 127.0.0.1'")).out, "lo\n1\n");
});

test("the end of a task is the end of its sandbox", { skip }, async () => {
  const abort = new AbortController();
  const started = performance.now();
  const { createTask } = await import("../task/task.ts");
  const task = createTask(undefined, abort.signal);
  let pid = 0;
  const running = runCollecting(
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

test("signals reach the program", { skip }, async () => {
  const { code, out } = await runCollecting(
    here().spec({ args: ["sh", "-c", "trap 'echo got; exit 5' TERM; echo up; while :; do sleep 0.05; done"] }),
    {
      started: (control) => void setTimeout(() => control.signal("SIGTERM"), 150),
    },
  );
  assert.equal(`${out} ${code}`, "up\ngot\n 5");
});

test("X05: what a step leaves running is dead after it", { skip }, async () => {
  const { out } = await here().sh("setsid sleep 1234 & (setsid sh -c 'sleep 1234 &' &) ; sleep 0.1; echo ok");
  assert.equal(out, "ok\n");
  for (const pid of readdirSync("/proc").filter((one) => /^\d+$/.test(one))) {
    let line = "";
    try {
      line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
    } catch {
      continue;
    }
    assert.ok(!line.includes("sleep\u00001234"), `process ${pid} is left`);
  }
});

test("a layer with many layers below it", { skip }, async () => {
  const lowers = Array.from({ length: 200 }, (_, at) => {
    const path = join(here().dir, "many", "x".repeat(150), `${at}`);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, `f${at}`), "");
    return path;
  });
  const spec = here().spec({ args: ["sh", "-c", "ls / | grep -c '^f[0-9]'"] });
  assert.equal((await runCollecting({ ...spec, lowers: [spec.lowers[0] as string, ...lowers, spec.lowers[1] as string] })).out, "200\n");
});

test("the root of the layer keeps its mode", { skip }, async () => {
  await here().sh("true");
  assert.equal(statSync(here().upper).mode & 0o777, 0o755);
});
