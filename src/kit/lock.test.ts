import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Failure } from "./error.ts";
import { formatIdentity, livenessOf, ownIdentity, parseIdentity, uniqueToken } from "./liveness.ts";
import { acquireLock, sweepClaims } from "./lock.ts";

const root = mkdtempSync(join(tmpdir(), "nought-lock-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => {
  const dir = join(root, String(count++));
  mkdirSync(dir);
  return dir;
};
/** A process that has certainly ended, and whose number is free again. */
const ended = () => ({ ...ownIdentity(), pid: spawnSync("/bin/true").pid, start: 12345 });
const plant = (dir: string, token: string) => {
  mkdirSync(join(dir, "held"));
  writeFileSync(join(dir, "held", token), "");
};

test("this process is alive, its number with another start is somebody else", () => {
  const own = ownIdentity();
  assert.equal(livenessOf(own), "alive");
  assert.equal(livenessOf({ ...own, start: own.start + 1 }), "dead");
  assert.equal(livenessOf({ ...own, boot: "00000000" }), "dead");
  assert.equal(livenessOf({ ...own, namespace: own.namespace + 1 }), "unknown");
  assert.equal(livenessOf(ended()), "dead");
  assert.deepEqual(parseIdentity(formatIdentity(own)), own);
  for (const text of ["", "1-2-3", "x-1-1-1", `${"9".repeat(30)}-1-a-1`, "1-1-a-1/.."]) assert.equal(parseIdentity(text), undefined);
});

test("a process that ended but was not waited for counts as dead", async () => {
  const { spawn } = await import("node:child_process");
  // A shell that starts a child and then turns into something that never waits for it.
  const shell = spawn("/bin/sh", ["-c", "/bin/sh -c 'echo $$; read x < /proc/$$/stat; echo $x' & exec sleep 5"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let text = "";
  for await (const chunk of shell.stdout) {
    text += chunk;
    if (text.split("\n").length > 2) break;
  }
  const [pid = "", stat = ""] = text.split("\n");
  const start = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  while (!/\) Z/.test(readFileSync(`/proc/${pid}/stat`, "latin1"))) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(livenessOf({ ...ownIdentity(), pid: Number(pid), start }), "dead");
  shell.kill();
});

test("a token is never given twice", () => {
  assert.equal(new Set(Array.from({ length: 1000 }, uniqueToken)).size, 1000);
});

test("one holder at a time, and nothing is left afterwards", async () => {
  const dir = fresh();
  let inside = 0;
  let most = 0;
  const work = async () => {
    using _lock = await acquireLock(dir);
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 1));
    inside--;
  };
  await Promise.all(Array.from({ length: 20 }, work));
  assert.equal(most, 1);
  assert.deepEqual(readdirSync(dir), []);
});

test("S19: the lock of a dead process is free at once", async () => {
  const dir = fresh();
  plant(dir, `${formatIdentity(ended())}-1`);
  const started = performance.now();
  const lock = await acquireLock(dir);
  assert.ok(performance.now() - started < 100);
  lock.release();
  lock.release();
  assert.deepEqual(readdirSync(dir), []);
});

test("S19: a lock from before the machine was started anew is free", async () => {
  const dir = fresh();
  plant(dir, `${formatIdentity({ ...ownIdentity(), boot: "0badb001" })}-1`);
  (await acquireLock(dir)).release();
});

test("S19: a living holder is waited for, with a message, and named when the time is up", async () => {
  const dir = fresh();
  using _held = await acquireLock(dir);
  const told: string[] = [];
  await assert.rejects(acquireLock(dir, { timeoutMs: 700, onWait: (text) => told.push(text) }), (error: Failure) => {
    assert.equal(error.code, "STORAGE");
    assert.match(error.message, new RegExp(`process ${process.pid} has held`));
    return true;
  });
  assert.deepEqual(told, [`waiting for process ${process.pid}, which is changing the store`]);
  assert.deepEqual(readdirSync(dir), ["held"]);
});

test("a lock whose file could not be removed does not block its own process", async () => {
  const dir = fresh();
  const lock = await acquireLock(dir);
  const [token = ""] = readdirSync(join(dir, "held"));
  rmSync(join(dir, "held", token));
  mkdirSync(join(dir, "held", token));
  lock.release();
  rmSync(join(dir, "held", token), { recursive: true });
  writeFileSync(join(dir, "held", token), "");
  (await acquireLock(dir, { timeoutMs: 100 })).release();
  assert.deepEqual(readdirSync(dir), []);
});

test("a lock that no nought made is not broken, and the message says which file it is", async () => {
  const dir = fresh();
  plant(dir, "something\u001b[2J");
  await assert.rejects(acquireLock(dir, { timeoutMs: 50 }), (error: Failure) => {
    assert.match(error.message, /something unknown \("something\\x1b\[2J"\)/);
    return true;
  });
});

test("claims of dead processes are swept, those of living ones stay", () => {
  const dir = fresh();
  const [dead, alive] = [`claim-${formatIdentity(ended())}-1`, `claim-${uniqueToken()}`];
  mkdirSync(join(dir, dead));
  mkdirSync(join(dir, alive));
  sweepClaims(dir);
  assert.deepEqual(readdirSync(dir), [alive]);
});
