// What the store's fault tests do to a store, in this process or in one that is going to be killed.
import { createHash } from "node:crypto";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { familiarName, parseReference } from "../../src/oci/reference.ts";
import type { ContentStore } from "../../src/store/face.ts";
import { resolveHeld } from "../../src/store/resolve-held.ts";
import { openStore } from "../../src/store/store.ts";
import { imageOf, readWhole } from "../../src/store/testing/image.ts";
import { createTask } from "../../src/task/task.ts";

const task = createTask();

/** The same bytes for the same seed; no two blocks of 4 KiB are the same. */
export function contentOf(seed: string, size: number): Buffer {
  const block = Buffer.alloc(4096);
  for (let at = 0; at < block.length; at += 32) createHash("sha256").update(`${seed} ${at}`).digest().copy(block, at);
  const out = Buffer.alloc(Math.max(size, 1));
  for (let at = 0; at < out.length; at += block.length) {
    block.writeUInt32LE(at, 0);
    block.copy(out, at);
  }
  return out;
}

/** Builds an image of one layer as the build room does: recall, or write and remember; then config, manifest and name. */
export async function build(dir: string, name: string, seed: string, size = 1000): Promise<Digest> {
  await using store = await openStore(dir);
  return await buildIn(store, name, seed, size);
}

export async function buildIn(store: ContentStore, name: string, seed: string, size = 1000): Promise<Digest> {
  const key = digestOf(`key of ${seed}`);
  const bytes = contentOf(seed, size);
  const { layer, root, documents } = imageOf(bytes);
  if (store.recall(key)?.layer === undefined) {
    const writer = store.writer();
    for (let at = 0; at < bytes.length; at += 300_000) await writer.write(bytes.subarray(at, at + 300_000));
    await Promise.all([writer.commit(layer.digest, bytes.length), store.putMany(documents)]);
    await store.writeIndex(layer.digest, Buffer.from(`index of ${seed}`));
    store.remember({ key, layer: { diffId: layer.digest, blob: layer } });
    await store.flush();
  } else {
    await store.putMany(documents);
  }
  await store.publish(parseReference(name), root, task);
  return root.digest;
}

/** Stores an image as load and pull do: every blob streamed and compared with what it should be. */
export async function load(dir: string, name: string, seed: string, size = 1000): Promise<Digest> {
  await using store = await openStore(dir);
  const bytes = contentOf(seed, size);
  const { layer, config, root, documents } = imageOf(bytes);
  async function* chunks(whole: Buffer) {
    for (let at = 0; at < whole.length; at += 65_536) yield whole.subarray(at, at + 65_536);
  }
  if (!(await store.has(layer.digest))) await store.put(chunks(bytes), layer);
  await store.put(chunks(documents[0]), config);
  await store.put(chunks(documents[1]), root);
  await store.publish(parseReference(name), root, task);
  return root.digest;
}

export async function tag(dir: string, from: string, to: string): Promise<Digest> {
  await using store = await openStore(dir);
  const root = await store.resolve(parseReference(from), task);
  if (root === undefined) throw new Error(`there is no ${from}`);
  await store.publish(parseReference(to), root, task);
  return root.digest;
}

/** Every name with the digest of its root. */
export async function names(dir: string): Promise<Record<string, string>> {
  await using store = await openStore(dir);
  return Object.fromEntries((await store.names()).map(({ name, root }) => [familiarName(name).replace(":latest", ""), root.digest]));
}

export async function remove(dir: string, name: string): Promise<boolean> {
  await using store = await openStore(dir);
  return await store.unname(parseReference(name));
}

/** `image prune -a` without the names, and `builder prune -a` with `all`. */
export async function prune(dir: string, all = false, lockTimeoutMs = 60_000, onWait: (text: string) => void = () => {}): Promise<number> {
  await using store = await openStore(dir, { lockTimeoutMs, onWait });
  if (all) await store.forgetRecords(() => false);
  return (await store.collect()).removed.length;
}

/** Reads everything of every image, the way save does. Returns the number of images. */
export async function readAll(dir: string): Promise<number> {
  await using store = await openStore(dir);
  const names = await store.names();
  for (const { name } of names) {
    const root = await resolveHeld(store, name, task);
    if (root !== undefined) await readImage(store, root);
  }
  return names.length;
}

async function readImage(store: ContentStore, root: Descriptor): Promise<void> {
  const manifest = JSON.parse(store.readDocument(root).toString()) as { config: Descriptor; layers: Descriptor[] };
  store.readDocument(manifest.config);
  for (const layer of manifest.layers) await readWhole(store, layer);
}

/** Everything wrong with a store, as sentences. */
export async function errorsOf(dir: string): Promise<string[]> {
  await using store = await openStore(dir);
  return (await store.check()).filter(({ level }) => level === "error").map(({ message }) => message);
}
