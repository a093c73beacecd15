/**
 * Transfers through the faulty proxy: every one ends right or with a clear error, and the store is whole after each. NOUGHT_STORM is
 * their number (40), NOUGHT_STORM_SEED where the seeds begin: a failure names the seed to repeat it with.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Failure } from "../../src/kit/error.ts";
import { MEDIA } from "../../src/oci/media-type.ts";
import { formatReference, parseReference } from "../../src/oci/reference.ts";
import { copyImage } from "../../src/place/copy.ts";
import { takeImage } from "../../src/place/take-image.ts";
import type { Access, Repository } from "../../src/registry/face.ts";
import { openRepository } from "../../src/registry/repository.ts";
import { openStore } from "../../src/store/store.ts";
import { createTask, type TaskEvent } from "../../src/task/task.ts";
import { type FaultyProxy, seeded, startFaultyProxy } from "../faulty-proxy.ts";
import { startOwnRegistry } from "../registries.ts";
import { locationAt, noRegistry, startRegistry } from "../registry.ts";
import { memoryReader, type Sample, sampleImage, sampleIndex } from "../sample-image.ts";
import { ask } from "../suites/distribution-requests.ts";

const COUNT = Number(process.env["NOUGHT_STORM"] ?? 40);
const FIRST = Number(process.env["NOUGHT_STORM_SEED"] ?? 1);
/** Milliseconds for one transfer; the pauses of the client are short here. */
const PATIENCE = 30_000;
const PASSWORD = "marker-p4ss";
const CLEAR = new Set(["NETWORK", "DIGEST", "AUTH", "MANIFEST", "NOT_FOUND", "LIMIT"]);

const top = mkdtempSync(join(tmpdir(), "nought-storm-"));
after(() => rmSync(top, { recursive: true, force: true }));

const noise = (seed: number, size: number) => {
  const random = seeded(seed);
  return Array.from({ length: size / 8 }, () =>
    Math.floor(random() * 2 ** 32)
      .toString(36)
      .padStart(8, "0"),
  ).join("");
};

async function samples(): Promise<readonly Sample[]> {
  const small = await sampleImage();
  const two = await sampleImage({ layers: [{ a: noise(1, 400_000) }, { b: noise(2, 3 << 20), c: "c" }], compression: "gzip" });
  const many = await sampleImage({ layers: Array.from({ length: 12 }, (_, n) => ({ [`f${n}`]: noise(n, 8_000) })), compression: "zstd" });
  const index = sampleIndex([
    { sample: two, architecture: "amd64" },
    { sample: await sampleImage({ layers: [{ arm: noise(3, 100_000) }], architecture: "arm64" }), architecture: "arm64" },
  ]);
  return [small, two, many, index];
}

function at(host: string, repository: string, access: Access, events: TaskEvent[] = [], withPassword = true): Promise<Repository> {
  return openRepository(
    parseReference(`registry.example/${repository}`),
    {
      locate: async () => [locationAt(host, repository)],
      credentials: { find: async () => (withPassword ? { kind: "password", username: "me", password: PASSWORD } : undefined) },
      env: {},
      retryMs: 1,
      stallMs: 300,
      access,
    },
    createTask((event) => events.push(event)),
  );
}

const name = (repository: string) => parseReference(`registry.example/${repository}:1`);

/** Reads an image whole past all faults and compares every byte. */
async function wholeIn(host: string, repository: string, sample: Sample): Promise<void> {
  const tag = await ask(host, "GET", `/v2/${repository}/manifests/1`, { accept: sample.root.mediaType });
  assert.ok(sample.blobs.get(sample.root.digest)?.equals(tag.bytes), "the tag leads to the image");
  for (const [digest, bytes] of sample.blobs) {
    const kind = bytes.includes('"schemaVersion"') ? "manifests" : "blobs";
    const got = await ask(host, "GET", `/v2/${repository}/${kind}/${digest}`, { accept: `${MEDIA.manifest}, ${MEDIA.index}` });
    assert.ok(bytes.equals(got.bytes), `${digest} is whole`);
  }
}

for (const [kind, start, skip] of [
  ["nought's registry", () => startOwnRegistry(), false],
  ["docker-registry", () => startRegistry(), "skip" in noRegistry],
] as const) {
  const count = Math.ceil(COUNT / 2);
  test(`R03 R04 R05 R06 R07 R08 R10 R11 R18 R20: ${count} transfers with ${kind} behind a faulty proxy`, { skip }, async () => {
    const registry = await start();
    const images = await samples();
    for (const [n, sample] of images.entries()) {
      await using to = await at(registry.host, `from/${n}`, "push", [], false);
      await copyImage(memoryReader(sample.blobs), to, sample.root, createTask());
      await to.publish(name(`from/${n}`), sample.root, createTask());
    }
    const tally: Record<string, number> = {};
    const proxies: FaultyProxy[] = [];
    try {
      for (let n = 0; n < count; n++) {
        const seed = FIRST + n * 7919;
        const random = seeded(seed);
        const which = Math.floor(random() * images.length);
        const sample = images[which] as Sample;
        const rate = [0.05, 0.2, 0.5][Math.floor(random() * 3)] as number;
        const tokens = random() < 0.5 ? { tokens: { username: "me", password: PASSWORD, uses: 5 + Math.floor(random() * 20) } } : {};
        const proxy = await startFaultyProxy({ upstream: registry.host, seed, rate, holdMs: 3_000, ...tokens });
        proxies.push(proxy);
        const way = (["pull", "push", "copy"] as const)[Math.floor(random() * 3)] as "pull" | "push" | "copy";
        const events: TaskEvent[] = [];
        const told = () => `seed ${seed}, ${way} of ${which}\n${proxy.done.join("\n")}`;
        const began = performance.now();
        let outcome = "right";
        let problem: string | undefined;
        try {
          if (way === "pull") await pull(join(top, `store-${kind.length}-${n % 3}`), proxy, which, sample, events);
          else await push(proxy, way === "copy" ? which : undefined, `to/${seed}`, sample, events);
        } catch (error) {
          if (!(error instanceof Failure)) throw new Error(told(), { cause: error });
          outcome = error.code;
          problem = error.message;
          assert.ok(CLEAR.has(error.code) && error.message.length > 10, `${error.code}: ${error.message}: ${told()}`);
          assert.ok(!`${error.message}${error.hint ?? ""}`.includes(PASSWORD), told());
        }
        assert.ok(performance.now() - began < PATIENCE, `${Math.round(performance.now() - began)} ms: ${told()}`);
        if (outcome === "right" && way !== "pull") await wholeIn(registry.host, `to/${seed}`, sample);
        assert.ok(!JSON.stringify(events).includes(PASSWORD), told());
        if (proxy.done.length === 0) assert.equal(problem, undefined, told());
        tally[`${way} ${outcome}`] = (tally[`${way} ${outcome}`] ?? 0) + 1;
        await proxy.stop();
      }
    } finally {
      for (const proxy of proxies) await proxy.stop();
      await registry.close();
    }
    const right = Object.entries(tally).reduce((sum, [key, times]) => sum + (key.endsWith("right") ? times : 0), 0);
    console.log(`${kind}: ${JSON.stringify(tally)}`);
    assert.ok(right > count / 2, `faults are mostly overcome: ${JSON.stringify(tally)}`);
  });
}

async function pull(dir: string, proxy: FaultyProxy, which: number, sample: Sample, events: TaskEvent[]): Promise<void> {
  const task = createTask((event) => events.push(event));
  await using store = await openStore(dir);
  const target = parseReference(`registry.example/from/${which}:1`);
  const before = await store.resolve(target, task);
  try {
    await using from = await at(proxy.host, `from/${which}`, "pull", events);
    const root = await from.resolve(target, task);
    if (!root) throw new Failure("NOT_FOUND", `${formatReference(target)} is not there`);
    // As a load does it, with layers read to their diffIDs, or as a pull does, blob by blob.
    if (which % 2 === 0) await takeImage(store, from, root, task);
    else await copyImage(from, store, root, task);
    assert.equal(root.digest, sample.root.digest);
    await store.publish(target, root, task);
    await store.flush();
    for (const [digest, bytes] of sample.blobs) assert.equal(store.sizeOf(digest as never), bytes.length);
    // The next one begins with an empty store now and then.
    if (proxy.done.length % 2 === 0) await store.unname(target);
  } catch (error) {
    const now = await store.resolve(target, task);
    assert.equal(now?.digest, before?.digest, "no name moved");
    throw error;
  } finally {
    const findings = (await store.check()).filter((one) => one.level === "error");
    assert.deepEqual(findings, []);
    await store.collect();
  }
}

async function push(proxy: FaultyProxy, from: number | undefined, repository: string, sample: Sample, events: TaskEvent[]): Promise<void> {
  const task = createTask((event) => events.push(event));
  await using to = await at(proxy.host, repository, "push", events);
  if (from === undefined) await copyImage(memoryReader(sample.blobs), to, sample.root, task);
  else {
    await using source = await at(proxy.host, `from/${from}`, "pull", events);
    await copyImage(source, to, sample.root, task);
  }
  await to.publish(name(repository), sample.root, task);
}
