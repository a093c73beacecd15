import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, isDigest } from "../oci/digest.ts";
import { isIndexType, isManifestType, MEDIA } from "../oci/media-type.ts";
import type { Blobs } from "./blobs.ts";
import { readDocument } from "./document.ts";
import type { ReferrersOf } from "./referrers.ts";

export interface Marks {
  /** Everything reached, whether it is there or not. */
  readonly reached: Set<Digest>;
  /** What an image cannot do without: all of it but manifests that an index lists and layers that may not be passed on. */
  readonly needed: Set<Digest>;
  /** The documents that were read. */
  readonly followed: Set<Digest>;
  /** diffIDs that the configs reached speak of. */
  readonly diffIds: Set<Digest>;
  /** Reached documents that are not there or not whole, with the reason. */
  readonly broken: Map<Digest, Failure>;
}

/** Marks in which nothing is reached yet. */
export function emptyMarks(): Marks {
  return { reached: new Set(), needed: new Set(), followed: new Set(), diffIds: new Set(), broken: new Map() };
}

/**
 * Follows a root through indexes, manifests and configs and adds everything it refers to. A document that is missing or
 * damaged is noted and not followed; any other trouble (a disk error, too many open files) is thrown, because marks must be
 * complete. What is attached to a manifest (`referrersOf`) is reached with it, and not needed.
 */
export function mark(blobs: Blobs, root: Descriptor, marks: Marks, referrersOf: ReferrersOf = () => []): void {
  const waiting: Child[] = [{ what: root, needed: true }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { what, needed } = next;
    marks.reached.add(what.digest);
    if (needed) marks.needed.add(what.digest);
    if (!marks.followed.has(what.digest))
      for (const digest of referrersOf(what.digest))
        waiting.push({ what: { mediaType: MEDIA.manifest, digest, size: blobs.sizeOf(digest) ?? 0 }, needed: false });
    // Not "reached before": a wrong media type or size in one image must not hide what another image refers to.
    if (!isDocument(what.mediaType) || marks.followed.has(what.digest) || what.size > LIMITS.configBytes) continue;
    try {
      const document = parse(readDocument(blobs, what));
      marks.followed.add(what.digest);
      for (const diffId of diffIdsOf(document)) marks.diffIds.add(diffId);
      waiting.push(...childrenOf(document));
    } catch (error) {
      if (!(error instanceof Failure) || (error.code !== "NOT_FOUND" && error.code !== "DIGEST")) throw error;
      marks.broken.set(what.digest, error);
    }
  }
}

interface Child {
  readonly what: Descriptor;
  readonly needed: boolean;
}

/**
 * What a document refers to. Lenient on purpose: it keeps whatever looks like a descriptor, whatever kind of document
 * says so; whether documents are valid is judged elsewhere (image/validate.ts).
 */
function childrenOf(document: unknown): Child[] {
  const { config, layers, manifests, blobs } = (document ?? {}) as Record<string, unknown>;
  const own = [config, ...list(layers), ...list(blobs)].filter(isDescriptor);
  return [
    ...own.map((what) => ({ what, needed: !/\.(?:nondistributable|foreign)\./.test(what.mediaType) })),
    ...list(manifests)
      .filter(isDescriptor)
      .map((what) => ({ what, needed: false })),
  ];
}

function diffIdsOf(document: unknown): Digest[] {
  const rootfs = (document as { rootfs?: { diff_ids?: unknown } } | null)?.rootfs;
  return list(rootfs?.diff_ids).filter(isDigest);
}

/** A JSON document, or undefined for anything else: then it refers to nothing. */
function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Whether a blob of this type may refer to others or hold diffIDs. */
function isDocument(mediaType: string): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType) || mediaType === MEDIA.config || mediaType === MEDIA.dockerConfig;
}

function isDescriptor(value: unknown): value is Descriptor {
  const one = value as Partial<Descriptor> | null | undefined;
  return (
    typeof one === "object" && one !== null && isDigest(one.digest) && Number.isSafeInteger(one.size) && typeof one.mediaType === "string"
  );
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
