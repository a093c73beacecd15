import assert from "node:assert/strict";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as operations from "../store-drivers/operations.ts";
import { bundleDriver, HEAVY, pointsOf, randomFrom, start, strike, testFolder, trace, withoutStrace } from "../store-drivers/start.ts";

const folder = testFolder("kill");
const driver = await bundleDriver(folder);
const CALLS = ["write", "pwrite64", "fsync", "fdatasync", "rename", "unlink", "unlinkat", "mkdir", "rmdir", "fchmod", "openat", "close"];

/** A store with an image that must survive whatever happens, one to be removed, and one that nothing refers to. */
async function prepare(): Promise<string> {
  const dir = join(folder, "prepared");
  await operations.build(dir, "anchor", "anchor", 5000);
  await operations.build(dir, "victim", "victim", 5000);
  await operations.build(dir, "lost", "lost", 5000);
  await operations.remove(dir, "lost");
  return dir;
}
const prepared = await prepare();
const anchor = await operations.tag(prepared, "anchor", "anchor");

async function judge(dir: string, what: string, again: () => Promise<unknown>, expected: unknown): Promise<void> {
  assert.deepEqual(await operations.errorsOf(dir), [], `${what}: the store is whole`);
  assert.equal(await operations.tag(dir, "anchor", "anchor"), anchor, `${what}: what was there is there`);
  assert.ok((await operations.readAll(dir)) >= 1, `${what}: every image reads`);
  assert.deepEqual(await again(), expected, `${what}: done again, it comes to the same`);
  assert.deepEqual(await operations.errorsOf(dir), [], `${what}: and the store is whole still`);
  await operations.build(dir, "after", "after");
  assert.deepEqual(readdirSync(join(dir, "tmp")), [], `${what}: nothing is left of the dead`);
  assert.deepEqual(
    readdirSync(join(dir, "lock")).filter((name) => name === "held"),
    [],
    `${what}: no lock is left`,
  );
}

const KINDS = {
  build: { args: ["build", "new", "new", "400000"], again: (dir: string) => operations.build(dir, "new", "new", 400_000) },
  load: { args: ["load", "new", "new", "400000"], again: (dir: string) => operations.load(dir, "new", "new", 400_000) },
  tag: { args: ["tag", "anchor", "other"], again: (dir: string) => operations.tag(dir, "anchor", "other") },
  remove: { args: ["remove", "victim"], again: async (dir: string) => ((await operations.remove(dir, "victim")) ? "gone" : "gone") },
  prune: { args: ["prune", "all"], again: async (dir: string) => ((await operations.prune(dir, true)) >= 0 ? "pruned" : "") },
} as const;

test("S01, S23: kill -9 at every call that changes a file", { skip: withoutStrace() }, async () => {
  const random = randomFrom("S01");
  for (const [kind, { args, again }] of Object.entries(KINDS)) {
    const scratch = join(folder, "undisturbed");
    cpSync(prepared, scratch, { recursive: true });
    const command = [args[0] as string, scratch, ...args.slice(1)];
    const lines = trace(folder, CALLS.join(","), [process.execPath, driver, ...command]);
    const expected = await again(scratch);
    rmSync(scratch, { recursive: true });

    // close changes nothing; it is traced so that the log shows when files are let go.
    const points = pointsOf(lines, scratch, CALLS, HEAVY).filter(({ call }) => call !== "close");
    const chosen = HEAVY ? points : points.filter(() => random() < 14 / points.length);
    assert.ok(points.length > 3, `${kind} has ${points.length} points to be killed at`);
    let killed = 0;
    for (const { call, n } of chosen) {
      const dir = join(folder, "storm");
      cpSync(prepared, dir, { recursive: true });
      const { signal, status } = strike({ call, n }, "signal=SIGKILL", [
        process.execPath,
        driver,
        args[0] as string,
        dir,
        ...args.slice(1),
      ]);
      if (signal === "SIGKILL" || status === 137) killed++;
      await judge(dir, `${kind} killed at ${call} ${n}`, () => again(dir), expected);
      rmSync(dir, { recursive: true });
    }
    assert.ok(killed >= chosen.length / 2, `${kind}: ${killed} of ${chosen.length} were killed`);
  }
});

test("S02: kill -9 at random moments, always the same store", async () => {
  const random = randomFrom("S02");
  const dir = join(folder, "random");
  cpSync(prepared, dir, { recursive: true });
  const rounds = HEAVY ? 300 : 30;
  const acknowledged = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    const kind = ["build", "load", "remove", "prune"][Math.floor(random() * 4)] as string;
    const name = `image${Math.floor(random() * 3)}`;
    const args = {
      build: [name, `seed${round % 7}`, "300000"],
      load: [name, `seed${round % 5}`, "300000"],
      remove: [name],
      prune: ["all"],
    }[kind];
    const { child, ended } = start(process.execPath, [driver, kind, dir, ...(args ?? [])], { detached: true });
    const timer = setTimeout(() => child.kill("SIGKILL"), 25 + random() * 60);
    const { out, status, err } = await ended;
    clearTimeout(timer);
    assert.ok(status === null || status === 0, err);
    const said = /^ok (.*)$/m.exec(out)?.[1];
    if (said !== undefined && (kind === "build" || kind === "load")) acknowledged.set(name, JSON.parse(said) as string);
    else if (kind !== "prune") acknowledged.delete(name);
    assert.deepEqual(await operations.errorsOf(dir), [], `round ${round}: ${kind}`);
    for (const [known, digest] of acknowledged) assert.equal(await operations.tag(dir, known, known), digest, `round ${round}: ${known}`);
  }
  assert.equal(await operations.tag(dir, "anchor", "anchor"), anchor);
  await operations.prune(dir, true);
  assert.deepEqual(readdirSync(join(dir, "tmp")), []);
  assert.deepEqual(readdirSync(join(dir, "trash")), []);
});
