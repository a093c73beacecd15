import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../../src/kit/error.ts";
import { digestOf } from "../../src/oci/digest.ts";
import type { Place } from "../../src/oci/place.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { createTask } from "../../src/task/task.ts";
import { fill, sampleImage } from "../sample-image.ts";

const task = createTask();
const failing = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;
const bytes = Buffer.from("some bytes that go in and come out");
const what = { mediaType: "application/octet-stream", digest: digestOf(bytes), size: bytes.length };

async function* pieces(of: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < of.length; at += 7) yield of.subarray(at, at + 7);
}

/** What every place where images can live must do (oci/place.ts). `open` gives a fresh, empty one; `close` takes it away. */
export function placeSuite(name: string, open: () => Promise<Place>, close: () => Promise<void>): void {
  const within = async (use: (place: Place) => Promise<void>) => {
    try {
      await use(await open());
    } finally {
      await close();
    }
  };
  const read = async (place: Place, from?: number, to?: number) => {
    await using opened = await place.open(what);
    const chunks: Uint8Array[] = [];
    for await (const chunk of opened.read(from, to)) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };

  test(`${name}: bytes go in whole or in pieces, twice, and come out whole or in part`, () =>
    within(async (place) => {
      assert.equal(await place.has(what.digest), false);
      await assert.rejects(place.open(what), failing("NOT_FOUND"));
      assert.deepEqual(await place.put(pieces(bytes)), { digest: what.digest, size: what.size });
      assert.deepEqual(await place.put(bytes, what), { digest: what.digest, size: what.size });
      assert.equal(await place.has(what.digest), true);
      assert.equal(await read(place), bytes.toString());
      assert.equal(await read(place, 5, 10), "bytes");
      assert.equal(await read(place, 31), "out");
      assert.equal(await read(place, 3, 3), "");
    }));

  test(`${name}: bytes that are not what was announced are refused and not kept`, () =>
    within(async (place) => {
      for (const bad of [Buffer.from("other bytes of the same length ..."), bytes.subarray(1), Buffer.concat([bytes, bytes])]) {
        await assert.rejects(place.put(pieces(bad), what), failing("DIGEST"));
        await assert.rejects(place.put(bad, what), failing("DIGEST"));
        assert.equal(await place.has(what.digest), false);
      }
      const broken = async function* () {
        yield bytes.subarray(0, 5);
        throw new Failure("NETWORK", "cut");
      };
      await assert.rejects(place.put(broken(), what), failing("NETWORK"));
      assert.equal(await place.has(what.digest), false);
    }));

  test(`${name}: an announced size that is not the blob's is DIGEST`, () =>
    within(async (place) => {
      await place.put(bytes);
      const work = async () => {
        await using opened = await place.open({ ...what, size: what.size + 1 });
        for await (const _ of opened.read());
      };
      await assert.rejects(work(), failing("DIGEST"));
    }));

  test(`${name}: names are set, moved and found; others are not`, () =>
    within(async (place) => {
      const [one, two] = [await sampleImage(), await sampleImage({ layers: [{ other: "x" }] })];
      for (const sample of [one, two]) await fill(place, sample);
      const name = parseReference("registry.example/app:1");
      assert.equal(await place.resolve(name, task), undefined);
      await place.publish(name, one.root, task);
      assert.equal((await place.resolve(name, task))?.digest, one.root.digest);
      await place.publish(name, two.root, task);
      assert.equal((await place.resolve(name, task))?.digest, two.root.digest);
      assert.equal(await place.resolve(parseReference("registry.example/app:2"), task), undefined);
      assert.equal(await place.resolve(parseReference("other.example/app:1"), task), undefined);
    }));

  test(`${name}: twenty writers of the same bytes at once do not disturb each other`, () =>
    within(async (place) => {
      await Promise.all(Array.from({ length: 20 }, () => place.put(pieces(bytes), what)));
      assert.equal(await read(place), bytes.toString());
    }));
}
