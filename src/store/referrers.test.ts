import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { parseReference } from "../oci/reference.ts";
import { createTask } from "../task/task.ts";
import type { ContentStore } from "./face.ts";
import { openStore } from "./store.ts";
import { putImage } from "./testing/image.ts";

const task = createTask();
const APP = parseReference("app:1");

async function withFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "nought-referrers-"));
  try {
    await work(join(dir, "store"));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** A manifest with a blob of its own that refers to another. */
async function putReferrer(store: ContentStore, subject: Descriptor, text: string): Promise<{ root: Descriptor; blob: Descriptor }> {
  const blob = { mediaType: "text/plain", ...(await store.put(Buffer.from(text))) };
  const config = { mediaType: MEDIA.empty, ...(await store.put(Buffer.from("{}"))) };
  const annotations = { about: text };
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    artifactType: "text/plain",
    config,
    layers: [blob],
    subject,
    annotations,
  };
  return { root: { mediaType: MEDIA.manifest, ...(await store.put(Buffer.from(JSON.stringify(manifest)))) }, blob };
}

test("what is attached to an image is listed, stays while the image does, and goes with it", () =>
  withFolder(async (dir) => {
    let root: Descriptor;
    let signature: { root: Descriptor; blob: Descriptor };
    let onTop: { root: Descriptor; blob: Descriptor };
    {
      await using store = await openStore(dir);
      ({ root } = await putImage(store, "a layer"));
      await store.publish(APP, root, task);
      signature = await putReferrer(store, root, "signed");
      assert.equal(await store.attach(signature.root), root.digest);
      assert.equal(await store.attach(signature.root), root.digest, "twice is harmless");
      onTop = await putReferrer(store, signature.root, "about the signature");
      await store.attach(onTop.root);
    }
    await using store = await openStore(dir);
    await store.collect();
    const [entry, ...more] = await store.referrers(root.digest);
    assert.deepEqual(more, []);
    assert.deepEqual(entry, { ...signature.root, artifactType: "text/plain", annotations: { about: "signed" } });
    assert.deepEqual(await store.referrers(root.digest, "other/type"), []);
    assert.equal((await store.referrers()).length, 2);
    for (const one of [signature.blob, onTop.root, onTop.blob]) assert.equal(store.sizeOf(one.digest), one.size, "all of it was kept");
    assert.deepEqual(await store.check(), []);
    assert.equal((await store.usage()).unreferenced.total, 0);
    await store.unname(APP);
    await store[Symbol.asyncDispose]();

    await using later = await openStore(dir);
    await later.collect();
    assert.equal(later.sizeOf(signature.root.digest), undefined);
    assert.equal(later.sizeOf(onTop.root.digest), undefined);
    assert.deepEqual(await later.referrers(root.digest), []);
    assert.deepEqual(readdirSync(join(dir, "referrers")), [], "nothing of it is left");
  }));

test("only what names a subject that is here can be attached, and it can be taken back", () =>
  withFolder(async (dir) => {
    await using store = await openStore(dir);
    const { root } = await putImage(store, "a layer");
    const refused = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;
    await assert.rejects(store.attach(root), refused("MANIFEST"));
    const stranger = await putReferrer(store, { mediaType: MEDIA.manifest, digest: digestOf("elsewhere"), size: 9 }, "about nobody");
    await assert.rejects(store.attach(stranger.root), refused("NOT_FOUND"));
    const signature = await putReferrer(store, root, "signed");
    await store.attach(signature.root);
    assert.equal(await store.detach(root.digest, signature.root.digest), true);
    assert.equal(await store.detach(root.digest, signature.root.digest), false);
    assert.deepEqual(await store.referrers(root.digest), []);
  }));

test("what is attached while another collects stays whole", () =>
  withFolder(async (dir) => {
    await using one = await openStore(dir);
    await using other = await openStore(dir);
    const { root } = await putImage(one, "a layer");
    await one.publish(APP, root, task);
    const attached: Descriptor[] = [];
    const attaching = (async () => {
      for (let n = 0; n < 30; n++) {
        const { root: referrer } = await putReferrer(one, root, `said ${n}`);
        await one.attach(referrer);
        attached.push(referrer);
      }
    })();
    const collecting = (async () => {
      for (let n = 0; n < 10; n++) await other.collect();
    })();
    await Promise.all([attaching, collecting]);
    await other.collect();
    assert.deepEqual(
      (await other.referrers(root.digest)).map((entry) => entry.digest),
      attached.map((entry) => entry.digest).sort(),
    );
    assert.deepEqual(
      (await other.check()).filter((finding) => finding.level === "error"),
      [],
    );
  }));

test("an image that is given up and attached to again at the same time loses nothing that was attached", () =>
  withFolder(async (dir) => {
    await using one = await openStore(dir);
    await using other = await openStore(dir);
    const { root } = await putImage(one, "a layer");
    const { root: referrer } = await putReferrer(one, root, "signed");
    await one.publish(APP, root, task);
    await one.attach(referrer);
    await one[Symbol.asyncDispose]();
    await other.unname(APP);
    await using third = await openStore(dir);
    // Whoever leases first: either all of it is gone, or all of it is there.
    const [came] = await Promise.allSettled([third.attach(referrer), other.collect()]);
    const there = await other.referrers(root.digest);
    if (came.status === "fulfilled") assert.equal(there.length, 1);
    else assert.deepEqual(there, []);
  }));
