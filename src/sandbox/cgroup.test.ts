import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { globSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Failure } from "../kit/error.ts";
import { makeCgroups, removeCgroups, sweepCgroups } from "./cgroup.ts";
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

const left = () => globSync("/sys/fs/cgroup/{*,*/*,*/*/*,*/*/*/*}/nought-*");

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
  await (box as Box).sh("i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done", { limits: { cpus: 0.1 } });
  const slow = performance.now() - began;
  const again = performance.now();
  await (box as Box).sh("i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done");
  assert.ok(slow > 2 * (performance.now() - again), `${slow} ms`);
});

test("X15: nought killed with -9 leaves no control group", { skip }, async () => {
  const driver = join(import.meta.dirname, "testing/killed.ts");
  const dir = join((box as Box).dir, "killed");
  mkdirSync(dir);
  const env = { ...process.env, TMPDIR: dir };
  const child = spawn(process.execPath, [driver, "99991", "daemons", "limited"], { stdio: ["ignore", "pipe", "inherit"], env });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  assert.notDeepEqual(left(), []);
  child.kill("SIGKILL");
  for (let tries = 0; left().length > 0 && tries < 150; tries++) await wait(20);
  assert.deepEqual(left(), []);
  rmSync(dir, { recursive: true, force: true });
});

test("groups of dead processes are swept, those of living ones stay", { skip }, () => {
  const mine = makeCgroups({ pids: 5 });
  const [folder = ""] = mine.folders;
  const dead = folder.replace(/nought-\d+-\d+/, "nought-4194000-1");
  mkdirSync(dead);
  sweepCgroups();
  assert.deepEqual(left(), [folder]);
  removeCgroups(mine);
  assert.deepEqual(left(), []);
});
