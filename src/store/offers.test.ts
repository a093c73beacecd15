import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import { createTask } from "../task/task.ts";
import { withDocuments } from "./documents.ts";
import { withOffers } from "./offers.ts";
import { openStore } from "./store.ts";
import { readWhole } from "./testing/image.ts";

const root = mkdtempSync(join(tmpdir(), "nought-offers-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = () => join(root, String(count++));
const task = createTask();
const blobOf = (text: string): Descriptor => ({ mediaType: MEDIA.layer, digest: digestOf(text), size: text.length });

/** A place that gives `text` for whatever is asked, and counts. */
function giving(text: string): BytesReader & { asked: number } {
  return {
    asked: 0,
    has: async () => true,
    async open() {
      this.asked++;
      return {
        size: text.length,
        async *read() {
          yield Buffer.from(text);
        },
        async [Symbol.asyncDispose]() {},
      };
    },
  };
}

test("an offered blob is fetched when it is read, once, and then in the store", async () => {
  await using plain = await openStore(fresh());
  const store = withOffers(plain, task);
  const from = giving("far away");
  const blob = blobOf("far away");
  assert.equal(store.available(blob), false);
  store.offer(blob, from);
  assert.equal(store.available(blob), true);
  assert.equal(await store.has(blob.digest), false);
  assert.equal(from.asked, 0);
  const both = await Promise.all([readWhole(store, blob), readWhole(store, blob)]);
  assert.deepEqual(both.map(String), ["far away", "far away"]);
  assert.equal(from.asked, 1);
  assert.equal(await plain.has(blob.digest), true);
});

test("what is offered can be brought together; what is not offered is let be", async () => {
  await using plain = await openStore(fresh());
  const store = withOffers(plain, task);
  const blobs = ["a", "bb", "ccc", "dddd", "eeeee"].map(blobOf);
  for (const [at, text] of ["a", "bb", "ccc", "dddd", "eeeee"].entries()) store.offer(blobs[at] as Descriptor, giving(text));
  await store.bring([...blobs, blobOf("nobody has it")], task);
  for (const { digest } of blobs) assert.equal(await plain.has(digest), true);
});

test("an offer that gives other bytes is asked once more and refused, nothing stays, and the next reader asks again", async () => {
  await using plain = await openStore(fresh());
  const store = withOffers(plain, task);
  const blob = blobOf("true words");
  const liar = giving("fake words");
  store.offer(blob, liar);
  for (let i = 0; i < 2; i++) await assert.rejects(store.open(blob), (error) => (error as Failure).code === "DIGEST");
  assert.equal(liar.asked, 4);
  assert.equal(await plain.has(blob.digest), false);
});

test("passed through, an offered blob is asked for at its first byte and not kept; what is here is read here", async () => {
  await using plain = await openStore(fresh());
  const store = withOffers(plain, task);
  const blob = blobOf("far away");
  const from = giving("far away");
  store.offer(blob, from);
  {
    await using opened = await store.through.open(blob);
    assert.equal(opened.size, blob.size);
  }
  assert.equal(from.asked, 0, "nobody read");
  assert.equal(String(await readWhole(store.through, blob)), "far away");
  assert.equal(await plain.has(blob.digest), false);
  await store.bring([blob], task);
  assert.equal(String(await readWhole(store.through, blob)), "far away");
  assert.equal(from.asked, 2);
  await assert.rejects(store.through.open(blobOf("nowhere")), (error) => (error as Failure).code === "NOT_FOUND");
});

test("a record counts where its layer is offered, and not otherwise", async () => {
  await using plain = await openStore(fresh());
  const store = withOffers(plain, task);
  const blob = blobOf("a layer");
  const key = digestOf("key");
  store.remember({ key, layer: { diffId: blob.digest, blob } });
  assert.equal(store.recall(key), undefined);
  store.offer(blob, giving("a layer"));
  assert.equal(store.recall(key)?.layer?.blob.digest, blob.digest);
  assert.equal(plain.recall(key), undefined);
});

test("what is here and damaged is healed by an offer", async () => {
  await using plain = await openStore(fresh());
  const store = withOffers(plain, task);
  const blob = blobOf("whole");
  await plain.put(Buffer.from("whole"));
  chmodSync(plain.pathOf(blob.digest), 0o600);
  writeFileSync(plain.pathOf(blob.digest), "ho");
  await assert.rejects(store.open(blob), (error) => (error as Failure).code === "DIGEST");
  writeFileSync(plain.pathOf(blob.digest), "ho");
  store.offer(blob, giving("whole"));
  assert.equal(String(await readWhole(store, blob)), "whole");
});

test("no more than three come at once, whoever wants them; a fetch stops when its task does", async () => {
  await using plain = await openStore(fresh());
  const stop = new AbortController();
  const store = withOffers(
    plain,
    createTask(() => {}, stop.signal),
  );
  let now = 0;
  let most = 0;
  const slow = (text: string): BytesReader => ({
    has: async () => true,
    open: async () => ({
      size: text.length,
      async *read() {
        most = Math.max(most, ++now);
        await sleep(5);
        yield Buffer.from(text);
        now--;
      },
      async [Symbol.asyncDispose]() {},
    }),
  });
  const texts = Array.from({ length: 9 }, (_, n) => `blob ${n}`);
  for (const text of texts) store.offer(blobOf(text), slow(text));
  await Promise.all([store.bring(texts.slice(0, 5).map(blobOf), task), ...texts.slice(4).map((text) => readWhole(store, blobOf(text)))]);
  assert.equal(most, 3);
  store.offer(blobOf("late"), slow("late"));
  stop.abort();
  await assert.rejects(store.open(blobOf("late")), (error) => (error as Failure).code === "INTERRUPTED");
});

test("documents put for sending stay in memory, over what the store has", async () => {
  await using plain = await openStore(fresh());
  const desk = withDocuments(withOffers(plain, task));
  const [one] = await desk.putMany([Buffer.from("{}")]);
  const what = { mediaType: MEDIA.manifest, ...(one as { digest: Descriptor["digest"]; size: number }) };
  assert.equal(await plain.has(what.digest), false);
  assert.equal(await desk.has(what.digest), true);
  assert.equal(desk.sizeOf(what.digest), 2);
  assert.equal(String(desk.readDocument(what)), "{}");
  assert.equal(String(await readWhole(desk.through, what)), "{}");
  async function* layer() {
    yield Buffer.from("a layer");
  }
  const stored = await desk.put(layer());
  assert.equal(await plain.has(stored.digest), true, "what comes in pieces is the store's");
});

test("a layer that may not be passed on is brought where it is to be had, and let be where not", async () => {
  await using plain = await openStore(fresh());
  const store = withOffers(plain, task);
  const foreign = (text: string) => ({ ...blobOf(text), mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar" });
  const lacking: BytesReader = {
    has: async () => false,
    open: (what) => Promise.reject(new Failure("NOT_FOUND", `${what.digest} is not here`)),
  };
  store.offer(foreign("here"), giving("here"));
  store.offer(foreign("gone"), lacking);
  store.offer(blobOf("lost"), lacking);
  await store.bring([foreign("here"), foreign("gone")], task);
  assert.equal(await plain.has(foreign("here").digest), true);
  await assert.rejects(store.bring([blobOf("lost")], task), (error) => (error as Failure).code === "NOT_FOUND");
});
