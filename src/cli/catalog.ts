import { parseConfig, parseIndex, parseManifest } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { ImageConfig } from "../oci/config.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, hexOf, isDigest } from "../oci/digest.ts";
import { isIndexType } from "../oci/media-type.ts";
import { formatPlatform, hostPlatform, matchesPlatform, type Platform } from "../oci/platform.ts";
import { familiarName, formatReference, parseReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import type { ContentStore, NameRecord } from "../store/face.ts";

/** An image of the store as commands see it. */
export interface StoredImage {
  /** The digest of the config: what docker calls the image ID. */
  readonly id: Digest;
  /** What names point at: a manifest, or an index of several. */
  readonly root: Descriptor;
  readonly manifest: Descriptor;
  readonly config: ImageConfig;
  /** Lowest first, as in the manifest. */
  readonly layers: readonly Descriptor[];
  readonly names: readonly NameRecord[];
  /** Milliseconds since the epoch at which it came into the store, or was last named. */
  readonly at: number;
}

/** Something in the store that cannot be read as an image. */
export interface DamagedImage {
  readonly root: Descriptor;
  readonly names: readonly NameRecord[];
  readonly why: string;
}

/** All images of a store. */
export interface Catalog {
  /** Newest first, as docker lists them. */
  readonly images: readonly StoredImage[];
  readonly damaged: readonly DamagedImage[];
  /** The image that a name, an ID or the beginning of one stands for. Throws REFERENCE for a beginning that fits several. */
  find(text: string): Found | undefined;
}

export interface Found {
  readonly image: StoredImage;
  /** The name it was found by; undefined for an ID or a digest. */
  readonly name?: NameRecord;
}

/** Reads all names of the store and the manifest and config behind each. What is damaged is listed apart. */
export async function readCatalog(store: ContentStore): Promise<Catalog> {
  const groups = new Map<string, { root: Descriptor; names: NameRecord[]; at: number }>();
  const add = (record: NameRecord, named: boolean) => {
    const group = groups.get(record.root.digest) ?? { root: record.root, names: [], at: 0 };
    if (named) group.names.push(record);
    group.at = Math.max(group.at, record.at);
    groups.set(record.root.digest, group);
  };
  for (const record of await store.names()) add(record, true);
  for (const record of await store.untagged()) add(record, false);
  const images: StoredImage[] = [];
  const damaged: DamagedImage[] = [];
  for (const { root, names, at } of groups.values()) {
    names.sort((a, b) => (formatReference(a.name) < formatReference(b.name) ? -1 : 1));
    try {
      images.push({ ...readImage(store, root), names, at });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // A list of manifests that has none yet, or none any more, is no image, and nothing is wrong with it.
      if (isEmptyList(store, root)) continue;
      damaged.push({ root, names, why: error.message });
    }
  }
  images.sort((a, b) => createdOf(b) - createdOf(a) || (a.id < b.id ? -1 : 1));
  return { images, damaged, find: (text) => find(images, text) };
}

function isEmptyList(store: ContentStore, root: Descriptor): boolean {
  if (!isIndexType(root.mediaType) || store.sizeOf(root.digest) !== root.size) return false;
  try {
    return parseIndex(store.readDocument(root), root.digest).manifests.length === 0;
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
}

/** Milliseconds since the epoch; 0 where the config has no readable time. */
export function createdOf(image: StoredImage): number {
  return Date.parse(image.config.created ?? "") || 0;
}

/**
 * The manifest behind a root, and its config: the one for `platform`, which must be there; without it the host's, else the first
 * that the store has. Throws NOT_FOUND, DIGEST, MANIFEST, LIMIT.
 */
export function readImage(
  store: ContentStore,
  root: Descriptor,
  platform?: Platform,
): Pick<StoredImage, "id" | "root" | "manifest" | "config" | "layers"> {
  let manifest = root;
  for (let depth = 0; isIndexType(manifest.mediaType); depth++) {
    if (depth >= LIMITS.indexDepth)
      throw new Failure("LIMIT", `index ${root.digest}: more than ${LIMITS.indexDepth} indexes inside one another`);
    const { manifests } = parseIndex(store.readDocument(manifest), manifest.digest);
    const real = manifests.filter((one) => one.platform?.os !== "unknown" && one.annotations?.["vnd.docker.reference.type"] === undefined);
    const wanted = platform ?? hostPlatform();
    const fits = (one: Descriptor) => one.platform !== undefined && matchesPlatform(wanted, one.platform);
    // An index that was pulled lists more than there is; without a platform asked for, what is there is the image.
    const here = platform ? real : real.filter((one) => store.sizeOf(one.digest) !== undefined);
    const fit = here.find(fits) ?? (platform ? undefined : (here[0] ?? real.find(fits) ?? real[0]));
    if (!fit) {
      const what = platform ? `no match for platform ${formatPlatform(platform)} in manifest: not found` : "it holds no image";
      throw new Failure(platform ? "NOT_FOUND" : "MANIFEST", `${manifest.digest}: ${what}`);
    }
    manifest = fit;
  }
  const { config, layers } = parseManifest(store.readDocument(manifest), manifest.digest);
  const read = parseConfig(store.readDocument(config), config.digest);
  if (platform && manifest === root && !matchesPlatform(platform, read)) {
    throw new Failure("NOT_FOUND", `image is for ${formatPlatform(read)}, not for ${formatPlatform(platform)}`);
  }
  return { id: config.digest, root, manifest, config: read, layers };
}

function find(images: readonly StoredImage[], text: string): Found | undefined {
  const byDigest = (digest: string) =>
    images.find((image) => image.id === digest || image.manifest.digest === digest || image.root.digest === digest);
  if (isDigest(text)) return found(byDigest(text));
  const name = readName(text);
  if (name?.digest !== undefined) {
    const image = byDigest(name.digest);
    const same = image?.names.find((one) => sameRepository(one.name, name));
    return image && same ? { image, name: same } : undefined;
  }
  const wanted = name && formatReference(withDefaultTag(name));
  for (const image of images) {
    const record = image.names.find((one) => formatReference(one.name) === wanted);
    if (record) return { image, name: record };
  }
  const prefix = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(text)?.[1];
  if (prefix === undefined) return undefined;
  const fit = images.filter((image) => hexOf(image.id).startsWith(prefix) || hexOf(image.root.digest).startsWith(prefix));
  if (new Set(fit.map((image) => image.id)).size > 1)
    throw new Failure("REFERENCE", `ambiguous image ID "${text}": several images begin so`, { exit: 1 });
  return found(fit[0]);
}

function found(image: StoredImage | undefined): Found | undefined {
  return image && { image };
}

/** The text as a name, or undefined where it is none. */
export function readName(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

function sameRepository(a: Reference, b: Reference): boolean {
  return a.registry === b.registry && a.repository === b.repository;
}

/** Docker's answer for a name that is not there: the familiar name with its tag, or the text as given. */
export function noSuchImage(text: string): Failure {
  const name = readName(text);
  const shown = name ? familiarName(withDefaultTag(name)) : text === "scratch" ? "scratch:latest" : printable(text);
  return new Failure("NOT_FOUND", `No such image: ${shown}`, { hint: "`nought images` shows what there is." });
}
