/** Media types, annotations and tags of signatures and attestations, as cosign and the sigstore specifications have them. */

/** A classic signature's payload (cosign's SIGNATURE_SPEC.md). */
export const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json";
/** A classic attestation: a DSSE envelope. */
export const DSSE_ENVELOPE = "application/vnd.dsse.envelope.v1+json";
/** What an envelope holds here. */
export const IN_TOTO = "application/vnd.in-toto+json";
/** A sigstore bundle, the version that is written. */
export const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
/** What a bundle of any version calls itself. */
export const BUNDLE_PREFIX = "application/vnd.dev.sigstore.bundle";

/** Annotation of a classic layer: the signature in base64. */
export const SIGNATURE = "dev.cosignproject.cosign/signature";
/** Annotation of a classic attestation's layer. */
export const CLASSIC_PREDICATE = "predicateType";
/** Annotations of the manifest that carries a bundle. */
export const BUNDLE_CONTENT = "dev.sigstore.bundle.content";
export const BUNDLE_PREDICATE = "dev.sigstore.bundle.predicateType";
/** The predicate type of a bundle that is a signature and says nothing else. */
export const SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1";

/** The tag under which cosign keeps classic signatures (`sig`) or attestations (`att`) of a manifest. */
export function classicTag(hex: string, kind: "sig" | "att"): string {
  return `sha256-${hex}.${kind}`;
}

/** Which of the two forms. `bundle`: a referrer that holds a sigstore bundle. `classic`: a layer under cosign's tag. */
export type Form = "bundle" | "classic";
