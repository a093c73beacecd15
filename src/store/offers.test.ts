import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import { createTask } from "../task/task.ts";
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
