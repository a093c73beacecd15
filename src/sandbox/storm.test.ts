/** Many runs in a row: none hangs, none loses output, nothing is left. NOUGHT_TEST_RUNS says how many; here a sample. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { livenessOf } from "../kit/liveness.ts";
import { createTask } from "../task/task.ts";
import { DEFAULT_CAPABILITIES } from "./capability.ts";
import { readDetached, readExit, startDetached } from "./detached.ts";
import { setEngine } from "./engine.ts";
import { execInside } from "./exec.ts";
import { installHelper } from "./helper.ts";
import { Box, whyNot } from "./testing/box.ts";

const skip = whyNot();
const runs = Number(process.env["NOUGHT_TEST_RUNS"] ?? 60);

/** Numbers of the machine's processes with the word among their arguments; ones that ended are not counted. */
function running(word: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").includes(word);
    } catch {
      return false;
    }
  });
}

/** Processes of a helper that lies below the folder. */
function helpers(folder: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith(folder);
    } catch {
      return false;
    }
  });
}

/** Every process of this one's, down to the last. */
function descendants(): number {
  const parents = new Map<number, number>();
  for (const pid of readdirSync("/proc").filter((one) => /^\d+$/.test(one))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state !== "Z") parents.set(Number(pid), Number(parent));
    } catch {
      // It has ended.
    }
  }
  const isOurs = (pid: number): boolean => pid === process.pid || (parents.has(pid) && isOurs(parents.get(pid) as number));
  return [...parents.keys()].filter((pid) => pid !== process.pid && isOurs(pid)).length;
}

test(`${runs} sandboxes in a row, four at once: none hangs, none loses a byte, nothing is left`, {
  skip,
  timeout: 60_000 + 1000 * runs,
}, async () => {
  setEngine(undefined);
  using box = new Box();
  const before = {
    fds: readdirSync("/proc/self/fd").length,
    mounts: readFileSync("/proc/self/mountinfo", "utf8"),
    children: descendants(),
  };
  const { stage } = installHelper();
  let next = 0;
  const worker = async () => {
    for (let run = next++; run < runs; run = next++) {
      const line = `echo ${run}; echo e${run} >&2; (setsid sleep 999 &); exit ${run % 256}`;
      const terminal = run % 5 === 0;
      const { code, out, err } = await box.sh(line, { terminal });
      assert.deepEqual([code, out, err], terminal ? [run % 256, `${run}\r\ne${run}\r\n`, ""] : [run % 256, `${run}\n`, `e${run}\n`]);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  await settled(() => descendants() <= before.children);
  assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), before.mounts);
  assert.deepEqual(readdirSync(stage), []);
  assert.ok(readdirSync("/proc/self/fd").length <= before.fds + 2);
});

test(`${runs} processes in one container, and ${runs} containers left alone`, { skip, timeout: 60_000 + 1000 * runs }, async () => {
  setEngine(undefined);
  using box = new Box();
  const before = descendants();
  const start = async (line: string, name: string) => {
    const folder = join(box.dir, name);
    mkdirSync(folder);
    return { folder, ...(await startDetached(box.spec({ args: ["sh", "-c", line] }), { folder }, createTask())) };
  };
  const one = await start("exec sleep 1000", "one");
  const spec = { env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0, groups: [] }, capabilities: DEFAULT_CAPABILITIES };
  let next = 0;
  const worker = async () => {
    for (let run = next++; run < runs; run = next++) {
      let out = "";
      const io = { out: (_: number, piece: Uint8Array) => void (out += Buffer.from(piece).toString()) };
      const args = ["sh", "-c", `echo ${run}; exit ${run % 256}`];
      const { code } = await execInside(one.init, { ...spec, args, seccomp: true, terminal: false, limits: {} }, io, createTask());
      assert.deepEqual([code, out], [run % 256, `${run}\n`]);
      const { folder } = await start(`exit ${run % 256}`, `left${run}`);
      await settled(() => readExit(folder) !== undefined);
      assert.equal(readExit(folder)?.code, run % 256);
    }
  };
  await Promise.all([worker(), worker()]);
  process.kill(one.monitor.pid, "SIGKILL");
  await settled(() => descendants() <= before);
});

test("X15: a storm of kills leaves nothing that nobody knows of", { skip, timeout: 60_000 + 1000 * runs }, async () => {
  const word = `6${Math.floor(Math.random() * 1e7)}`;
  const folder = mkdtempSync(join(tmpdir(), "nought-storm-"));
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  // A helper of its own, by whose path its processes are known.
  const env = { ...process.env, TMPDIR: folder, XDG_CACHE_HOME: folder };
  try {
    for (let round = 0; round < Math.max(6, runs / 10); round++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, "testing/storm.ts"), word, folder], {
        stdio: ["ignore", "pipe", "inherit"],
        env,
      });
      await new Promise((resolve) => child.stdout?.once("data", resolve));
      await wait(Math.random() * 150);
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("close", resolve));
    }
    // Detached sandboxes go on, and each is known by its folder.
    const states = readdirSync(folder).filter((name) => /^\d+-\d+$/.test(name));
    for (const name of states) {
      const { monitor } = readDetached(join(folder, name));
      if (monitor) await settled(() => livenessOf(monitor) === "dead");
    }
    await settled(() => running(word).length === 0);
    await settled(() => helpers(folder).length === 0);
    assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), mounts);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

async function settled(what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (what()) return;
    await wait(20);
  }
  assert.fail("it did not settle within ten seconds");
}
