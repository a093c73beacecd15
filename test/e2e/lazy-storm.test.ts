/**
 * Builds on a base behind the faulty proxy: every one ends right or with a clear error, and store and registry hold nothing half.
 * NOUGHT_STORM is their number (16), NOUGHT_STORM_SEED where the seeds begin: a failure names the seed to repeat it with.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { build } from "../../src/build/build.ts";
import type { RemoteImages } from "../../src/build/remote.ts";
import { findBase } from "../../src/cli/registry/base.ts";
import { sendImage } from "../../src/cli/registry/push.ts";
import { Failure } from "../../src/kit/error.ts";
import { parseReference, type Reference } from "../../src/oci/reference.ts";
import { copyImage } from "../../src/place/copy.ts";
import type { Repository } from "../../src/registry/face.ts";
import { openRepository } from "../../src/registry/repository.ts";
import type { Surroundings } from "../../src/registry/surroundings.ts";
import type { ContentStore } from "../../src/store/face.ts";
import { openStore } from "../../src/store/store.ts";
import { createTask, type TaskEvent } from "../../src/task/task.ts";
import { assertWhole } from "../builds.ts";
import { seeded, startFaultyProxy } from "../faulty-proxy.ts";
import { startOwnRegistry } from "../registries.ts";
import { locationAt } from "../registry.ts";
import { memoryReader, sampleImage } from "../sample-image.ts";
import { BLANK } from "../workbench.ts";

const COUNT = Number(process.env["NOUGHT_STORM"] ?? 16);
const FIRST = Number(process.env["NOUGHT_STORM_SEED"] ?? 1);
const PATIENCE = 30_000;
const PASSWORD = "marker-p4ss";
const CLEAR = new Set(["NETWORK", "DIGEST", "AUTH", "MANIFEST", "NOT_FOUND", "LIMIT"]);

const top = mkdtempSync(join(tmpdir(), "nought-lazy-storm-"));
after(() => rmSync(top, { recursive: true, force: true }));
const named = (text: string) => parseReference(`registry.example/${text}`);

function around(host: string): Surroundings {
  return {
    env: {},
    credentials: { find: async () => ({ kind: "password", username: "me", password: PASSWORD }) },
    locate: async (name: Reference) => [locationAt(host, name.repository)],
    candidates: async (text) => [parseReference(text)],
    retryMs: 1,
    stallMs: 300,
  };
}

/** The registry behind a proxy as a build sees it. */
function remoteAt(host: string, into: ContentStore): RemoteImages & AsyncDisposable {
  const opened: Repository[] = [];
  return {
    candidates: async (text) => [parseReference(text)],
    async find(name, platform, task) {
      const from = await openRepository(name, { ...around(host), access: "pull" }, task);
      opened.push(from);
      return findBase(from, name, platform, into, {}, task);
    },
    push: async (name, root, how, store, task) => (await sendImage(name, root, how, store, store.through, around(host), task)).root,
    async [Symbol.asyncDispose]() {
      for (const one of opened) await one[Symbol.asyncDispose]();
    },
  };
}

test(`R03 R04 R05 R06 R07 R08 R11 R18 R20: ${COUNT} builds on a base behind a faulty proxy`, async () => {
  const registry = await startOwnRegistry();
  const random = seeded(7);
  const noise = (size: number) => Array.from({ length: size / 8 }, () => Math.floor(random() * 2 ** 32).toString(36)).join("");
  const base = await sampleImage({ compression: "gzip", layers: [{ a: noise(300_000) }, { b: noise(3 << 20) }, { c: "c" }] });
  {
    await using to = await openRepository(named("base:1"), { ...around(registry.host), access: "push" }, createTask());
    await copyImage(memoryReader(base.blobs), to, base.root, createTask());
    await to.publish(named("base:1"), base.root, createTask());
  }
  const folder = join(top, "context");
  mkdirSync(folder);
  writeFileSync(join(folder, "file"), noise(100_000));
  const tally: Record<string, number> = {};
  try {
    for (let n = 0; n < COUNT; n++) {
      const seed = FIRST + n * 7919;
      const pick = seeded(seed);
      const rate = [0.05, 0.2, 0.5][Math.floor(pick() * 3)] as number;
      const link = pick() < 0.5 ? "--link " : "";
      const way = pick() < 0.5 ? "push" : "keep";
      // Tokens that end in the middle.
      const tokens = pick() < 0.5 ? { tokens: { username: "me", password: PASSWORD, uses: 3 + Math.floor(pick() * 10) } } : {};
      const proxy = await startFaultyProxy({ upstream: registry.host, seed, rate, holdMs: 3_000, ...tokens });
      const dir = join(top, `store${n}`);
      const told = () => `seed ${seed}, ${way} ${link}\n${proxy.done.join("\n")}`;
      const target = named(`to/${seed}:1`);
      const began = performance.now();
      let outcome = "right";
      const events: TaskEvent[] = [];
      {
        await using store = await openStore(dir);
        await using remote = remoteAt(proxy.host, store);
        const output = { type: "image", names: [target], force: false, directory: false } as const;
        try {
          await build(
            {
              ...BLANK,
              context: { kind: "dir", path: folder },
              dockerfile: { kind: "text", text: `FROM registry.example/base:1\nCOPY ${link}file /x/\n` },
              outputs: [way === "push" ? { ...output, push: "only" } : output],
            },
            store,
            createTask((event) => events.push(event)),
            { remote },
          );
        } catch (error) {
          if (!(error instanceof Failure)) throw new Error(told(), { cause: error });
          outcome = error.code;
          assert.ok(CLEAR.has(error.code) && error.message.length > 10, `${error.code}: ${error.message}: ${told()}`);
        }
        assert.ok(!JSON.stringify(events).includes(PASSWORD), told());
        if (proxy.done.length === 0) assert.equal(outcome, "right", told());
        const isNamed = (await store.resolve(target, createTask())) !== undefined;
        assert.equal(isNamed, way === "keep" && outcome === "right", told());
      }
      await proxy.stop();
      assert.ok(performance.now() - began < PATIENCE, told());
      await assertWhole(dir, told());
      if (way === "push" && outcome === "right") {
        await using from = await openRepository(target, { ...around(registry.host), access: "pull" }, createTask());
        await using again = await openStore(join(top, `again${n}`));
        const root = await from.resolve(target, createTask());
        assert.ok(root, told());
        await copyImage(from, again, root, createTask());
        await again.publish(target, root, createTask());
        await assertWhole(join(top, `again${n}`), told());
      }
      tally[`${way} ${outcome}`] = (tally[`${way} ${outcome}`] ?? 0) + 1;
      for (const one of [dir, join(top, `again${n}`)]) rmSync(one, { recursive: true, force: true });
    }
  } finally {
    await registry.close();
  }
  console.log(`builds behind a faulty proxy: ${JSON.stringify(tally)}`);
  const right = Object.entries(tally).reduce((sum, [key, times]) => sum + (key.endsWith("right") ? times : 0), 0);
  assert.ok(right > COUNT / 2, JSON.stringify(tally));
});
