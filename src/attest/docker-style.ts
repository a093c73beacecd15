import { encodeIndex } from "../image/documents.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { type Artifact, type Part, PREDICATE_TYPE, seal } from "./artifact.ts";
import { encodeStatement, type Statement } from "./statement.ts";

/** Annotations by which docker knows an attestation in an index. BuildKit, docs/attestations/attestation-storage.md. */
export const REFERENCE_TYPE = "vnd.docker.reference.type";
export const REFERENCE_DIGEST = "vnd.docker.reference.digest";
const ATTESTATION = "attestation-manifest";

/** Whether an entry of an index is what docker takes for an attestation. */
export function isAttestation({ annotations }: Descriptor): boolean {
  return annotations?.[REFERENCE_TYPE] === ATTESTATION;
}

/** Statements in a manifest that looks like an image of no platform, as BuildKit writes it. */
export function attestationManifest(statements: readonly Statement[]): Artifact {
  return attestationOf(
    statements.map((statement) => ({ bytes: encodeStatement(statement), annotations: { [PREDICATE_TYPE]: statement.predicateType } })),
  );
}

/** The same of statements that are bytes already. */
export function attestationOf(
  statements: readonly { readonly bytes: Uint8Array; readonly annotations?: Descriptor["annotations"] }[],
): Artifact {
  const layers = statements.map(({ bytes, annotations }): Part => {
    const descriptor = { mediaType: MEDIA.inToto, digest: digestOf(bytes), size: bytes.length, ...(annotations ? { annotations } : {}) };
    return { bytes, descriptor };
  });
  const diffIds = layers.map((one) => one.descriptor.digest);
  const configBytes = Buffer.from(
    JSON.stringify({ architecture: "unknown", os: "unknown", config: {}, rootfs: { type: "layers", diff_ids: diffIds } }),
  );
  const config: Part = {
    bytes: configBytes,
    descriptor: { mediaType: MEDIA.config, digest: digestOf(configBytes), size: configBytes.length },
  };
  return seal({ schemaVersion: 2, mediaType: MEDIA.manifest, config: config.descriptor, layers: layers.map((one) => one.descriptor) }, [
    config,
    ...layers,
  ]);
}

/** The entry of an index for the attestation of one of its images. */
export function attestationEntry(attestation: Descriptor, image: Descriptor): Descriptor {
  const { mediaType, digest, size } = attestation;
  const annotations = { [REFERENCE_DIGEST]: image.digest, [REFERENCE_TYPE]: ATTESTATION };
  return { mediaType, digest, size, annotations, platform: { architecture: "unknown", os: "unknown" } };
}

/** An index of images (with their platforms), and after them the attestation of each, as docker writes it. */
export function attestedIndex(images: readonly { readonly image: Descriptor; readonly attestation: Artifact }[]): Part {
  const bytes = encodeIndex({
    schemaVersion: 2,
    mediaType: MEDIA.index,
    manifests: [
      ...images.map(({ image }) => image),
      ...images.map(({ image, attestation }) => attestationEntry(attestation.descriptor, image)),
    ],
  });
  return { bytes, descriptor: { mediaType: MEDIA.index, digest: digestOf(bytes), size: bytes.length } };
}
