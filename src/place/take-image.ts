import { encodeManifest, parseConfig } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { ImageConfig } from "../oci/config.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, hexOf } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { layerCompression, MEDIA } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import { hostPlatform, matchesPlatform } from "../oci/platform.ts";
import type { Task } from "../task/task.ts";
import type { DockerImage } from "./docker-manifest.ts";
import { type Document, isForeign, readDocuments, readWhole } from "./documents.ts";
import type { Shelf } from "./shelf.ts";
import { takeLayer } from "./take-layer.ts";
import type { TarFile } from "./tar-file.ts";

/** An image whose every byte was checked and is in the store. */
export interface Taken {
  /** The configuration's digest; of the host's platform where there are several. */
  readonly id: Digest;
  readonly descriptor: Descriptor;
  /** All configurations in it. */
  readonly configs: readonly Digest[];
}

const CONFIGS = new Set<string>([MEDIA.config, MEDIA.dockerConfig]);

/**
 * Takes an image or index from another place into the store, checking all it claims: digests and sizes of every document and blob, as many
 * layers as diffIDs, and each layer's diffID against what it unpacks to. Throws DIGEST, MANIFEST, COMPRESSION, LIMIT, NOT_FOUND.
 */
export async function takeImage(store: Shelf, from: BytesReader, root: Descriptor, task: Task): Promise<Taken> {
  const documents = await readDocuments(from, root, true, task);
  let id: Digest | undefined;
  for (const document of documents) {
    if (document.kind !== "manifest") continue;
    const config = await takeParts(store, from, document.manifest, document.descriptor, task);
    if (config && (id === undefined || matchesPlatform(hostPlatform(), config))) id = document.manifest.config.digest;
  }
  for (const document of documents) await store.put(document.bytes, document.descriptor);
  const configs = documents.flatMap((one) => (one.kind === "manifest" ? [one.manifest.config.digest] : []));
  return { id: id ?? fallback(documents, root), descriptor: root, configs };
}

/** The ID of an image that is in the store: its configuration's digest, of the host's platform; the root's own where it cannot be read. */
export async function imageId(store: Shelf, root: Descriptor, task: Task): Promise<Digest> {
  try {
    const manifests = (await readDocuments(store, root, true, task)).flatMap((one) => (one.kind === "manifest" ? [one] : []));
    const fitting =
      manifests.find(({ descriptor }) => descriptor.platform && matchesPlatform(hostPlatform(), descriptor.platform)) ?? manifests[0];
    return fitting?.manifest.config.digest ?? root.digest;
  } catch (error) {
    if (error instanceof Failure && error.code !== "INTERRUPTED") return root.digest;
    throw error;
  }
}

/** Only artifacts, and indexes of which nothing is here, have no configuration to be called by. */
function fallback(documents: readonly Document[], root: Descriptor): Digest {
  if (documents.some((one) => one.kind === "manifest")) return root.digest;
  throw new Failure("NOT_FOUND", `${root.digest}: none of the images it lists is in the archive`);
}

/** The configuration and layers of one manifest. The configuration is undefined for what is no container image (attestations, say). */
async function takeParts(
  store: Shelf,
  from: BytesReader,
  manifest: Manifest,
  what: Descriptor,
  task: Task,
): Promise<ImageConfig | undefined> {
  const configBytes = await readWhole(from, manifest.config, LIMITS.configBytes);
  const config = CONFIGS.has(manifest.config.mediaType) ? parseConfig(configBytes, manifest.config.digest) : undefined;
  const attestation = !manifest.layers.every((layer) => layerCompression(layer.mediaType) !== undefined);
  if (config && !attestation) checkCounts(config, manifest.layers.length, what.digest);
  await store.put(configBytes, manifest.config);
  for (const [n, layer] of manifest.layers.entries()) {
    if (isForeign(layer) && !(await from.has(layer.digest))) continue;
    await using bytes = await from.open(layer);
    if (config === undefined || layerCompression(layer.mediaType) === undefined) {
      await store.put(bytes.read(), layer);
      continue;
    }
    const taken = await takeLayer(store, bytes.read(), layer, layer.mediaType, config.rootfs.diff_ids[n], task);
    store.noteBlob(taken.diffId, layer);
  }
  return attestation ? undefined : config;
}

/** An image of a docker archive, which has no manifest of its own: one is made, with the layers in the form they came in. */
export async function takeDockerImage(store: Shelf, tar: TarFile, image: DockerImage, task: Task): Promise<Taken> {
  checkCounts(image.parsed, image.layers.length, image.configId);
  const config = { mediaType: MEDIA.config, digest: image.configId, size: image.configBytes.length };
  const layers: Descriptor[] = [];
  for (const [n, member] of image.layers.entries()) {
    const taken = await takeLayer(store, tar.stream(member), undefined, undefined, image.parsed.rootfs.diff_ids[n], task);
    const claim = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(member.path)?.[1];
    if (claim !== undefined && claim !== hexOf(taken.given)) {
      throw new Failure("DIGEST", `${printable(tar.label)}: the layer ${member.path} has the digest ${taken.given}`);
    }
    const blob = { mediaType: taken.mediaType, digest: taken.digest, size: taken.size };
    store.noteBlob(taken.diffId, blob);
    layers.push(blob);
  }
  await store.put(image.configBytes, config);
  const manifest = encodeManifest({ schemaVersion: 2, mediaType: MEDIA.manifest, config, layers });
  const { digest, size } = await store.put(manifest);
  return { id: image.configId, descriptor: { mediaType: MEDIA.manifest, digest, size }, configs: [image.configId] };
}

/** As many layers as diffIDs, and no more history entries with a layer than there are layers (docker's own rule). */
function checkCounts(config: ImageConfig, layers: number, what: Digest): void {
  const diffIds = config.rootfs.diff_ids.length;
  if (diffIds !== layers) throw new Failure("MANIFEST", `${what}: ${layers} layers but ${diffIds} diffIDs in the configuration`);
  const told = config.history.filter((entry) => !entry.empty_layer).length;
  if (told > layers) throw new Failure("MANIFEST", `${what}: ${told} layers in the history, but ${layers} in the image`);
}
