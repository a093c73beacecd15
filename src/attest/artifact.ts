import { encodeManifest } from "../image/documents.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { encodeStatement, type Statement } from "./statement.ts";

/** Annotation of a layer (and of the manifest, so that lists of referrers show it) that says what a statement is about. */
export const PREDICATE_TYPE = "in-toto.io/predicate-type";

/** Bytes with their descriptor. */
export interface Part {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** A manifest that is no image, with all it consists of: blobs first, so that they can be stored in this order. */
export interface Artifact {
  /** As an entry of a list of referrers: `artifactType` and annotations with it. */
  readonly descriptor: Descriptor;
  readonly manifest: Part;
  readonly blobs: readonly Part[];
}

/** What an artifact manifest carries. */
export interface Content {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The JSON object without fields: what an artifact has in place of a configuration. OCI image-spec, manifest.md. */
const EMPTY: Part = (() => {
  const bytes = Buffer.from("{}");
  return { bytes, descriptor: { mediaType: MEDIA.empty, digest: digestOf(bytes), size: bytes.length, data: "e30=" } };
})();

/**
 * An artifact that refers to a manifest or index as its subject. Pure: the same input always gives the same digests. OCI image-spec 1.1,
 * manifest.md, "Guidelines for Artifact Usage".
 */
export function artifactFor(
  subject: Descriptor,
  artifactType: string,
  contents: readonly Content[],
  annotations?: Readonly<Record<string, string>>,
): Artifact {
  const layers = contents.map(({ mediaType, bytes, annotations: own }): Part => {
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length, ...(own ? { annotations: own } : {}) };
    return { bytes, descriptor };
  });
  return seal(
    {
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      artifactType,
      config: EMPTY.descriptor,
      layers: layers.map((one) => one.descriptor),
      subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
      ...(annotations && Object.keys(annotations).length > 0 ? { annotations } : {}),
    },
    [EMPTY, ...layers],
  );
}

/** The artifact of an unsigned statement: what `nought build --provenance` attaches to an image. */
export function statementArtifact(subject: Descriptor, statement: Statement): Artifact {
  const annotations = { [PREDICATE_TYPE]: statement.predicateType };
  return artifactFor(subject, MEDIA.inToto, [{ mediaType: MEDIA.inToto, bytes: encodeStatement(statement), annotations }], annotations);
}

/** An artifact from its manifest and its blobs, which must be those that the manifest lists. */
export function seal(manifest: Manifest, blobs: readonly Part[]): Artifact {
  const bytes = encodeManifest(manifest);
  const bare = { mediaType: manifest.mediaType, digest: digestOf(bytes), size: bytes.length };
  return {
    descriptor: {
      ...bare,
      ...(manifest.artifactType === undefined ? {} : { artifactType: manifest.artifactType }),
      ...(manifest.annotations ? { annotations: manifest.annotations } : {}),
    },
    manifest: { descriptor: bare, bytes },
    blobs,
  };
}
