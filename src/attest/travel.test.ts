import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { createLayout, publishUnnamed } from "../place/layout.ts";
import { openStore } from "../store/store.ts";
import { putImage } from "../store/testing/image.ts";
import { createTask } from "../task/task.ts";
import { type Artifact, artifactFor, statementArtifact } from "./artifact.ts";
import { attestationManifest } from "./docker-style.ts";
import { retarget } from "./retarget.ts";
import { type Statement, statementFor, subjectFor } from "./statement.ts";
import { attachedTo, copyReferrers, referrersAmong, subjectsOf } from "./travel.ts";

const task = createTask();
const other: Descriptor = { mediaType: MEDIA.manifest, digest: digestOf("packed"), size: 6 };
const about = (image: Descriptor): Statement => statementFor([subjectFor(image.digest)], "https://slsa.dev/provenance/v1", { n: 1 });

async function withStore(work: (store: Awaited<ReturnType<typeof openStore>>, dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "nought-travel-"));
  try {
    await using store = await openStore(join(dir, "store"));
    await work(store, dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const put = async (store: { put(bytes: Uint8Array): Promise<unknown> }, artifact: Artifact) => {
  for (const { bytes } of [...artifact.blobs, artifact.manifest]) await store.put(bytes);
  return artifact.manifest.descriptor;
};

test("an unsigned statement says the same of the packed form of its image, in both styles", () =>
  withStore(async (store) => {
    const { root } = await putImage(store, "a layer");
    const referrer = await put(store, statementArtifact(root, about(root)));
    assert.deepEqual(await retarget(store, referrer, root.digest, other), statementArtifact(other, about(other)));
    const docker = await put(store, attestationManifest([about(root)]));
    assert.deepEqual(await retarget(store, docker, root.digest, other), attestationManifest([about(other)]));
  }));

test("what is signed, or about something else, is not rewritten", () =>
  withStore(async (store) => {
    const { root } = await putImage(store, "a layer");
    const envelope = { mediaType: "application/vnd.dsse.envelope.v1+json", bytes: Buffer.from('{"payload":""}') };
    const signed = await put(store, artifactFor(root, envelope.mediaType, [envelope]));
    assert.equal(await retarget(store, signed, root.digest, other), undefined);
    const foreign = await put(store, statementArtifact(root, about({ ...other, digest: digestOf("a third") })));
    assert.equal(await retarget(store, foreign, root.digest, other), undefined);
    const noStatement = await put(store, artifactFor(root, MEDIA.inToto, [{ mediaType: MEDIA.inToto, bytes: Buffer.from("{}") }]));
    assert.equal(await retarget(store, noStatement, root.digest, other), undefined);
  }));

test("what refers to an image goes along from the store to a layout and back, with what refers to that", () =>
  withStore(async (store, dir) => {
    const { root } = await putImage(store, "a layer");
    const first = await put(store, statementArtifact(root, about(root)));
    await store.attach(first);
    const second = await put(store, artifactFor(first, "application/x-note", [{ mediaType: "text/plain", bytes: Buffer.from("seen") }]));
    await store.attach(second);
    assert.deepEqual(
      (await subjectsOf(store, root)).map((one) => one.digest),
      [root.digest],
    );
    const layout = await createLayout(join(dir, "layout"));
    await copyReferrers(store, layout, [root.digest], task, ({ referrer }) => publishUnnamed(layout, referrer));
    const listed = (await layout.index()).manifests;
    assert.deepEqual(
      listed.map((one) => [one.digest, one.artifactType]),
      [
        [first.digest, MEDIA.inToto],
        [second.digest, "application/x-note"],
      ],
    );
    assert.ok(listed.every((one) => one.annotations?.["org.opencontainers.image.ref.name"] === undefined));
    const found = await attachedTo(await referrersAmong(layout, listed), [root.digest]);
    assert.deepEqual(
      found.map((one) => [one.subject, one.referrer.digest]),
      [
        [root.digest, first.digest],
        [first.digest, second.digest],
      ],
    );
  }));

test("a list that calls a stranger a referrer is not believed", () =>
  withStore(async (store, dir) => {
    const { root } = await putImage(store, "a layer");
    const image = await put(store, statementArtifact(other, about(other)));
    const onTop = await put(store, artifactFor(image, "application/x-note", []));
    const notes: string[] = [];
    const telling = createTask((event) => event.type === "note" && notes.push(event.text));
    const layout = await createLayout(join(dir, "layout"));
    const lying = {
      has: store.has,
      open: store.open,
      referrers: async (subject: unknown) => (subject === root.digest ? [image] : subject === image.digest ? [onTop] : []),
    };
    assert.deepEqual(await copyReferrers(lying, layout, [root.digest], telling), []);
    assert.equal(await layout.has(image.digest), false);
    assert.equal(await layout.has(onTop.digest), false, "nor what refers to the stranger");
    assert.match(notes.join(), /is listed as a referrer of .*, but refers to .*: passed over/);
  }));
