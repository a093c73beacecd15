import { encodeIndex, parseIndex } from "../../image/documents.ts";
import { chooseManifest, openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import { type Compression, isIndexType, isManifestType, layerCompression } from "../../oci/media-type.ts";
import { hostPlatform } from "../../oci/platform.ts";
import type { Reference } from "../../oci/reference.ts";
import type { Surroundings } from "../../registry/surroundings.ts";
import type { ContentStore } from "../../store/face.ts";
import type { Task } from "../../task/task.ts";
import { originsOf } from "./origins.ts";

/** How layers go: those that are stored plain are packed; with `force` all are. */
export interface Packing {
  readonly compression: Compression;
  readonly level?: number;
  readonly force: boolean;
}

export interface Pushed {
  readonly root: Descriptor;
  /** Blobs of the image, and how many of them had to be sent or mounted. */
  readonly blobs: readonly Digest[];
  readonly sent: number;
}

/**
 * Pushes an image of the store under a name. What the registry has is not sent again; what another of its repositories has is mounted. The
 * tag is set last. Of an index of which the store has only a part, that part goes. Throws AUTH, NETWORK, DIGEST, NOT_FOUND.
 */
export async function pushImage(
  name: Reference,
  root: Descriptor,
  packing: Packing,
  store: ContentStore,
  around: Surroundings,
  task: Task,
): Promise<Pushed> {
  const [{ openRepository }, { copyImage }] = await Promise.all([import("../../registry/repository.ts"), import("../../place/copy.ts")]);
  await store.hold(root);
  const packed = await packForRegistry(store, await presentPart(store, root, task), packing, task);
  const origins = originsOf(store);
  const mountFrom = (blob: Digest) => origins.find(blob, name);
  await using to = await openRepository(name, { ...around, access: "push", mountFrom }, task);
  const blobs = await blobsOf(store, packed);
  // A registry takes a manifest only with all its parts.
  const sent = (await to.has(packed.digest, packed.mediaType)) ? 0 : (await copyImage(store, to, packed, task)).blobs;
  await to.publish(name, packed, task);
  origins.note(blobs, name);
  return { root: packed, blobs, sent };
}

/** The image itself where all of it is here; of an index that was pulled for one platform, the manifest of that platform. */
export async function presentPart(store: ContentStore, root: Descriptor, task: Task): Promise<Descriptor> {
  if (!isIndexType(root.mediaType)) return root;
  const { manifests } = parseIndex(store.readDocument(root), root.digest, root.mediaType);
  const here = manifests.filter((one) => store.sizeOf(one.digest) !== undefined);
  if (here.length === manifests.length) return root;
  const [only] = here.filter((one) => isManifestType(one.mediaType) && one.platform?.os !== "unknown");
  const fit = here.length > 1 ? chooseManifest(here, hostPlatform(), root) : only;
  if (!fit) throw new Failure("NOT_FOUND", `${root.digest}: nothing that this index lists is in the store`);
  task.emit({ type: "note", text: `of ${manifests.length} manifests in the index ${here.length} are here: ${fit.digest} alone is copied` });
  const { mediaType, digest, size } = fit;
  return { mediaType, digest, size };
}

/** The same image or index with its plain layers packed; what was packed before is found again. */
export async function packForRegistry(store: ContentStore, root: Descriptor, packing: Packing, task: Task): Promise<Descriptor> {
  if (isIndexType(root.mediaType)) {
    const index = parseIndex(store.readDocument(root), root.digest, root.mediaType);
    const manifests: Descriptor[] = [];
    for (const one of index.manifests) manifests.push({ ...one, ...(await packForRegistry(store, one, packing, task)) });
    if (manifests.every((one, at) => one.digest === index.manifests[at]?.digest)) return root;
    const bytes = encodeIndex({ ...index, manifests });
    return { mediaType: index.mediaType, digest: digestOf(bytes), size: (await store.put(bytes)).size };
  }
  let image: Awaited<ReturnType<typeof openImage>>;
  try {
    image = await openImage(store, root, hostPlatform());
  } catch (error) {
    // An artifact or an attestation goes as it is.
    if (error instanceof Failure && error.code === "MANIFEST") return root;
    throw error;
  }
  const plain = image.layers.some((layer) => layerCompression(layer.blob.mediaType) === "uncompressed");
  if (!plain && !packing.force) return root;
  const { representImage } = await import("../../place/represent.ts");
  return representImage(store, image, packing, task);
}

async function blobsOf(store: ContentStore, root: Descriptor): Promise<Digest[]> {
  const found = new Set<Digest>();
  const visit = (what: Descriptor): void => {
    if (isIndexType(what.mediaType)) {
      for (const one of parseIndex(store.readDocument(what), what.digest, what.mediaType).manifests) visit(one);
    } else {
      const { config, layers } = JSON.parse(store.readDocument(what).toString("utf8")) as { config: Descriptor; layers?: Descriptor[] };
      for (const one of [config, ...(layers ?? [])]) found.add(one.digest);
    }
  };
  visit(root);
  return [...found];
}
