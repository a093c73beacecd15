import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { Layer } from "../image/layer.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import { type OfferingStore, withOffers } from "../store/offers.ts";
import { openStore } from "../store/store.ts";
import { createTask } from "../task/task.ts";
import type { ReadCache, TravelRecord } from "./face.ts";
import { createMemory } from "./memory.ts";

const task = createTask();
const key = (name: string) => digestOf(`key ${name}`);

/** A layer, and the bytes of its blob. */
function packed(text: string): { readonly layer: Layer; readonly bytes: Buffer } {
  const bytes = gzipSync(text);
  return { layer: { diffId: digestOf(text), blob: { mediaType: MEDIA.layerGzip, digest: digestOf(bytes), size: bytes.length } }, bytes };
}

function cacheOf(records: readonly TravelRecord[], ...blobs: readonly Buffer[]): ReadCache {
  const from: BytesReader = {
    has: async (digest) => blobs.some((one) => digestOf(one) === digest),
    async open(what) {
      const bytes = blobs.find((one) => digestOf(one) === what.digest);
      if (!bytes) throw new Error("gone");
      return {
        size: bytes.length,
        async *read(start = 0, end = bytes.length) {
          yield bytes.subarray(start, end);
        },
        async [Symbol.asyncDispose]() {},
      };
    },
  };
  return { records, blobs: from };
}

async function withStore(use: (store: OfferingStore) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "nought-memory-"));
  try {
    await using store = await openStore(join(dir, "store"));
    await use(withOffers(store, task));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const one = packed("one");
const two = packed("two");
const record = (name: string, { layer }: typeof one): TravelRecord => ({ key: key(name), layer, newest: 7, exact: key(`exact ${name}`) });

test("what is used of a cache is kept once its layer is here, and not before", async () => {
  await withStore(async (store) => {
    const cache = cacheOf([record("a", one), record("b", two), { key: key("seen") }], one.bytes, two.bytes);
    const memory = createMemory(store, [cache]);
    assert.deepEqual(memory.recall(key("a"))?.layer, one.layer);
    assert.deepEqual(memory.recall(key("b"))?.value, { newest: 7, exact: key("exact b") });
    memory.remember({ key: key("copied"), layer: one.layer, value: { newest: 7 } });
    assert.deepEqual(memory.recall(key("copied"))?.layer, one.layer);
    memory.keep();
    assert.equal(store.records().length, 0, "a record without its layer is worth nothing");
    await store.bring([one.layer.blob], task);
    memory.keep();
    assert.deepEqual(
      store
        .records()
        .map((found) => found.key)
        .sort(),
      [key("a"), key("copied")].sort(),
    );
    const used = memory.used().map((found) => found.key);
    assert.deepEqual(used.sort(), ["a", "exact a", "b", "exact b", "copied"].map(key).sort());
  });
});

test("the first cache that knows a key counts, and a blob comes from whichever cache has it", async () => {
  await withStore(async (store) => {
    const memory = createMemory(store, [cacheOf([record("a", one)]), cacheOf([record("a", two), record("b", one)], one.bytes, two.bytes)]);
    assert.deepEqual(memory.recall(key("a"))?.layer, one.layer);
    await store.bring([one.layer.blob], task);
    assert.equal(store.sizeOf(one.layer.blob.digest), one.bytes.length);
    assert.equal(memory.letDown, false);
  });
});

test("a blob that is said to be another layer than it is comes to nothing", async () => {
  await withStore(async (store) => {
    const lie = { layer: { ...one.layer, diffId: two.layer.diffId } };
    const memory = createMemory(store, [cacheOf([{ ...record("lie", one), ...lie }, record("a", one)], one.bytes)]);
    // Of two sayings about one blob the first is tried, and found out.
    assert.equal(memory.recall(key("a")), undefined);
    assert(memory.recall(key("lie")));
    await assert.rejects(store.bring([one.layer.blob], task), { code: "DIGEST" });
    assert.equal(store.sizeOf(one.layer.blob.digest), undefined);
    assert.equal(memory.letDown, true);
  });
});

test("a blob that is here as one layer is not taken for another", async () => {
  await withStore(async (store) => {
    await store.put(one.bytes);
    store.noteBlob(one.layer.diffId, one.layer.blob);
    const lie = { ...record("lie", one), layer: { ...one.layer, diffId: two.layer.diffId } };
    const memory = createMemory(store, [cacheOf([lie, record("a", one)], one.bytes)]);
    assert.equal(memory.recall(key("lie")), undefined);
    assert(memory.recall(key("a")));
  });
});

test("promises count for a look alone, and what the store has comes before them", async () => {
  await withStore(async (store) => {
    const promise: TravelRecord = { key: key("a"), promised: one.layer.diffId, newest: 7 };
    const memory = createMemory(store, [cacheOf([promise])]);
    assert.equal(memory.recall(key("a")), undefined);
    const guess = memory.promises?.recall(key("a"));
    assert.equal(guess?.layer?.diffId, one.layer.diffId);
    assert(guess.layer && memory.promises?.has(guess.layer.blob) && !store.available(guess.layer.blob));
    assert.deepEqual(memory.used(), [promise], "it goes on into the next cache");
    await store.put(one.bytes);
    store.remember({ key: key("a"), layer: one.layer, value: { newest: 7 } });
    assert.deepEqual(memory.promises?.recall(key("a"))?.layer, one.layer);
    assert.equal(createMemory(store, [cacheOf([record("a", one)])]).promises, undefined);
  });
});
