/** A repository of our own registry for tests of signatures, and images in it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeManifest } from "../src/image/documents.ts";
import type { Descriptor } from "../src/oci/descriptor.ts";
import { type Digest, digestOf } from "../src/oci/digest.ts";
import { MEDIA } from "../src/oci/media-type.ts";
import { parseReference } from "../src/oci/reference.ts";
import type { Repository } from "../src/registry/face.ts";
import { openRepository } from "../src/registry/repository.ts";
import { type PublicKey, readPublicKey } from "../src/sign/keys/public-key.ts";
import { createTask } from "../src/task/task.ts";
import { startOwnRegistry } from "./registries.ts";
import { locationAt } from "./registry.ts";

export const task = createTask();

export interface TestRepositories {
  /** A repository that nobody has used, under a name of the test's choice. */
  open(name?: string): Promise<Repository>;
  close(): Promise<void>;
}

/** Repositories of a registry in this process. */
export async function startRepositories(): Promise<TestRepositories> {
  const registry = await startOwnRegistry();
  const opened: Repository[] = [];
  return {
    async open(name = "registry.example.org/team/app") {
      const fresh = `r${opened.length}`;
      const locate = async () => [locationAt(registry.host, fresh)];
      const credentials = { find: async () => undefined };
      const place = await openRepository(parseReference(name), { locate, credentials, env: {}, retryMs: 1, access: "push" }, task);
      opened.push(place);
      return place;
    },
    async close() {
      for (const one of opened) await one[Symbol.asyncDispose]();
      await registry.close();
    },
  };
}

/** An image without layers, unlike any with another word. */
export async function pushImage(place: Repository, word: string): Promise<Descriptor> {
  const config = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", config: { Labels: { word } }, rootfs: { type: "layers", diff_ids: [] } }),
  );
  await place.put(config, { digest: digestOf(config), size: config.length });
  const what = { mediaType: MEDIA.config, digest: digestOf(config), size: config.length };
  return pushManifest(place, encodeManifest({ schemaVersion: 2, mediaType: MEDIA.manifest, config: what, layers: [] }), MEDIA.manifest);
}

/** Any document. */
export async function pushManifest(place: Repository, bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
  const root = { mediaType, digest: digestOf(bytes), size: bytes.length };
  await place.put(bytes, root);
  return root;
}

const COSIGN = join(import.meta.dirname, "../testdata/sign/cosign-3.1.1");

/** A file that cosign made. */
export function cosignFile(name: string): string {
  return readFileSync(join(COSIGN, name), "utf8");
}

export function cosignKey(name: string): PublicKey {
  return readPublicKey(cosignFile(`${name}.pub`), name);
}

interface Kept {
  readonly tags: Readonly<Record<string, Descriptor>>;
  readonly referrers: readonly Descriptor[];
}

/** Puts what cosign and skopeo left in a registry into a repository. Gives the image. */
export async function pushCosign(place: Repository): Promise<Descriptor> {
  const { tags, referrers } = JSON.parse(cosignFile("repository.json")) as Kept;
  const read = (digest: Digest) => readFileSync(join(COSIGN, "blobs", digest.slice(7)));
  const send = async (document: Descriptor) => {
    const { config, layers } = JSON.parse(read(document.digest).toString()) as { config: Descriptor; layers: Descriptor[] };
    for (const { digest, size } of [config, ...layers]) await place.put(read(digest), { digest, size });
    await place.put(read(document.digest), document);
  };
  for (const document of referrers) await send(document);
  for (const [tag, document] of Object.entries(tags)) {
    await send(document);
    await place.publish({ ...place.name, tag }, document, task);
  }
  return tags["1"] as Descriptor;
}
