import assert from "node:assert/strict";
import { copyFileSync, existsSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Failure } from "../kit/error.ts";
import { createTask } from "../task/task.ts";
import { findProgram, setEngine } from "./engine.ts";
import { installHelper } from "./helper.ts";
import { newTable, performTable } from "./perform.ts";
import { ownPrivileges } from "./privileges.ts";
import { runSandbox } from "./run.ts";
import { findRuntime } from "./runtime/version.ts";
import { notedOwner, OWNER_ATTRIBUTE } from "./seccomp/owners.ts";
import { Box, runCollecting, signalWhenUp, whyNot } from "./testing/box.ts";
import { sandboxSuite } from "./testing/suite.ts";

const skip = whyNot();
const box = skip ? undefined : new Box();
after(() => box?.[Symbol.dispose]());
const here = () => box as Box;

/** Set by rootless.test.ts where processes see the machine's /proc. */
const sharedProc = process.env["NOUGHT_TEST_PROC"] === "shared";

sandboxSuite("nbox", {}, skip);
sandboxSuite("perl", {}, skip || (findProgram("perl") ? false : "there is no perl"));
for (const name of sharedProc ? [] : (["crun", "runc"] as const)) {
  const runtime = findRuntime(name);
  sandboxSuite(name, runtime ? { runtime } : {}, skip || (runtime ? false : `there is no ${name}`));
}

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
  const run = (args: string[]) => here().run(here().spec({ args }));
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

const forgets =
  skip ||
  (ownPrivileges().single ? sharedProc && "owners are forgotten where there is no /proc of its own" : "several user ids exist here");

test("with a single id, owners are noted on the files, with all else that chown does", { skip: forgets }, async () => {
  setEngine(undefined);
  // busybox gives the other id as it sees it, which is 0; what a call leaves away is left as it was noted.
  const table = newTable();
  table.call("fchownat", [-100, table.text("/etc/k"), 0xffffffff, 12, 0]);
  writeFileSync(join(here().base, "chown.table"), table.finish().bytes);
  copyFileSync(installHelper().path, join(here().base, "bin/nbox"));
  const line = [
    "cd /etc; touch k; chown 33:44 k; nbox /chown.table; echo x > f; chown 33:44 f; ln -s f l; chown -h 5:5 l; chown 7 l; chown :99 /etc/../etc/f",
    "mkdir -p d/e; chown -R 1000:1001 d; touch g; chmod 4755 g; chown 0:0 g; chown 3:3 /bin/busybox; mv f h; stat -c %a g",
    "chown 1:1 nothing; chown 1:1 /proc/version; (cd d; chown 8:8 e); chroot / chown 9:9 /etc/d/e/../../g",
  ].join("; ");
  const { out, err } = await here().sh(line);
  assert.equal(out, "755\n");
  assert.match(err, /^chown: nothing: No such file or directory\nchown: \/proc\/version: Operation not permitted\n$/);
  const noted = (path: string) => {
    const table = newTable();
    const value = table.space(8);
    table.call("lgetxattr", [table.text(join(here().upper, path)), table.text(OWNER_ATTRIBUTE), value, 8]);
    table.call("write", [1, value, 8]);
    return notedOwner(performTable(table.finish()));
  };
  assert.deepEqual(noted("etc/k"), { uid: 33, gid: 12 });
  assert.deepEqual(noted("etc/h"), { uid: 0, gid: 99 });
  assert.deepEqual(noted("etc/d"), { uid: 1000, gid: 1001 });
  assert.deepEqual(noted("etc/d/e"), { uid: 8, gid: 8 });
  assert.deepEqual(noted("etc/g"), { uid: 9, gid: 9 });
  assert.deepEqual(noted("bin/busybox"), { uid: 3, gid: 3 });
  assert.throws(() => noted("etc/l"), /ENODATA/);
});

test("a program that is the helper itself cannot write to it (CVE-2019-5736)", { skip }, async () => {
  setEngine(undefined);
  const table = newTable();
  const result = table.space(8);
  table.call("openat", [-100, table.text("/proc/self/exe"), 0o1001, 0], { ignore: true, into: result });
  table.call("write", [1, result, 8]);
  writeFileSync(join(here().base, "exe.table"), table.finish().bytes);
  let answer = 0;
  const spec = here().spec({ args: ["/proc/self/exe", "/exe.table"] });
  const { code } = await runSandbox(
    spec,
    { out: (_, chunk) => void (answer = Number(Buffer.from(chunk).readBigInt64LE(0))) },
    createTask(),
  );
  assert.equal(code, 0);
  assert.equal(answer, -30, "EROFS");
});

test("an init as process 1 hands signals on and collects orphans", { skip: skip || (sharedProc && "no /proc of its own") }, async () => {
  const line =
    "echo $$; (sleep 0.05 &) ; sleep 0.2; cat /proc/[0-9]*/stat | grep -c ') Z'; trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done";
  const running = here().run(here().spec({ args: ["sh", "-c", line], init: true }), signalWhenUp("SIGTERM"));
  const { code, out } = await running;
  assert.equal(`${out}${code}`, "2\n0\nup\n9");
  assert.deepEqual(await here().run(here().spec({ args: ["sh", "-c", "kill -9 $$"], init: true })), { code: 137, out: "", err: "" });
  const spied = await here().sh("readlink /proc/1/exe /proc/1/root /proc/1/fd/0; cat /proc/1/environ; echo $?", {
    init: true,
    user: { uid: 0, gid: 0, groups: [] },
  });
  assert.equal(spied.out, "1\n", "nobody looks into the init");
});

test("X18: a second sandbox sees the processes of the first, which cannot look into it", {
  timeout: 30_000,
  skip: skip || (sharedProc && "no /proc of its own"),
}, async () => {
  using other = new Box();
  const told = { pid: 0 };
  const abort = new AbortController();
  const first = runCollecting(
    here().spec({
      args: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"],
      hostname: "first",
      user: { uid: 0, gid: 0, groups: [] },
    }),
    { started: ({ pid }) => void (told.pid = pid) },
    createTask(undefined, abort.signal),
  );
  first.catch(() => {});
  while (told.pid === 0) await wait(5);
  const at = (name: string) => `/proc/${told.pid}/ns/${name}`;
  const spec = other.spec({
    args: ["sh", "-c", "hostname; cat /proc/1/cmdline | tr '\\0' ' '; ls /proc/1/root >/dev/null 2>&1; echo $?; kill -TERM 1"],
    join: { pid: at("pid"), ipc: at("ipc"), uts: at("uts") },
    network: { join: at("net") },
  });
  try {
    const { out, code } = await runCollecting(spec);
    assert.match(out, /^first\nsh -c trap .*done \d\n$/);
    // Its process 1 ends the namespace, maybe before it could end itself.
    assert.ok(code === 0 || code === 137);
    assert.equal((await first).code, 0);
  } finally {
    abort.abort();
  }
});

test("X18: the target's root is seen at /target, its links lead nowhere else, and it sees nothing of that", {
  timeout: 30_000,
  skip: skip || (sharedProc && "no /proc of its own"),
}, async () => {
  using other = new Box();
  const told = { pid: 0 };
  const abort = new AbortController();
  const links =
    "ln -s /etc/passwd l1; ln -s ../../../../../../etc l2; ln -s /proc/1/root/etc l3; ln -s /target l4; mkdir -p target; echo mine > own";
  const first = runCollecting(
    here().spec({
      args: [
        "sh",
        "-c",
        `cd /tmp; ${links}; echo up; while [ ! -e /tmp/stop ]; do sleep 0.02; done; cat /proc/self/mountinfo | grep -c target`,
      ],
    }),
    { started: ({ pid }) => void (told.pid = pid) },
    createTask(undefined, abort.signal),
  );
  first.catch(() => {});
  try {
    while (told.pid === 0 || !existsSync(join(here().upper, "tmp/own"))) await wait(5);
    const at = (name: string) => `/proc/${told.pid}/ns/${name}`;
    writeFileSync(join(other.base, "etc/marker"), "tools");
    const read = "cat /target/tmp/own; cat /target/tmp/l1 | head -1; ls /target/tmp/l2/marker; ls /target/tmp/l3/ /target/tmp/l4/tmp 2>&1";
    const spec = other.spec({
      args: ["sh", "-c", `${read}; grep CapEff /proc/self/status; ls -d /target/proc/1; touch /target/tmp/stop`],
      join: { pid: at("pid"), ipc: at("ipc"), uts: at("uts") },
      network: { join: at("net") },
      mounts: [{ type: "root", pid: told.pid, target: "/target" }],
    });
    const { out } = await runCollecting(spec);
    const seen = out.split("\n");
    assert.deepEqual(seen.slice(0, 2), ["mine", "root:x:0:0::/root:/bin/sh"], out);
    assert.match(
      out,
      /l2\/marker\n[\s\S]*l3\/:\ngroup\npasswd\n/,
      "links of the target lead into the tools, /proc/1/root back to the target",
    );
    assert.match(out, /CapEff:\t00000000a80425fb\n\/target\/proc\/1\n$/);
    const { out: theirs } = await first;
    assert.equal(theirs, "up\n0\n");
    // The target has ended: nothing is left to join.
    await assert.rejects(runCollecting(spec), { code: "SANDBOX" });
  } finally {
    abort.abort();
  }
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
