import assert from "node:assert/strict";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openStore } from "../../src/store/store.ts";
import * as operations from "../store-drivers/operations.ts";
import { bundleDriver, type Ended, HEAVY, randomFrom, start, testFolder } from "../store-drivers/start.ts";

const folder = testFolder("together");
const driver = await bundleDriver(folder);
const prepared = join(folder, "prepared");
const anchor = await operations.build(prepared, "anchor", "anchor", 50_000);
let count = 0;
const copy = () => {
  const dir = join(folder, `store${count++}`);
  cpSync(prepared, dir, { recursive: true });
  return dir;
};
const run = (args: readonly string[], env: Record<string, string> = {}) =>
  start(process.execPath, [driver, ...args], { env: { ...process.env, ...env } });
const results = ({ out }: Ended) => [...out.matchAll(/^ok (.*)$/gm)].map(([, text = ""]) => JSON.parse(text) as unknown);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function clean(dir: string): Promise<void> {
  assert.deepEqual(await operations.errorsOf(dir), []);
  assert.equal(await operations.tag(dir, "anchor", "anchor"), anchor);
  await operations.prune(dir);
  assert.deepEqual(readdirSync(join(dir, "tmp")), []);
  assert.deepEqual(readdirSync(join(dir, "lock")), []);
}

test("S12: the same build twice at once, from an empty folder on: both fine, same digest", async () => {
  for (let round = 0; round < (HEAVY ? 50 : 8); round++) {
    const dir = join(folder, `fresh${round}`);
    const barrier = join(folder, `go${round}`);
    const both = [0, 1].map(() => run(["build", dir, "app", `seed${round}`, "700000"], { NOUGHT_BARRIER: barrier }));
    for (const { spoke } of both) await spoke;
    writeFileSync(barrier, "");
    const ended = await Promise.all(both.map((one) => one.ended));
    for (const { status, err } of ended) assert.equal(status, 0, err);
    assert.deepEqual(results(ended[0] as Ended), results(ended[1] as Ended));
    assert.deepEqual(await operations.errorsOf(dir), []);
    assert.deepEqual(readdirSync(join(dir, "tmp")), []);
    rmSync(dir, { recursive: true });
  }
});

test("S12: one of the two stopped for a while, or killed", async () => {
  const random = randomFrom("S12");
  for (let round = 0; round < (HEAVY ? 30 : 4); round++) {
    const dir = copy();
    const both = [0, 1].map(() => run(["loop", "build", "20", dir, "app", "seed%", "300000"]));
    await pause(40 + random() * 100);
    const first = both[0]?.child;
    if (round % 2 === 0) {
      first?.kill("SIGSTOP");
      await pause(300);
      assert.equal(results(await (both[1] as (typeof both)[number]).ended).length, 20, "the other goes on");
      first?.kill("SIGCONT");
    } else first?.kill("SIGKILL");
    const [a, b] = await Promise.all(both.map((one) => one.ended));
    assert.equal(b?.status, 0, b?.err);
    if (round % 2 === 0) assert.deepEqual(results(a as Ended), results(b as Ended));
    await clean(dir);
  }
});

test("S14: prune in a loop beside builds, loads and reads: nobody loses what he uses", async () => {
  const dir = copy();
  const rounds = HEAVY ? "300" : "40";
  const workers = [
    run(["loop", "build", rounds, dir, "one", "seed%", "200000"]),
    run(["loop", "load", rounds, dir, "two", "seed%", "200000"]),
    run(["loop", "read", rounds, dir]),
  ];
  const done = Promise.all(workers.map((one) => one.ended));
  let pruned = 0;
  while (workers.some(({ child }) => child.exitCode === null && child.signalCode === null)) pruned += await operations.prune(dir, true);
  for (const ended of await done) {
    assert.equal(ended.status, 0, ended.err);
    assert.equal(results(ended).length, Number(rounds));
  }
  assert.ok(pruned > 0, "something was removed meanwhile");
  await clean(dir);
});

test("S14: two prunes, tag and rm at once", async () => {
  const dir = copy();
  const workers = [
    run(["loop", "prune", "25", dir, "all"]),
    run(["loop", "prune", "25", dir]),
    run(["loop", "build", "25", dir, "app%", "same", "100000"]),
    run(["loop", "tag", "25", dir, "anchor", "tag%"]),
    run(["loop", "remove", "25", dir, "app%"]),
  ];
  for (const { ended } of workers) assert.equal((await ended).status, 0, (await ended).err);
  await clean(dir);
});

test("S24: readers during 200 commits see the old or the new, never an error", async () => {
  const dir = copy();
  await operations.build(dir, "app", "start");
  const writer = run(["loop", "build", HEAVY ? "2000" : "200", dir, "app", "seed%"]);
  const reader = run(["loop", "read", HEAVY ? "1000" : "100", dir]);
  const seen = new Set<string>();
  while (writer.child.exitCode === null && writer.child.signalCode === null) seen.add(await operations.tag(dir, "app", "seen"));
  for (const { ended } of [writer, reader]) assert.equal((await ended).status, 0, (await ended).err);
  const built = new Set(results(await writer.ended) as string[]);
  let strangers = 0;
  for (const digest of seen) if (!built.has(digest)) strangers++;
  assert.ok(strangers <= 1, "only the first one was there before");
  assert.ok(seen.size > 5, `${seen.size} states were seen`);
  await clean(dir);
});

test("S18: what a stopped process has written survives a prune, what a killed one has written does not", async () => {
  for (const signal of ["SIGSTOP", "SIGKILL"] as const) {
    const dir = copy();
    const { child, ended } = run(["build", dir, "app", "large", "60000000"]);
    const writing = () =>
      readdirSync(join(dir, "tmp"))
        .map((name) => join(dir, "tmp", name, "0"))
        .find((path) => existsSync(path));
    while (writing() === undefined && child.exitCode === null) await pause(1);
    child.kill(signal);
    const file = writing();
    if (signal === "SIGKILL") await ended;
    await operations.prune(dir, true);
    if (signal === "SIGSTOP") {
      if (file !== undefined) assert.ok(existsSync(file), "the stopped process keeps its file");
      child.kill("SIGCONT");
      assert.equal((await ended).status, 0, (await ended).err);
      assert.equal(await operations.build(dir, "app", "large", 60_000_000), await operations.tag(dir, "app", "app"));
    }
    await clean(dir);
  }
});

test("S19: a prune waits for a stopped holder with a message, gives up in time, and goes on at once when it is killed", async () => {
  const dir = copy();
  mkdirSync(join(dir, "lock"), { recursive: true });
  const holder = run(["hold-lock", dir, "60000"]);
  await holder.spoke;
  holder.child.kill("SIGSTOP");

  const impatient = await run(["prune", dir, "all", "900"]).ended;
  assert.equal(impatient.status, 7);
  assert.match(impatient.err, new RegExp(`^waiting for process ${holder.child.pid}, which is changing the store$`, "m"));
  assert.match(impatient.err, new RegExp(`^STORAGE: process ${holder.child.pid} has held the lock .* for more than 1 seconds$`, "m"));
  // Nobody else is disturbed.
  await operations.build(dir, "app", "beside");

  const patient = run(["prune", dir, "all"]);
  await patient.spoke;
  const killed = performance.now();
  holder.child.kill("SIGKILL");
  assert.equal((await patient.ended).status, 0);
  assert.ok(performance.now() - killed < 1500, `${performance.now() - killed} ms`);
  await clean(dir);
});

test("S31: two users: each his own store, none reads or spoils the other's", {
  skip: process.getuid?.() !== 0 && "needs root",
}, async () => {
  const dir = copy();
  const open = join(folder, "open");
  mkdirSync(open);
  for (const [path, mode] of [
    [folder, 0o755],
    [open, 0o1777],
  ] as const)
    chmodSync(path, mode);
  const as = (args: string[]) => start(process.execPath, [driver, ...args], { uid: 12345, gid: 12345 }).ended;
  for (const operation of ["read", "build", "prune"]) {
    const refused = await as([operation, dir, "app", "app"]);
    assert.equal(refused.status, 7, refused.err);
    assert.match(refused.err, /STORAGE: the store .* belongs to user 0, and this is user 12345/);
  }
  const [his, ours] = [join(open, "his"), join(open, "ours")];
  const built = await as(["build", his, "app", "same"]);
  assert.deepEqual(results(built), [await operations.build(ours, "app", "same")], built.err);
  await assert.rejects(operations.build(his, "app", "same"), { code: "STORAGE", message: /belongs to user 12345, and this is user 0/ });
  await clean(dir);
});

test("S33: a clock that jumps makes no age negative and no lock misjudged", async (t) => {
  const dir = copy();
  await using store = await openStore(dir);
  const key = (await store.names())[0]?.root.digest as never;
  for (const jump of [-3_600_000, 24 * 3_600_000, -7 * 24 * 3_600_000]) {
    t.mock.timers.enable({ apis: ["Date"], now: Date.now() + jump });
    store.remember({ key });
    assert.ok(store.recall(key));
    await store.flush();
    await operations.prune(dir, false, 500);
    assert.equal(await operations.build(dir, "app", "clock"), await operations.tag(dir, "app", "app"));
    t.mock.timers.reset();
  }
  assert.ok(store.recall(key), "this process was alive all the time");
});
