import { parseIndex, parseManifest } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import type { Index, Manifest } from "../oci/manifest.ts";
import { isIndexType, isManifestType } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import type { Task } from "../task/task.ts";

/** A manifest or index with its verified bytes. */
export type Document = { readonly descriptor: Descriptor; readonly bytes: Uint8Array } & (
  | { readonly kind: "index"; readonly index: Index }
  | { readonly kind: "manifest"; readonly manifest: Manifest }
);

/** Which entries of an index are followed; all where nobody chooses. */
export type ChooseChildren = (index: Index, of: Descriptor) => readonly Descriptor[];

/** A whole document, its size, digest and `data` field checked. Throws LIMIT, DIGEST, NOT_FOUND. */
export async function readWhole(from: BytesReader, what: Descriptor, limit: number = LIMITS.manifestBytes): Promise<Uint8Array> {
  if (what.size > limit) throw new Failure("LIMIT", `${what.digest} has ${what.size} bytes; a document may have ${limit}`);
  await using bytes = await from.open(what);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes.read()) {
    size += chunk.length;
    if (size > what.size) throw new Failure("DIGEST", `${what.digest} has more than the ${what.size} bytes announced`);
    chunks.push(chunk);
  }
  const whole = chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
  if (whole.length !== what.size || digestOf(whole) !== what.digest) {
    throw new Failure("DIGEST", `${what.digest}: what came has ${whole.length} bytes and the digest ${digestOf(whole)}`);
  }
  if (what.data !== undefined && !Buffer.from(what.data, "base64").equals(whole)) {
    throw new Failure("DIGEST", `${what.digest}: the data embedded in its descriptor is something else`);
  }
  return whole;
}

/**
 * All manifests and indexes from `root` down, each once, children before parents. With `partial`, children of an index that
 * are not all there are left out (docker saves only the platforms it has). Throws MANIFEST for a root that is neither,
 * LIMIT for indexes nested too deep or too many documents. `choose` leaves out children of indexes.
 */
export async function readDocuments(
  from: BytesReader,
  root: Descriptor,
  partial: boolean,
  task: Task,
  choose: ChooseChildren = (index) => index.manifests,
): Promise<Document[]> {
  const found = new Map<Digest, Document>();
  const visit = async (what: Descriptor, depth: number): Promise<void> => {
    if (found.has(what.digest)) return;
    if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while reading an image");
    if (depth > LIMITS.indexDepth)
      throw new Failure("LIMIT", `${root.digest}: indexes are nested more than ${LIMITS.indexDepth} deep (limit indexDepth)`);
    if (found.size >= LIMITS.indexEntries)
      throw new Failure("LIMIT", `${root.digest}: more than ${LIMITS.indexEntries} documents (limit indexEntries)`);
    const bytes = await readWhole(from, what);
    if (isManifestType(what.mediaType)) {
      const manifest = parseManifest(bytes, what.digest, what.mediaType);
      if (partial && depth > 1 && !(await isComplete(from, manifest))) return;
      found.set(what.digest, { kind: "manifest", descriptor: what, bytes, manifest });
      return;
    }
    const index = parseIndex(bytes, what.digest, what.mediaType);
    for (const child of choose(index, what)) {
      if (!isIndexType(child.mediaType) && !isManifestType(child.mediaType)) continue;
      if (partial && !(await from.has(child.digest, child.mediaType))) continue;
      await visit(child, depth + 1);
    }
    // Digests make a loop impossible, so the children are complete here.
    found.set(what.digest, { kind: "index", descriptor: what, bytes, index });
  };
  if (!isIndexType(root.mediaType) && !isManifestType(root.mediaType)) throw unknownType(root);
  await visit(root, 1);
  return [...found.values()];
}

/** The media type of a manifest or index that came without a descriptor, by what it says of itself. Throws MANIFEST, LIMIT. */
export function typeOfDocument(bytes: Uint8Array, where: string): string {
  try {
    return parseIndex(bytes, where).mediaType;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
  return parseManifest(bytes, where).mediaType;
}

/** Whether a place lists this layer elsewhere by design: such layers are never fetched from there. */
export function isForeign(part: Descriptor): boolean {
  return /nondistributable|\.foreign\./.test(part.mediaType);
}

async function isComplete(from: BytesReader, manifest: Manifest): Promise<boolean> {
  for (const part of [manifest.config, ...manifest.layers]) if (!isForeign(part) && !(await from.has(part.digest))) return false;
  return true;
}

function unknownType(root: Descriptor): Failure {
  const old = root.mediaType.startsWith("application/vnd.docker.distribution.manifest.v1+");
  return new Failure(
    "MANIFEST",
    `${root.digest}: ${old ? "manifests of schema 1" : `documents of type ${printable(root.mediaType)}`} are not supported`,
  );
}
