import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, globSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Failure } from "../kit/error.ts";
import { createTask } from "../task/task.ts";
import { makeCgroups, removeCgroups, sweepCgroups } from "./cgroup.ts";
import { startDetached } from "./detached.ts";
import { execInside } from "./exec.ts";
import { Box, whyNot } from "./testing/box.ts";

const skip = whyNot() || whyNoCgroups();
const box = skip ? undefined : new Box();
after(() => box?.[Symbol.dispose]());

function whyNoCgroups(): string | false {
  try {
    removeCgroups(makeCgroups({ memory: 64 << 20, cpus: 1, pids: 10 }));
    return false;
  } catch (error) {
    return error instanceof Failure ? error.message : "not Linux";
  }
}

/** Groups that a process made; others may be at it at the same time. */
const left = (pid = process.pid) => globSync(`/sys/fs/cgroup/{*,*/*,*/*/*,*/*/*/*}/nought-${pid}-*`);

test("X04: a fork bomb meets its limit, and nothing is left", { skip }, async () => {
  const { out, err } = await (box as Box).sh("for i in $(seq 1 50); do sleep 0.3 & done; echo done", { limits: { pids: 20 } });
  assert.match(out + err, /can't fork/);
  await wait(100);
  assert.deepEqual(left(), []);
});

test("X04: who takes too much memory is killed", { skip }, async () => {
  const { code } = await (box as Box).sh("dd if=/dev/zero of=/dev/null bs=200M count=1; exit $?", { limits: { memory: 32 << 20 } });
  assert.notEqual(code, 0);
  const fine = await (box as Box).sh("dd if=/dev/zero of=/dev/null bs=1M count=1 2>/dev/null; echo $?", { limits: { memory: 32 << 20 } });
  assert.equal(fine.out, "0\n");
});

test("a share of a processor", { skip }, async () => {
  const began = performance.now();
  const { out } = await (box as Box).sh("i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; times", { limits: { cpus: 0.1 } });
  const wall = performance.now() - began;
  const [user = 0, system = 0] = [...out.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds),
  );
  assert.ok(wall > 4000 * (user + system), `${wall} ms for ${user + system} s`);
});

test("X15: nought killed with -9 leaves no control group", { skip }, async () => {
  const driver = join(import.meta.dirname, "testing/killed.ts");
  const dir = join((box as Box).dir, "killed");
  mkdirSync(dir);
  const env = { ...process.env, TMPDIR: dir };
  const child = spawn(process.execPath, [driver, "99991", "daemons", "limited"], { stdio: ["ignore", "pipe", "inherit"], env });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  assert.notDeepEqual(left(child.pid), []);
  child.kill("SIGKILL");
  for (let tries = 0; left(child.pid).length > 0 && tries < 150; tries++) await wait(20);
  assert.deepEqual(left(child.pid), []);
  rmSync(dir, { recursive: true, force: true });
});

test("groups of dead processes are swept, those of living ones stay", { skip }, () => {
  const mine = makeCgroups({ pids: 5 });
  const [folder = ""] = mine.folders;
  const dead = folder.replace(/nought-\d+-\d+/, "nought-4194000-1");
  mkdirSync(dead);
  sweepCgroups();
  assert.deepEqual([left(), left(4194000)], [[folder], []]);
  removeCgroups(mine);
  assert.deepEqual(left(), []);
});

test("X04: a detached container keeps its limits, whoever enters it, and leaves no group", { skip, timeout: 30_000 }, async () => {
  const folder = join((box as Box).dir, "state");
  mkdirSync(folder);
  const spec = (box as Box).spec({ args: ["sleep", "60"], limits: { pids: 12 } });
  const { init, monitor } = await startDetached(spec, { folder }, createTask());
  let text = "";
  const io = { out: (_: number, piece: Uint8Array) => void (text += Buffer.from(piece).toString()) };
  await execInside(init, { ...spec, args: ["sh", "-c", "for i in $(seq 1 50); do sleep 0.3 & done; echo done"] }, io, createTask());
  assert.match(text, /can't fork/);
  assert.notDeepEqual(left(), []);
  process.kill(monitor.pid, "SIGKILL");
  for (let tries = 0; left().length > 0 && tries < 150; tries++) await wait(20);
  assert.deepEqual(left(), []);
});

test("X13: where there are no control groups, a limit is an error and not ignored", { skip: whyNot() }, async () => {
  using bare = new Box();
  const shared = ["/usr", "/lib", "/lib64", "/etc", join(import.meta.dirname, "../..")].filter((path) => existsSync(path));
  const mounts = shared.map((path) => ({ type: "bind", source: path, target: path, kind: "directory" }) as const);
  const source = `import { makeCgroups } from ${JSON.stringify(join(import.meta.dirname, "cgroup.ts"))};
    for (const limits of [{}, { pids: 5 }, { memory: 1 << 20 }, { cpus: 1 }])
      try { console.log(makeCgroups(limits).folders.length); } catch (error) { console.log(error.code, error.message); }`;
  const args = [process.execPath, "--input-type=module", "-e", source];
  const { out, err } = await bare.run(bare.spec({ args, mounts, env: ["PATH=/usr/bin:/bin"] }));
  assert.match(out + err, /^0\n(SANDBOX memory, processors and processes cannot be limited here: there are no control groups\n){3}$/);
});
