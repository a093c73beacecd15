import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { livenessOf, type ProcessIdentity } from "../kit/liveness.ts";
import { createTask } from "../task/task.ts";
import { attachInput } from "./attach.ts";
import { type DetachedPlace, readDetached, readExit, startDetached } from "./detached.ts";
import { findProgram, setEngine } from "./engine.ts";
import { FrameReader } from "./frames.ts";
import type { SandboxSpec } from "./spec.ts";
import { Box, whyNot } from "./testing/box.ts";

const skip = whyNot();
const box = skip ? undefined : new Box();
after(() => {
  setEngine(undefined);
  box?.[Symbol.dispose]();
});
const here = () => box as Box;
let folders = 0;

/** Starts a line of shell and leaves it alone. */
async function start(line: string, changes: Partial<SandboxSpec> = {}, place: Partial<DetachedPlace> = {}) {
  const folder = join(here().dir, `state${++folders}`);
  mkdirSync(folder);
  const started = await startDetached(here().spec({ args: ["sh", "-c", line], ...changes }), { folder, ...place }, createTask());
  return { ...started, folder };
}

async function until<T>(what: () => T | undefined): Promise<T> {
  for (let tries = 0; tries < 500; tries++) {
    const found = what();
    if (found !== undefined) return found;
    await wait(10);
  }
  throw new Error("it did not happen within five seconds");
}

const ended = (folder: string) => until(() => readExit(folder));

function output(folder: string, name = "log"): string {
  const frames = [...new FrameReader().push(readFileSync(join(folder, name)))];
  return frames.map(({ stream, bytes }) => (stream === 0 ? `end ${bytes.readInt32LE(0)}` : `${stream}:${bytes}`)).join("|");
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

const dead = (who: ProcessIdentity) => until(() => (livenessOf(who) === "alive" ? undefined : true));

for (const engine of ["nbox", "perl"] as const) {
  const without = skip || (engine === "perl" && !findProgram("perl") ? "there is no perl" : false);
  const check = (name: string, run: () => Promise<void>) =>
    test(`${engine}: ${name}`, { skip: without, timeout: 30_000 }, async () => {
      setEngine(engine === "perl" ? "perl" : undefined);
      await run();
    });

  check("a detached sandbox keeps its output and its exit code", async () => {
    const { folder, init, monitor } = await start("echo one; echo two >&2; sleep 0.2; exit 3");
    assert.equal(livenessOf(monitor), "alive");
    assert.equal(livenessOf(init), "alive");
    assert.deepEqual(readDetached(folder), { init, monitor });
    const { code, at } = await ended(folder);
    assert.equal(code, 3);
    assert.ok(Math.abs(at.getTime() - Date.now()) < 10_000);
    await dead(monitor);
    assert.match(output(folder), /^(1:one\n\|2:two\n|2:two\n\|1:one\n)\|end 768$/);
    assert.deepEqual(readdirSync(folder).sort(), ["exit", "init", "log", "monitor"]);
  });

  check("signals reach it, and a program that is killed ends with 137", async () => {
    const trap = await start("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done");
    await until(() => (existsSync(join(trap.folder, "log")) && output(trap.folder).includes("up") ? true : undefined));
    process.kill(trap.init.pid, "SIGTERM");
    assert.equal((await ended(trap.folder)).code, 7);
    assert.match(output(trap.folder), /bye\n\|end 1792$/);
    const sleeper = await start("sleep 100");
    process.kill(sleeper.init.pid, "SIGKILL");
    assert.equal((await ended(sleeper.folder)).code, 137);
  });

  check("X15: killing the one that watches ends everything", async () => {
    const { init, monitor, folder } = await start("setsid sleep 1235 & sleep 1235");
    process.kill(monitor.pid, "SIGKILL");
    await dead(init);
    assert.equal(readExit(folder), undefined);
  });

  check("a program that is not there is told at once, and nothing is left", async () => {
    const folder = join(here().dir, `state${++folders}`);
    mkdirSync(folder);
    const spec = here().spec({ args: ["bash"] });
    await assert.rejects(startDetached(spec, { folder }, createTask()), { exit: 127, message: /executable file not found in \$PATH/ });
    assert.deepEqual(readdirSync(folder), []);
  });

  check("X17: a log without newlines is begun anew where it becomes too long", async () => {
    const { folder } = await start("dd if=/dev/zero bs=64k count=100 2>/dev/null; echo end", {}, { logLimit: 1 << 20 });
    await ended(folder);
    assert.ok(output(folder).includes("end\n"));
    const size = (name: string) => readFileSync(join(folder, name)).length;
    assert.ok(size("log") <= 1 << 20 && size("log.old") <= 1 << 20);
  });

  check("input is brought to it later, again and again", async () => {
    const one = await start("while read line; do echo got $line; [ $line = end ] && exit 8; done; echo eof", {}, { keepInput: true });
    const bring = (...lines: string[]) => {
      const abort = new AbortController();
      async function* pieces() {
        for (const line of lines) yield Buffer.from(`${line}\n`);
        await until(() => (output(one.folder).includes(lines.at(-1) as string) ? true : undefined));
        abort.abort();
      }
      return attachInput(one.init, pieces(), { terminal: false }, createTask(undefined, abort.signal)).catch(() => {});
    };
    await bring("one", "two");
    await bring("three");
    await bring("end");
    assert.equal((await ended(one.folder)).code, 8);
    assert.match(output(one.folder), /^1:got one\n(\|1:)?got two\n\|1:got three\n\|1:got end\n\|end 2048$/);
    await assert.rejects(attachInput(one.init, "inherit", { terminal: false }, createTask()), { code: "CONFLICT" });
    const closed = await start("cat; echo eof; exec sleep 60");
    await assert.rejects(attachInput(closed.init, nothing(), { terminal: false }, createTask()), { code: "USAGE" });
    process.kill(closed.monitor.pid, "SIGKILL");
  });

  check("its terminal is reached later", async () => {
    const one = await start("read line; echo got $line; exit 9", { terminal: true });
    async function* pieces() {
      yield Buffer.from("word\r");
    }
    await attachInput(one.init, pieces(), { terminal: true }, createTask());
    assert.equal((await ended(one.folder)).code, 9);
    assert.match(output(one.folder).replaceAll("|1:", ""), /^1:word\r\ngot word\r\n\|end 2304$/);
  });

  check("a terminal of its own without anybody looking", async () => {
    const { folder } = await start("test -t 0 && tty=yes; echo $tty; sleep 0.1", { terminal: true });
    await ended(folder);
    assert.equal(output(folder).replaceAll("|1:", ""), "1:yes\r\n|end 0");
  });
}

test("a detached sandbox survives nought, watched by a few kilobytes", { skip, timeout: 30_000 }, async () => {
  setEngine(undefined);
  const folder = mkdtempSync(join(tmpdir(), "nought-state-"));
  const { stdout, signal } = spawnSync(process.execPath, [join(import.meta.dirname, "testing/leave.ts"), folder], { encoding: "utf8" });
  assert.equal(signal, "SIGKILL");
  const { monitor, init, dir } = JSON.parse(stdout) as { monitor: ProcessIdentity; init: ProcessIdentity; dir: string };
  try {
    assert.equal(livenessOf(monitor), "alive");
    assert.equal(livenessOf(init), "alive");
    const status = readFileSync(`/proc/${monitor.pid}/status`, "latin1");
    assert.ok(Number(/^RssAnon:\s*(\d+) kB/m.exec(status)?.[1]) < 100, status);
    assert.equal((await ended(folder)).code, 5);
    assert.equal(output(folder), "1:up\n|1:still\n|end 1280");
  } finally {
    for (const one of [dir, folder]) rmSync(one, { recursive: true, force: true });
  }
});

test("X17: a full disk loses output and blocks nothing", { skip, timeout: 30_000 }, async () => {
  setEngine(undefined);
  const disk = mkdtempSync(join(tmpdir(), "nought-full-"));
  try {
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]).status !== 0) return;
    try {
      const spec = here().spec({ args: ["sh", "-c", "dd if=/dev/zero bs=64k count=50 2>/dev/null; exit 4"] });
      await startDetached(spec, { folder: disk }, createTask());
      assert.equal((await ended(disk)).code, 4);
      assert.ok([...new FrameReader().push(readFileSync(join(disk, "log")))].length > 1);
    } finally {
      spawnSync("umount", [disk]);
    }
  } finally {
    rmSync(disk, { recursive: true, force: true });
  }
});
