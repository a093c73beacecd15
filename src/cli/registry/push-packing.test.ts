/** Plain layers are packed on their way to a registry: what is sent, how often, and what stays in the store. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { seeded } from "../../../test/faulty-proxy.ts";
import { locationAt } from "../../../test/registry.ts";
import { fill, type Sample, sampleImage } from "../../../test/sample-image.ts";
import { NAME, type Script, type Scripted, scripted } from "../../../test/scripted-registry.ts";
import { Failure } from "../../kit/error.ts";
import { digestOf } from "../../oci/digest.ts";
import { hostPlatform } from "../../oci/platform.ts";
import type { ContentStore } from "../../store/face.ts";
import { openStore } from "../../store/store.ts";
import { createTask } from "../../task/task.ts";
import { type Packing, pushImage } from "./push.ts";

const random = seeded(7);
const text = Array.from({ length: 300_000 }, () => Math.floor(random() * 2 ** 32).toString(36)).join("");
let dir: string;
let store: ContentStore;
let sample: Sample;
const open: Scripted[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "nought-push-packing-"));
  store = await openStore(join(dir, "store"));
  sample = await sampleImage({ architecture: hostPlatform().architecture, layers: [{ large: text }, { small: "small\n" }] });
  await fill(store, sample);
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  await store[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

async function registry(script?: Script): Promise<Scripted> {
  const one = await scripted(undefined, script);
  open.push(one);
  return one;
}

const GZIP: Packing = { compression: "gzip", force: false };

function push(to: Scripted, packing = GZIP) {
  const around = {
    locate: async () => [locationAt(to.host, "app")],
    candidates: async () => [NAME],
    credentials: { find: async () => undefined },
    env: {},
    retryMs: 1,
  };
  return pushImage(NAME, sample.root, packing, store, around, createTask());
}

const blobsOf = () => readdirSync(join(dir, "store/blobs/sha256")).length;
const asked = ({ log }: Scripted, method: string, from = 0) => log.slice(from).filter((one) => one.method === method).length;

/** The registry's layers unpack to those of the image. */
function whole(to: Scripted): void {
  const manifest = JSON.parse(to.blobs.get(to.tags.get("1") as string)?.toString() as string);
  const diffIds = manifest.layers.map(({ digest }: { digest: string }) => digestOf(gunzipSync(to.blobs.get(digest) as Buffer)));
  assert.deepEqual(diffIds, sample.diffIds);
}

test("layers are packed while they are sent: the store keeps no second copy, and the next push sends nothing", async () => {
  const to = await registry();
  const before = blobsOf();
  const first = await push(to);
  whole(to);
  assert.deepEqual(
    first.layers.map(({ what }) => what),
    ["Pushed", "Pushed"],
  );
  assert.equal(blobsOf(), before + 1, "the packed manifest alone is new");
  await store.flush();
  await store[Symbol.asyncDispose]();
  store = await openStore(join(dir, "store"));
  const at = to.log.length;
  const second = await push(to);
  assert.deepEqual(second.root, first.root);
  assert.deepEqual([asked(to, "POST", at), asked(to, "PATCH", at), asked(to, "PUT", at)], [0, 0, 0]);
});

test("a registry that lacks what another has got is sent the same bytes, packed once more", async () => {
  const [one, other] = [await registry(), await registry()];
  const first = await push(one);
  assert.deepEqual((await push(other)).root, first.root);
  whole(other);
});

test("a layer that the registry has is not packed again for a new tag of it", async () => {
  const to = await registry();
  await push(to);
  to.tags.clear();
  const root = [...to.blobs].find(([, bytes]) => bytes.includes("layers") && bytes.includes("schemaVersion"))?.[0] as string;
  to.blobs.delete(root);
  const at = to.log.length;
  await push(to);
  whole(to);
  assert.deepEqual([asked(to, "POST", at), asked(to, "PATCH", at), asked(to, "PUT", at)], [0, 0, 2], "the manifest, and its tag");
});

test("R18: a registry that takes no body of unknown length gets it in one piece", async () => {
  const to = await registry(({ method, headers }, response) => {
    if (method !== "PATCH" || headers["content-length"] !== undefined) return false;
    response.writeHead(411).end();
    return true;
  });
  await push(to);
  whole(to);
});

test("R06/R18: a line that breaks while a layer is packed and sent begins anew", async () => {
  let cuts = 0;
  const to = await registry(({ method }, _, request) => {
    if (method !== "PATCH" || cuts++ > 1) return false;
    request.once("data", () => request.socket.destroy());
    return true;
  });
  await push(to);
  whole(to);
  assert.equal(asked(to, "PATCH"), 3);
});

test("T25: a layer that was damaged in the store is not pushed, and is told", async () => {
  const to = await registry();
  const path = store.pathOf(sample.layers[0]?.digest as never);
  const bytes = Buffer.from(sample.blobs.get(sample.layers[0]?.digest as never) as Buffer);
  bytes[1000] = (bytes[1000] as number) ^ 1;
  rmSync(path);
  writeFileSync(path, bytes);
  await assert.rejects(push(to), (error: unknown) => error instanceof Failure && error.code === "DIGEST" && /damaged/.test(error.message));
  assert.equal(to.tags.size, 0);
});
