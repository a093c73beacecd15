import { encodeIndex, parseIndex } from "../../image/documents.ts";
import { openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { digestOf } from "../../oci/digest.ts";
import type { Index } from "../../oci/manifest.ts";
import { isIndexType, MEDIA } from "../../oci/media-type.ts";
import type { BytesReader, BytesWriter } from "../../oci/place.ts";
import { hostPlatform, normalizePlatform, type Platform } from "../../oci/platform.ts";
import { formatReference, parseNewName, parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import { copyImage } from "../../place/copy.ts";
import { readWhole } from "../../place/documents.ts";
import type { Task } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { openSource, type Source } from "./source.ts";
import { readPlaceWord } from "./word.ts";

/** A list of manifests (an image index) that is being put together, in the local store or in a registry. */
export interface ManifestList extends AsyncDisposable {
  /** What it is called, for messages. */
  readonly shown: string;
  /** The list as it is; undefined where there is none yet. Throws MANIFEST where the name is that of a single image. */
  read(): Promise<Index | undefined>;
  /** Brings an image to where the list is; the entries it comes to, with their platforms: one, or those of another list. */
  take(source: Source): Promise<readonly Descriptor[]>;
  /** Puts the list in the place of the one before. */
  write(index: Index): Promise<Descriptor>;
}

/** Opens a list by a name of the store, or `docker://NAME`. Throws USAGE for other places. */
export async function openList(call: Invocation, text: string, task: Task): Promise<ManifestList> {
  const word = readPlaceWord(text);
  if (word.kind === "store") return localList(call, word.text, task);
  if (word.kind === "registry") return remoteList(call, word.name, task);
  throw new Failure("USAGE", `${printable(text)}: a list of manifests is in the local store or in a registry`);
}

async function localList(call: Invocation, text: string, task: Task): Promise<ManifestList> {
  const store = await call.store();
  const name = parseNewName(text);
  return {
    shown: formatReference(name),
    async read() {
      const root = await store.resolve(name, task);
      return root && indexAt(store, root, formatReference(name));
    },
    async take(source) {
      if (source.from !== store) await copyImage(source.from, store, source.root, task);
      return entriesOf(store, source.root);
    },
    async write(index) {
      const { nameImage } = await import("../../store/name-image.ts");
      const root = await put(store, index);
      await nameImage(store, name, root, task);
      return root;
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function remoteList(call: Invocation, name: Reference, task: Task): Promise<ManifestList> {
  const [{ openRepository }, { surroundings }, { packForRegistry }] = await Promise.all([
    import("../../registry/repository.ts"),
    import("../../registry/surroundings.ts"),
    import("../registry/push.ts"),
  ]);
  /** The repository of the same registry that the image at hand is in. */
  let near: string | undefined;
  const place = await openRepository(name, { ...surroundings(call.env, task), access: "push", mountFrom: () => near }, task);
  return {
    shown: formatReference(name),
    async read() {
      const root = await place.resolve(name, task);
      return root && indexAt(place, root, formatReference(name));
    },
    async take(source) {
      const packing = { compression: "gzip", force: false } as const;
      const root = source.stored ? await packForRegistry(await call.store(), source.root, packing, task) : source.root;
      const entries = await entriesOf(source.from, root);
      near = source.name?.registry === name.registry && source.name.repository !== name.repository ? source.name.repository : undefined;
      for (const { annotations: _, platform: __, ...entry } of entries)
        if (!(await place.has(entry.digest, entry.mediaType))) await copyImage(source.from, place, entry, task);
      return entries;
    },
    async write(index) {
      const root = await put(place, index);
      await place.publish(name, root, task);
      return root;
    },
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

/**
 * Opens an image that a list is to have: a name of the store, or any place. What the store does not have is asked of the registry that the
 * name says, as docker does. Throws NOT_FOUND, NETWORK, AUTH, MANIFEST.
 */
export async function openMember(call: Invocation, text: string, task: Task): Promise<Source> {
  const word = readPlaceWord(text);
  try {
    return await openSource(call, word, task);
  } catch (error) {
    const name = word.kind === "store" && !text.startsWith("store:") ? registryName(text) : undefined;
    if (name === undefined || !(error instanceof Failure) || error.code !== "NOT_FOUND") throw error;
    try {
      return await openSource(call, { kind: "registry", name }, task);
    } catch (problem) {
      if (!(problem instanceof Failure) || (problem.code !== "NETWORK" && problem.code !== "AUTH")) throw problem;
      throw new Failure(problem.code, `${formatReference(name)} is not in the local store, and its registry says: ${problem.message}`, {
        ...(problem.hint === undefined ? {} : { hint: problem.hint }),
        cause: problem,
      });
    }
  }
}

/** What a word is called in a registry; undefined for IDs, and what is no name. */
function registryName(text: string): Reference | undefined {
  if (/^(?:sha256:)?[0-9a-f]{12,64}$/.test(text)) return undefined;
  try {
    return withDefaultTag(parseReference(text));
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

async function indexAt(from: BytesReader, root: Descriptor, shown: string): Promise<Index> {
  if (!isIndexType(root.mediaType))
    throw new Failure("MANIFEST", `${shown} is an image, not a list of manifests`, { hint: "Choose another name for the list." });
  return parseIndex(await readWhole(from, root), root.digest, root.mediaType);
}

/** An image as an entry, its platform from its configuration; a list as its own entries. */
async function entriesOf(from: BytesReader, root: Descriptor): Promise<readonly Descriptor[]> {
  if (isIndexType(root.mediaType)) return (await indexAt(from, root, root.digest)).manifests;
  const { mediaType, digest, size } = root;
  const platform = await platformOf(from, root);
  return [{ mediaType, digest, size, ...(platform ? { platform } : {}) }];
}

/** Undefined for what is no container image. */
async function platformOf(from: BytesReader, root: Descriptor): Promise<Platform | undefined> {
  try {
    const { config } = await openImage(from, root, hostPlatform());
    const { os, architecture, variant } = config;
    const [version, features] = [config["os.version"], config["os.features"]];
    return {
      ...normalizePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) }),
      ...(version === undefined ? {} : { "os.version": version }),
      ...(features === undefined ? {} : { "os.features": features }),
    };
  } catch (error) {
    if (error instanceof Failure && error.code === "MANIFEST") return undefined;
    throw error;
  }
}

async function put(into: BytesWriter, index: Index): Promise<Descriptor> {
  const bytes = encodeIndex(index);
  const root = { mediaType: index.mediaType, digest: digestOf(bytes), size: bytes.length };
  await into.put(bytes, root);
  return root;
}

/** A list of nothing. */
export function emptyList(): Index {
  return { schemaVersion: 2, mediaType: MEDIA.index, manifests: [] };
}
