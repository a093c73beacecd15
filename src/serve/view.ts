import { closeSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { isIndexType, isManifestType, MEDIA } from "../oci/media-type.ts";
import { DEFAULT_REGISTRY, familiarRepository, type Reference } from "../oci/reference.ts";
import { descriptorOf, parseDocument, subjectOf } from "./descriptor.ts";
import type { HeldManifest, Holdings } from "./holdings.ts";
import { ownHost } from "./listen.ts";
import { isRepository, isTag } from "./route.ts";

/** Images that live elsewhere, to be looked at. */
export interface Viewed {
  /** The images with a name, read anew at each call. */
  names(): Promise<readonly { readonly name: Reference; readonly root: Descriptor }[]>;
  /** Further documents that may refer to others: images without a name. */
  others(): Promise<readonly Descriptor[]>;
  /** A manifest's or index's verified bytes; undefined where it is missing or damaged. */
  document(what: Pick<Descriptor, "digest" | "size">): Uint8Array | undefined;
  /** An open file, which the caller closes. */
  openBlob(digest: Digest): { readonly fd: number; readonly size: number } | undefined;
}

/** What a repository shows: documents and blobs that its tags lead to. */
interface Shown {
  readonly tags: ReadonlyMap<string, Descriptor>;
  readonly documents: ReadonlyMap<Digest, HeldManifest>;
  readonly blobs: ReadonlySet<Digest>;
}

/**
 * A read-only registry over images that have names. An image is in the repository that people write (`app`, `ghcr.io/user/app`;
 * `localhost_5000/app` for a host with a port, since names have no colon), and is found under the full one too (`library/app`,
 * `docker.io/library/app`), so that docker may use the registry as a mirror.
 */
export function viewHoldings(viewed: Viewed): Holdings {
  /** What a document leads to never changes: by its digest. */
  const memory = new Map<Digest, { readonly held: HeldManifest; readonly parts: readonly Descriptor[] } | undefined>();
  const read = (what: Descriptor) => {
    const known = memory.get(what.digest);
    if (known) return known;
    const bytes = viewed.document(what);
    const held = bytes && { mediaType: what.mediaType, digest: what.digest, bytes };
    const parsed = held && quietly(() => parseDocument(bytes, what.mediaType, what.digest));
    const made = held &&
      parsed && {
        held,
        parts: parsed.kind === "index" ? parsed.document.manifests : [parsed.document.config, ...parsed.document.layers],
      };
    if (made) memory.set(what.digest, made);
    return made;
  };
  const reach = (what: Descriptor, documents: Map<Digest, HeldManifest>, blobs: Set<Digest>) => {
    if (blobs.has(what.digest)) return;
    blobs.add(what.digest);
    if (!isIndexType(what.mediaType) && !isManifestType(what.mediaType)) return;
    const found = read(what);
    if (!found) return;
    documents.set(what.digest, found.held);
    for (const part of found.parts) reach(part, documents, blobs);
  };
  const show = async (repository: string): Promise<Shown | undefined> => {
    const tags = new Map<string, Descriptor>();
    const documents = new Map<Digest, HeldManifest>();
    const blobs = new Set<Digest>();
    for (const { name, root } of await viewed.names()) {
      if (!spellings(name).includes(repository)) continue;
      reach(root, documents, blobs);
      if (name.tag !== undefined && isTag(name.tag)) tags.set(name.tag, root);
    }
    if (blobs.size === 0) return undefined;
    // What is about these images, in turns: a signature may have a signature.
    const others = (await viewed.others()).filter((one) => isManifestType(one.mediaType) || isIndexType(one.mediaType));
    for (let before = -1; before !== blobs.size; ) {
      before = blobs.size;
      for (const other of others) {
        const subject = blobs.has(other.digest) ? undefined : subjectOf(read(other)?.held ?? NOTHING);
        if (subject && blobs.has(subject)) reach(other, documents, blobs);
      }
    }
    return { tags, documents, blobs };
  };

  const has = async (repository: string, digest: Digest) => (await show(repository))?.blobs.has(digest) ?? false;
  return {
    async repositories() {
      const all = (await viewed.names()).flatMap(({ name }) => spellings(name).slice(0, 1));
      return [...new Set(all)].sort();
    },
    async tags(repository) {
      const shown = await show(repository);
      return shown && [...shown.tags.keys()].sort();
    },
    async manifest(repository, word) {
      const shown = await show(repository);
      const digest = "digest" in word ? word.digest : shown?.tags.get(word.tag)?.digest;
      return digest && shown?.documents.get(digest);
    },
    openBlob: async (repository, digest) => ((await has(repository, digest)) ? viewed.openBlob(digest) : undefined),
    async blobSize(repository, digest) {
      const found = (await has(repository, digest)) ? viewed.openBlob(digest) : undefined;
      if (found) closeSync(found.fd);
      return found?.size;
    },
    async referrers(repository, subject) {
      const found = [...((await show(repository))?.documents.values() ?? [])].filter((held) => subjectOf(held) === subject);
      return found.map(descriptorOf).sort((a, b) => (a.digest < b.digest ? -1 : 1));
    },
  };
}

const NOTHING: HeldManifest = { mediaType: MEDIA.empty, digest: "" as Digest, bytes: new Uint8Array(0) };

/** The repositories under which an image is found, the one to list first; none for a host that no name can hold. */
export function spellings(name: Reference): readonly string[] {
  const host = name.registry.toLowerCase().replace(":", "_");
  const found = name.registry === DEFAULT_REGISTRY ? [familiarRepository(name), name.repository] : [];
  // An image named after a registry on this machine is found without that name: `127.0.0.1:5000/app` is asked for as `app`.
  const local = ownHost(name.registry) ? [name.repository] : [];
  return [...new Set([...found, `${host}/${name.repository}`, ...local])].filter(isRepository);
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
