import { parseIndex, parseManifest } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Index, Manifest } from "../oci/manifest.ts";
import { isIndexType, isManifestType } from "../oci/media-type.ts";
import type { HeldManifest } from "./holdings.ts";

/** A manifest or an index, read. */
export type Parsed = { readonly kind: "manifest"; readonly document: Manifest } | { readonly kind: "index"; readonly document: Index };

/** Reads what was pushed as `mediaType`; undefined for a type that is neither manifest nor index. Throws MANIFEST, LIMIT. */
export function parseDocument(bytes: Uint8Array, mediaType: string, where: string): Parsed | undefined {
  if (isManifestType(mediaType)) return { kind: "manifest", document: parseManifest(bytes, where, mediaType) };
  if (isIndexType(mediaType)) return { kind: "index", document: parseIndex(bytes, where, mediaType) };
  return undefined;
}

/**
 * How the list of referrers names a manifest: distribution-spec, "Listing Referrers". Its artifactType is its own, or for an image
 * manifest without one the type of its config.
 */
export function descriptorOf(held: HeldManifest): Descriptor {
  const parsed = quietlyParsed(held);
  const artifactType = parsed?.document.artifactType ?? (parsed?.kind === "manifest" ? parsed.document.config.mediaType : undefined);
  const annotations = parsed?.document.annotations;
  return {
    mediaType: held.mediaType,
    digest: held.digest,
    size: held.bytes.length,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** The digest of the manifest that this one is about. */
export function subjectOf(held: HeldManifest): Digest | undefined {
  return quietlyParsed(held)?.document.subject?.digest;
}

/** Manifests are checked when they come in; one of an older program may still not parse. */
function quietlyParsed(held: HeldManifest): Parsed | undefined {
  try {
    return parseDocument(held.bytes, held.mediaType, held.digest);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
