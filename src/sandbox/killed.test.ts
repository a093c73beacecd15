import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { whyNot } from "./testing/box.ts";

const skip = whyNot();

/** Processes of the machine whose command line holds the word. */
function running(word: string): readonly string[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").includes(word);
      } catch {
        return false;
      }
    });
}

/** Starts the driver and gives the directory of its box once the sandbox runs. */
async function start(word: string, how: string): Promise<{ child: ChildProcess; dir: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "testing/killed.ts"), word, how], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const dir = await new Promise<string>((resolve, reject) => {
    child.stdout?.once("data", (text: Buffer) => resolve(text.toString().trim()));
    child.once("exit", (code) => reject(new Error(`the driver ended with ${code}`)));
  });
  return { child, dir };
}

for (const how of ["daemons", "setuid"]) {
  test(`X15: nought killed with -9 leaves no process and no mount (${how})`, { skip }, async () => {
    const mounts = readFileSync("/proc/self/mountinfo", "utf8");
    const word = `7${Math.floor(Math.random() * 1e7)}`;
    const { child, dir } = await start(word, how);
    try {
      assert.ok(running(word).length >= (how === "setuid" ? 2 : 4), "the sandbox runs");
      child.kill("SIGKILL");
      let left = running(word);
      for (let tries = 0; left.length > 0 && tries < 100; tries++) {
        await wait(20);
        left = running(word);
      }
      assert.deepEqual(left, []);
      assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), mounts);
    } finally {
      child.kill("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    }
  });
}

test("X15: killed at any moment of the set-up", { skip }, async () => {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  const word = `8${Math.floor(Math.random() * 1e7)}`;
  const dir = mkdtempSync(join(tmpdir(), "nought-killed-"));
  for (let round = 0; round < 12; round++) {
    const env = { ...process.env, TMPDIR: dir };
    const child = spawn(process.execPath, [join(import.meta.dirname, "testing/killed.ts"), word, "daemons"], { stdio: "ignore", env });
    await wait(60 + 12 * round);
    child.kill("SIGKILL");
  }
  await wait(300);
  rmSync(dir, { recursive: true, force: true });
  assert.deepEqual(running(word), []);
  assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), mounts);
});
