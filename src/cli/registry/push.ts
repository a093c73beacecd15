import { encodeIndex, parseIndex, parseManifest } from "../../image/documents.ts";
import { chooseManifest, openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import { type Compression, isIndexType, isManifestType, layerCompression } from "../../oci/media-type.ts";
import type { BytesReader } from "../../oci/place.ts";
import { hostPlatform } from "../../oci/platform.ts";
import type { Reference } from "../../oci/reference.ts";
import type { PackedPlace } from "../../place/represent.ts";
import type { Surroundings } from "../../registry/surroundings.ts";
import type { ContentStore } from "../../store/face.ts";
import type { Task } from "../../task/task.ts";
import { hasReferrers } from "./has-referrers.ts";
import { originsOf } from "./origins.ts";

/** How layers go: those that are stored plain are packed; with `force` all are. */
export interface Packing {
  readonly compression: Compression;
  readonly level?: number;
  readonly force: boolean;
  /** The documents go as they are in the store, plain layers too: their digests are what matters. */
  readonly asStored?: boolean;
  /** No tag is set: the image is there by its digest alone. */
  readonly byDigest?: boolean;
  /** False leaves what refers to the image where it is. */
  readonly referrers?: boolean;
}

export interface Pushed {
  readonly root: Descriptor;
  /** Its layers, and what was done about each: docker's words. */
  readonly layers: readonly { readonly digest: Digest; readonly what: string }[];
  /** How many artifacts went along that refer to it; those that were there already are not counted. */
  readonly referrers: number;
}

/**
 * Pushes an image of the store under a name. What the registry has is not sent again; what another of its repositories has is mounted. The
 * tag is set last. Of an index of which the store has only a part, that part goes, unless the registry has the index: then the name leads
 * to that, and no platform is lost. Throws AUTH, NETWORK, DIGEST, NOT_FOUND.
 */
export async function pushImage(
  name: Reference,
  root: Descriptor,
  packing: Packing,
  store: ContentStore,
  around: Surroundings,
  task: Task,
): Promise<Pushed> {
  await store.hold(root);
  const told: Parameters<Task["emit"]>[0][] = [];
  const part = await presentPart(store, root, { signal: task.signal, emit: (event) => void told.push(event) });
  if (part !== root) {
    const { openRepository } = await import("../../registry/repository.ts");
    await using to = await openRepository(name, { ...around, access: "push" }, task);
    if (await to.has(root.digest, root.mediaType)) {
      await to.publish(packing.byDigest ? withDigest(name, root.digest) : name, root, task);
      const layers = partsOf(store, part).layers.map((digest) => ({ digest, what: wordsFor(undefined, undefined) }));
      return { root, layers, referrers: 0 };
    }
  }
  for (const event of told) task.emit(event);
  return sendImage(name, part, packing, store, store, around, task);
}

/** The same for an image of which not all is in the store: its documents are read there, and what the registry lacks through `from`. */
export async function sendImage(
  name: Reference,
  root: Descriptor,
  packing: Packing,
  store: ContentStore,
  from: BytesReader,
  around: Surroundings,
  task: Task,
): Promise<Pushed> {
  const [{ openRepository }, { copyImage }] = await Promise.all([import("../../registry/repository.ts"), import("../../place/copy.ts")]);
  const origins = originsOf(store);
  const mountFrom = (blob: Digest) => origins.find(blob, name);
  await using to = await openRepository(name, { ...around, access: "push", mountFrom }, task);
  const before = packing.asStored ? root : await packRemembered(store, root, packing, task);
  let packed = before ?? root;
  // A registry takes a manifest only with all its parts.
  if (before === undefined || !(await to.has(before.digest, before.mediaType))) {
    // What was packed for a registry is not in the store: where this one lacks it, too, it is packed again, on its way.
    if (before?.digest !== root.digest) {
      const { packingInto } = await import("./packing-place.ts");
      packed = await packForRegistry(store, root, packing, task, packingInto(to, store, mountFrom));
    }
    await copyImage(from, to, packed, task);
  }
  const { configs, layers } = partsOf(store, packed);
  let referrers = 0;
  if (packing.referrers !== false && (await hasReferrers(store, root))) {
    const { sendReferrers } = await import("./referrers.ts");
    const source = { has: from.has, open: from.open, referrers: (subject: Digest) => store.referrers(subject) };
    referrers = await sendReferrers(source, to, root, packed, task);
  }
  const told = layers.map((digest) => ({ digest, what: wordsFor(to.arrivals.get(digest), origins.find(digest, name)) }));
  await to.publish(packing.byDigest ? withDigest(name, packed.digest) : name, packed, task);
  origins.note([...configs, ...layers], name);
  return { root: packed, layers: told, referrers };
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

/** The packed image where all that its layers became is remembered; undefined where one must be packed yet. */
async function packRemembered(store: ContentStore, root: Descriptor, packing: Packing, task: Task): Promise<Descriptor | undefined> {
  const missing = new Error("a layer that was not packed before");
  try {
    return await packForRegistry(store, root, packing, task, { takes: async () => true, put: () => Promise.reject(missing) });
  } catch (error) {
    if (error === missing) return undefined;
    throw error;
  }
}

/**
 * The same image or index with its plain layers packed; what was packed before is found again. The packed layers are in the store, or with
 * `into` there; the documents are in the store.
 */
export async function packForRegistry(
  store: ContentStore,
  root: Descriptor,
  packing: Packing,
  task: Task,
  into?: PackedPlace,
): Promise<Descriptor> {
  if (isIndexType(root.mediaType)) {
    const index = parseIndex(store.readDocument(root), root.digest, root.mediaType);
    const packed: Descriptor[] = [];
    for (const one of index.manifests) packed.push({ ...one, ...(await packForRegistry(store, one, packing, task, into)) });
    const became = new Map(
      index.manifests.flatMap(({ digest }, at) => (packed[at]?.digest === digest ? [] : [[digest, packed[at] as Descriptor]])),
    );
    if (became.size === 0) return root;
    const { followPacking } = await import("./attestations.ts");
    const bytes = encodeIndex({ ...index, manifests: await followPacking(store, packed, became, task) });
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
  return representImage(store, image, packing, task, into);
}

function withDigest({ registry, repository }: Reference, digest: Digest): Reference {
  return { registry, repository, digest };
}

function wordsFor(arrival: "sent" | "mounted" | undefined, from: string | undefined): string {
  if (arrival === undefined) return "Layer already exists";
  return arrival === "mounted" && from !== undefined ? `Mounted from ${from}` : "Pushed";
}

function partsOf(store: ContentStore, root: Descriptor): { readonly configs: readonly Digest[]; readonly layers: readonly Digest[] } {
  const configs = new Set<Digest>();
  const layers = new Set<Digest>();
  const visit = (what: Descriptor): void => {
    const bytes = store.readDocument(what);
    if (isIndexType(what.mediaType)) {
      for (const one of parseIndex(bytes, what.digest, what.mediaType).manifests) visit(one);
    } else {
      const manifest = parseManifest(bytes, what.digest, what.mediaType);
      configs.add(manifest.config.digest);
      for (const layer of manifest.layers) layers.add(layer.digest);
    }
  };
  visit(root);
  return { configs: [...configs], layers: [...layers] };
}
