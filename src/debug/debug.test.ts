import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Image } from "../image/layer.ts";
import { removeTree } from "../rootfs/remove.ts";
import { ownPrivileges } from "../sandbox/privileges.ts";
import { runSandbox } from "../sandbox/run.ts";
import type { SandboxExit } from "../sandbox/spec.ts";
import { Box, whyNot } from "../sandbox/testing/box.ts";
import type { ContentStore } from "../store/face.ts";
import { openStore } from "../store/store.ts";
import { createTask } from "../task/task.ts";
import { installedBusybox } from "./busybox.ts";
import { type DebugRequest, debugFiles, debugImage, debugProcess } from "./debug.ts";
import { findTarget } from "./target.ts";
import { toolboxImage } from "./toolbox.ts";

const skip = whyNot();
const dir = skip ? "" : mkdtempSync(join(tmpdir(), "nought-debug-"));
const box = skip ? undefined : new Box();
let store: ContentStore;
let toolbox: Image;

before(async () => {
  if (skip) return;
  store = await openStore(join(dir, "store"));
  toolbox = await toolboxImage(store, createTask());
});

after(async () => {
  if (skip) return;
  await store[Symbol.asyncDispose]();
  box?.[Symbol.dispose]();
  removeTree(dir);
});

/** A container from nothing: one program, no shell, and links that would lead to the host. It runs until it is disposed of. */
async function start(
  name: string,
): Promise<{ readonly pid: number; readonly upper: string; readonly ended: Promise<SandboxExit>; kill(): void } & AsyncDisposable> {
  const base = join(dir, name);
  mkdirSync(join(base, "etc"), { recursive: true });
  const found = installedBusybox.find("/");
  copyFileSync("path" in found ? found.path : "", join(base, "sleep"));
  symlinkSync("/etc/passwd", join(base, "to-passwd"));
  symlinkSync("../../../../../../../etc", join(base, "up"));
  symlinkSync("/etc/shadow", join(base, "etc/resolv.conf"));
  writeFileSync(join(base, "etc/hosts"), "10.0.0.1 target-only\n");
  const spec = (box as Box).spec({
    lowers: [base, join((box as Box).dir, `stubs-${name}`)],
    args: ["/sleep", "1000"],
    user: ownPrivileges().single ? { uid: 0, gid: 0, groups: [] } : { uid: 10001, gid: 10001, groups: [] },
    hostname: "the-target",
  });
  const { upper } = spec;
  mkdirSync(join((box as Box).dir, `stubs-${name}`), { recursive: true });
  for (const point of ["proc", "sys", "dev"]) mkdirSync(join((box as Box).dir, `stubs-${name}`, point));
  const abort = new AbortController();
  let ended: Promise<SandboxExit> | undefined;
  const pid = await new Promise<number>((resolve, reject) => {
    ended = runSandbox(spec, { started: (control) => resolve(control.pid) }, createTask(undefined, abort.signal));
    ended.catch(reject);
  });
  return {
    pid,
    upper: upper as string,
    ended: ended as Promise<SandboxExit>,
    kill: () => process.kill(pid, "SIGKILL"),
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended?.catch(() => {});
    },
  };
}

type Line = Partial<Omit<DebugRequest, "toolbox" | "command">>;

async function sh(pid: number, line: string, more: Line = {}): Promise<SandboxExit & { readonly out: string }> {
  return collect((request, io) => debugProcess(store, findTarget(pid), request, io, createTask()), line, more);
}

async function collect(
  run: (request: DebugRequest, io: { out(stream: 1 | 2, chunk: Uint8Array): void }) => Promise<SandboxExit>,
  line: string,
  more: Line = {},
): Promise<SandboxExit & { readonly out: string }> {
  let out = "";
  const request = {
    toolbox,
    command: ["sh", "-c", `exec 2>&1; ${line}`],
    env: [],
    capAdd: [],
    privileged: false,
    terminal: false,
    ...more,
  };
  const exit = await run(request, { out: (_, chunk) => void (out += Buffer.from(chunk).toString()) });
  return { ...exit, out };
}

test("X18: tools see the target's processes, users, host name and files, in a container that has no shell", { skip }, async () => {
  await using target = await start("seen");
  const user = ownPrivileges().single ? "root" : "10001";
  const { out, code } = await sh(target.pid, "ps aux; hostname; ls /target; cat /etc/hosts; exit 7");
  assert.match(out, new RegExp(`^PID +USER +COMMAND\\n +1 ${user} +/sleep 1000\\n`));
  assert.match(out, /\nthe-target\ndev\netc\nproc\nsleep\nsys\nto-passwd\nup\n10\.0\.0\.1 target-only\n$/);
  assert.equal(code, 7);
});

test("X18: links of the target never lead to the host", { skip }, async () => {
  await using target = await start("links");
  const { out } = await sh(
    target.pid,
    "cat /target/to-passwd; ls /target/up/; cat /etc/resolv.conf; ls /target/proc/1/root/ /proc/1/root/",
  );
  // What a link says counts from the root of who follows it: the toolbox.
  assert.match(out, /^root:x:0:0:root:\/root:\/bin\/sh\nnobody:/);
  const shadow = readFileSync("/etc/passwd", "utf8").split("\n")[1] as string;
  assert.ok(!out.includes(shadow), out);
  assert.match(out, /can't open '\/etc\/resolv.conf'/);
});

test("X18: nothing of the session is left in the target, nor of what it starts in the background", { skip }, async () => {
  await using target = await start("trace");
  const picture = () => [
    readFileSync(`/proc/${target.pid}/mountinfo`, "utf8"),
    readdirSync(target.upper, { recursive: true }).join(),
    readdirSync(`/proc/${target.pid}/fd`).join(),
  ];
  const clean = picture();
  const line =
    "mkdir /target/tmp 2>/dev/null; mount -t tmpfs none /target/proc && echo mounted; touch /target/proc/here; (sleep 43217 &); echo > /own-file";
  const { out } = await sh(target.pid, `rmdir /target/tmp; ${line}; rmdir /target/tmp`, { privileged: true });
  assert.match(out, /mounted\n$/);
  assert.deepEqual(picture(), clean);
  const { out: list } = await sh(target.pid, "ps");
  assert.ok(!list.includes("43217"), list);
});

test("X18: no extra capabilities unless asked for", { skip }, async () => {
  await using target = await start("capabilities");
  const line = "grep -E 'CapEff|CapBnd|Seccomp:' /proc/self/status | cut -f2";
  assert.match((await sh(target.pid, line)).out, /^00000000a80425fb\n00000000a80425fb\n2\n$/);
  assert.match((await sh(target.pid, line, { capAdd: ["sys_ptrace"] })).out, /^00000000a80c25fb\n/);
  assert.match((await sh(target.pid, line, { privileged: true })).out, /^[0-9a-f]+f\n[0-9a-f]+\n[02]\n$/);
  await assert.rejects(sh(target.pid, "true", { capAdd: ["no_such"] }), { code: "USAGE" });
});

test("X18: the target ends, and the session with it", { skip }, async () => {
  await using target = await start("ends");
  setTimeout(() => target.kill(), 300);
  const { code, out } = await sh(target.pid, "echo up; sleep 60; echo over");
  assert.equal(out, "up\n");
  assert.equal(code, 137);
  await target.ended;
  assert.throws(() => findTarget(target.pid), { code: "NOT_FOUND", message: `there is no process ${target.pid}` });
  assert.throws(() => findTarget(0), { code: "NOT_FOUND" });
});

test("users, variables and directories are those of the tools' image", { skip }, async () => {
  await using target = await start("users");
  const single = ownPrivileges().single;
  const { out } = await sh(target.pid, "id -u; pwd; echo $WHO $HOME", { user: "nobody", env: ["WHO=me"], workdir: "/tmp" });
  assert.equal(out, `${single ? 0 : 65534}\n/tmp\nme /\n`);
  await assert.rejects(sh(target.pid, "true", { user: "nonesuch" }), { code: "NOT_FOUND" });
});

test("an image is looked into without being started, and stays as it is", { skip }, async () => {
  const look = (line: string) => collect((request, io) => debugImage(store, toolbox, request, io, createTask()), line);
  assert.match(
    (await look("ls /target/bin/busybox && rm -r /target/bin && ls /target; ps | wc -l")).out,
    /busybox\netc\n[\s\S]*tmp\nusr\n *4\n$/,
  );
  assert.equal((await look("ls /target/bin/busybox")).out, "/target/bin/busybox\n");
  const empty = await collect(
    (request, io) => debugFiles(store, [], request, io, createTask()),
    "ls /target; echo x > /target/y; cat /target/y",
  );
  assert.equal(empty.out, "x\n");
});

test("a terminal of its own in the target's namespaces", { skip }, async () => {
  await using target = await start("terminal");
  const { out } = await sh(target.pid, "tty; ps | grep -c '/[s]leep 1000$'; test -t 0 && echo yes", { terminal: true });
  assert.match(out, /^\/dev\/pts\/0\r\n1\r\nyes\r\n$/);
});
