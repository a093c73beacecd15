import { TarWriter } from "../format/tar-write.ts";
import { encodeIndex } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { type Output, writeOutput } from "../kit/output.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, hexOf } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import { hostPlatform, matchesPlatform, type Platform } from "../oci/platform.ts";
import { familiarName, familiarRepository, type Reference, withDefaultTag } from "../oci/reference.ts";
import type { Task } from "../task/task.ts";
import { type Document, isForeign, readDocuments } from "./documents.ts";
import { OCI_LAYOUT } from "./layout.ts";
import { calledAs, named } from "./names.ts";

/** An image to save, with the names it shall have in the archive. */
export interface SavedImage {
  readonly root: Descriptor;
  readonly names: readonly Reference[];
  /** Instead of names: what its entry of index.json is called, as skopeo does (`oci-archive:PATH:REF`). */
  readonly ref?: string;
}

/** What kind of archive to write. */
export interface SaveOptions {
  /**
   * `docker`: manifest.json, repositories and an OCI layout in one, as docker 25 and later write it, which docker of any age, podman,
   * skopeo, buildah and containerd read. `oci`: the OCI layout alone.
   */
  readonly format: "docker" | "oci";
  /** Which image of an index manifest.json names; the host's platform by default. */
  readonly platform?: Platform;
}

/**
 * Writes images into one tar archive, straight from the place they live in; every byte is verified on the way. The same images
 * give the same archive: members are sorted, times are 0 and owners root. Throws DIGEST, NOT_FOUND (nothing stays), and what
 * `writeOutput` throws.
 */
export async function saveArchive(
  from: BytesReader,
  images: readonly SavedImage[],
  into: Output,
  options: SaveOptions,
  task: Task,
): Promise<void> {
  const documents: Document[][] = [];
  for (const { root } of images) documents.push(await readDocuments(from, root, true, task));
  const memory = new Map<string, Uint8Array>();
  memory.set("index.json", encodeIndex({ schemaVersion: 2, mediaType: MEDIA.index, manifests: images.flatMap(entries) }));
  memory.set("oci-layout", Buffer.from(OCI_LAYOUT));
  if (options.format === "docker") {
    const chosen = images.map((image, n) => ({
      ...image,
      manifest: choose(image.root, documents[n] as Document[], options.platform ?? hostPlatform()),
    }));
    memory.set("manifest.json", json(chosen.map(manifestEntry)));
    const table = repositories(chosen);
    if (Object.keys(table).length > 0) memory.set("repositories", json(table));
  }
  const blobs = await blobsOf(from, documents.flat());
  await writeOutput(into, (sink) => write(from, memory, blobs, sink, task));
}

type Chosen = SavedImage & { readonly manifest: Manifest };

/** One entry a name, as docker writes them; one without a name for an image that has none. */
function entries({ root, names, ref }: SavedImage): Descriptor[] {
  if (ref !== undefined) return [calledAs(root, ref)];
  return names.length === 0 ? [named(root, undefined)] : names.map((name) => named(root, name));
}

/** The manifest that docker's own manifest.json speaks of: it knows nothing of indexes. */
function choose(root: Descriptor, documents: readonly Document[], wanted: Platform): Manifest {
  const find = (digest: Digest) => documents.find((one) => one.descriptor.digest === digest);
  const visit = (digest: Digest): Manifest | undefined => {
    const document = find(digest);
    if (document?.kind !== "index") return document?.manifest;
    const images = document.index.manifests.filter(
      (one) => find(one.digest) && one.annotations?.["vnd.docker.reference.type"] === undefined,
    );
    const fitting = images.find((one) => one.platform && matchesPlatform(wanted, one.platform)) ?? images[0];
    return fitting && visit(fitting.digest);
  };
  const manifest = visit(root.digest);
  if (manifest === undefined) throw new Failure("NOT_FOUND", `${root.digest}: none of the images it lists is here`);
  return manifest;
}

function manifestEntry({ manifest, names }: Chosen): object {
  const tags = names.filter((name) => name.digest === undefined || name.tag !== undefined);
  return {
    Config: pathOf(manifest.config.digest),
    RepoTags: tags.length === 0 ? null : tags.map(tagged),
    Layers: manifest.layers.map((layer) => pathOf(layer.digest)),
  };
}

/** The oldest of the three tables of contents: repository, tag, top layer. */
function repositories(images: readonly Chosen[]): object {
  const found = new Map<string, Map<string, string>>();
  for (const { manifest, names } of images) {
    const top = manifest.layers.at(-1);
    for (const name of top ? names : []) {
      const { tag } = withDefaultTag(name);
      const repository = familiarRepository(name);
      if (tag !== undefined) found.set(repository, (found.get(repository) ?? new Map()).set(tag, hexOf((top as Descriptor).digest)));
    }
  }
  return Object.fromEntries(
    [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([repository, tags]) => [repository, Object.fromEntries(tags)]),
  );
}

function tagged(name: Reference): string {
  const { digest: _, ...bare } = withDefaultTag(name);
  return familiarName(bare);
}

/** Everything the documents name, and they themselves, by path. */
async function blobsOf(from: BytesReader, documents: readonly Document[]): Promise<Map<string, Descriptor>> {
  const blobs = new Map<string, Descriptor>();
  for (const document of documents) {
    const parts = document.kind === "manifest" ? [document.manifest.config, ...document.manifest.layers] : [];
    for (const part of [document.descriptor, ...parts]) {
      // Layers that are elsewhere by design are not fetched; their descriptors say where they are.
      if (isForeign(part) && !(await from.has(part.digest))) continue;
      blobs.set(pathOf(part.digest), part);
    }
  }
  return blobs;
}

async function write(
  from: BytesReader,
  memory: ReadonlyMap<string, Uint8Array>,
  blobs: ReadonlyMap<string, Descriptor>,
  sink: (chunk: Uint8Array) => void | Promise<void>,
  task: Task,
): Promise<void> {
  const tar = new TarWriter(sink);
  const common = { uid: 0, gid: 0, mtime: 0 };
  for (const path of ["blobs/", "blobs/sha256/"]) await tar.header({ ...common, type: "dir", path, mode: 0o755, size: 0 });
  let done = 0;
  const total = [...blobs.values()].reduce((sum, { size }) => sum + size, 0);
  for (const [path, what] of [...blobs].sort(byPath)) {
    if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while writing an archive");
    await using bytes = await from.open(what);
    await tar.header({ ...common, type: "file", path, mode: 0o644, size: what.size });
    for await (const chunk of bytes.read()) await tar.bytes(chunk);
    tar.pad();
    done += what.size;
    task.emit({ type: "bytes", id: "archive", label: "writing archive", done, total });
  }
  for (const [path, bytes] of [...memory].sort(byPath)) {
    await tar.header({ ...common, type: "file", path, mode: 0o644, size: bytes.length });
    await tar.bytes(bytes);
    tar.pad();
  }
  await tar.end();
}

function byPath([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

function pathOf(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
