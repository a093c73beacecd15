import { statSync } from "node:fs";
import { parseIndex } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, hexOf } from "../oci/digest.ts";
import type { BytesReader } from "../oci/place.ts";
import { formatReference, type Reference } from "../oci/reference.ts";
import type { Task } from "../task/task.ts";
import { type DockerImage, readDockerImages } from "./docker-manifest.ts";
import { fileBytes } from "./file-bytes.ts";
import { checkVersion, openLayout } from "./layout.ts";
import { nameOf } from "./names.ts";
import type { Shelf } from "./shelf.ts";
import { imageId, type Taken, takeDockerImage, takeImage } from "./take-image.ts";
import { type ArchiveSource, openTar, type TarFile } from "./tar-file.ts";

/** An image that came out of an archive. */
export interface Loaded {
  readonly names: readonly Reference[];
  /** The image ID: the configuration's digest, of the host's platform where there are several. */
  readonly id: Digest;
  readonly descriptor: Descriptor;
  /** Names that pointed to another image before (of another ID) and now to this one. */
  readonly moved: readonly { readonly name: Reference; readonly from: Descriptor; readonly fromId: Digest }[];
  /** Names that stayed where they were because of `keepNames`. */
  readonly kept: readonly Reference[];
}

/** How to load. */
export interface LoadOptions {
  /** Names that exist already are not moved to images of the archive. */
  readonly keepNames?: boolean;
}

/** What an archive holds, every byte of it checked and stored, names not yet set. */
type Found = Taken & { readonly names: readonly Reference[] };

/**
 * Loads all images of a docker archive, an OCI layout in a tar, or a layout directory. Everything is checked first (digests and sizes of
 * all blobs, diffIDs against the unpacked layers, counts, names); only when all of it is good are names set, so that a bad archive leaves
 * nothing but unreferenced blobs. Throws TAR, MANIFEST, DIGEST, COMPRESSION, LIMIT, REFERENCE, NOT_FOUND, RESERVED.
 */
export async function loadArchive(store: Shelf, source: ArchiveSource, task: Task, options: LoadOptions = {}): Promise<Loaded[]> {
  const found = await takeAll(store, source, task);
  if (found.length === 0) throw new Failure("MANIFEST", `${label(source)} lists no image`);
  await store.flush();
  const existing = new Map((await store.names()).map((record) => [formatReference(record.name), record.root]));
  const loaded: Loaded[] = [];
  for (const { names, id, descriptor } of found) {
    const moved: { name: Reference; from: Descriptor; fromId: Digest }[] = [];
    const kept: Reference[] = [];
    for (const name of names) {
      const before = existing.get(formatReference(name));
      if (before && before.digest !== descriptor.digest) {
        if (options.keepNames) {
          kept.push(name);
          continue;
        }
        const fromId = await imageId(store, before, task);
        // Docker leaves the image that lost its name in the list, as <none>; the same image in another form is the same image.
        if (fromId !== id) {
          await keepIfWhole(store, before);
          moved.push({ name, from: before, fromId });
        }
      }
      await store.publish(name, descriptor, task);
      existing.set(formatReference(name), descriptor);
    }
    if (names.length === 0 && (await attached(store, descriptor))) continue;
    if (names.length === kept.length) await store.keep(descriptor);
    loaded.push({ names: names.filter((name) => !kept.includes(name)), id, descriptor, moved, kept });
  }
  return loaded;
}

/** Whether what came without a name refers to an image that is here, and now stays and goes with it. */
async function attached(store: Shelf, root: Descriptor): Promise<boolean> {
  try {
    await store.attach?.(root);
    return store.attach !== undefined;
  } catch (error) {
    if (error instanceof Failure && (error.code === "MANIFEST" || error.code === "NOT_FOUND")) return false;
    throw error;
  }
}

/** An old image that is damaged is no reason to refuse the new one its name. */
async function keepIfWhole(store: Shelf, root: Descriptor): Promise<void> {
  try {
    await store.keep(root);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
}

async function takeAll(store: Shelf, source: ArchiveSource, task: Task): Promise<Found[]> {
  if ("path" in source && statSync(source.path, { throwIfNoEntry: false })?.isDirectory()) {
    const layout = await openLayout(source.path);
    return takeListed(store, layout, (await layout.index()).manifests, task);
  }
  using tar = await openTar(source, () => store.temporary(), task);
  for (const name of ["manifest.json", "index.json", "oci-layout", "repositories"]) {
    if (tar.count(name) > 1) throw new Failure("MANIFEST", `${printable(tar.label)} holds ${name} ${tar.count(name)} times`);
  }
  const docker = tar.file("manifest.json") ? await readDockerImages(tar) : undefined;
  const index = tar.file("index.json");
  const version = tar.file("oci-layout");
  if (index && version) {
    checkVersion(await tar.read(version, 1 << 12), tar.label);
    const { manifests } = parseIndex(await tar.read(index, LIMITS.manifestBytes), `${printable(tar.label)}: index.json`);
    const found = await takeListed(store, blobsIn(tar), manifests, task);
    if (docker) sameImages(tar, docker, found);
    return found;
  }
  if (docker) {
    const found: Found[] = [];
    for (const image of docker) found.push({ ...(await takeDockerImage(store, tar, image, task)), names: image.names });
    return found;
  }
  throw noImages(tar);
}

/** Images of an index, entries of one digest taken together: several names of one image. */
async function takeListed(store: Shelf, from: BytesReader, entries: readonly Descriptor[], task: Task): Promise<Found[]> {
  const roots = new Map<Digest, { root: Descriptor; names: Reference[] }>();
  for (const entry of entries) {
    const { annotations: _, ...root } = entry;
    const known: { root: Descriptor; names: Reference[] } = roots.get(entry.digest) ?? { root, names: [] };
    roots.set(entry.digest, known);
    const name = nameOf(entry);
    if (name && !known.names.some((one) => formatReference(one) === formatReference(name))) known.names.push(name);
  }
  const found: Found[] = [];
  for (const { root, names } of roots.values()) found.push({ ...(await takeImage(store, from, root, task)), names });
  return found;
}

/** The blobs of a layout inside a tar. Opening one says where it is; it is verified when it is read. */
export function blobsIn(tar: TarFile): BytesReader {
  const file = (digest: Digest) => tar.file(`blobs/sha256/${hexOf(digest)}`);
  return {
    has: async (digest) => file(digest) !== undefined,
    async open(what) {
      const member = file(what.digest);
      if (member === undefined) throw new Failure("NOT_FOUND", `${printable(tar.label)}: blob ${what.digest} is missing`);
      if (member.size !== what.size) {
        throw new Failure(
          "DIGEST",
          `${printable(tar.label)}: blob ${what.digest} has ${member.size} bytes where ${what.size} are announced`,
        );
      }
      return fileBytes(tar.fd, what, member.offset, true);
    },
  };
}

/**
 * Docker before version 25 reads manifest.json, later ones index.json: an archive in which the two speak of different images
 * would be one thing to one tool and another thing to the next.
 */
function sameImages(tar: TarFile, docker: readonly DockerImage[], found: readonly Found[]): void {
  const listed = new Set(found.flatMap((one) => one.configs));
  for (const image of docker) {
    if (!listed.has(image.configId)) {
      throw new Failure(
        "MANIFEST",
        `${printable(tar.label)}: manifest.json names an image (${printable(image.config)}) that index.json does not list`,
      );
    }
  }
}

function noImages(tar: TarFile): Failure {
  const files = tar.file("etc/passwd") ?? tar.file("bin/sh") ?? tar.file("usr/bin/env");
  return new Failure("MANIFEST", `${printable(tar.label)} is no image archive: it has neither manifest.json nor index.json`, {
    hint: files
      ? "It looks like a root file system; `nought import` makes an image of one."
      : "Make it with `docker save`, `podman save` or `nought save`.",
  });
}

function label(source: ArchiveSource): string {
  return "path" in source ? printable(source.path) : "standard input";
}
