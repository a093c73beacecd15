import { type Artifact, statementArtifact } from "../attest/artifact.ts";
import { attestationManifest, attestedIndex } from "../attest/docker-style.ts";
import { PROVENANCE, type ProvenanceRequest, provenance } from "../attest/provenance.ts";
import { imagePurl } from "../attest/purl.ts";
import { type Statement, statementFor, subjectFor } from "../attest/statement.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { formatPlatform, normalizePlatform, type Platform } from "../oci/platform.ts";
import { withDefaultTag } from "../oci/reference.ts";
import { subjectOf } from "../oci/subject.ts";
import { withDocuments } from "../store/documents.ts";
import type { ContentStore } from "../store/face.ts";
import type { OfferingStore } from "../store/offers.ts";
import { type FactsSource, factsOf } from "./build-facts.ts";
import type { BuildRequest } from "./request.ts";

/** What is to be said of the image, and where it is put. */
export interface AttestRequest {
  readonly provenance: ProvenanceRequest;
  /** `referrers`: artifacts that name the image as their subject. `index`: entries of an index around the image, as docker wants it. */
  readonly style: "referrers" | "index";
  /** Of nought. */
  readonly version: string;
}

/** An image with what is said of it. */
export interface Attested {
  /** The image, or the index around it. */
  readonly root: Descriptor;
  /** Documents of `root` that were made here, with all they list. */
  readonly documents: readonly Uint8Array[];
  /** Artifacts that refer to the image. */
  readonly referrers: readonly Artifact[];
}

/** One image in the form that an output has it in. */
export interface Pictured {
  readonly platform: Platform;
  readonly root: Descriptor;
}

/** Attests images that were built, in whatever form: `over` is the index over several, absent for one. Pure. */
export type Attest = (images: readonly Pictured[], over: Descriptor | undefined) => Attested;

/** How the images of a build are attested; undefined where nobody asks for it. */
export async function attestOf(request: BuildRequest, made: readonly FactsSource[]): Promise<Attest | undefined> {
  const { attest } = request;
  if (!attest) return undefined;
  const predicates = new Map<string, object>();
  for (const one of made)
    predicates.set(formatPlatform(one.platform), provenance(await factsOf(request, one, attest.version), attest.provenance));
  const names = [...request.names, ...request.outputs.flatMap((one) => one.names)].map(withDefaultTag);
  return (images, over) => {
    const statements = images.map(({ platform, root }): Statement => {
      // Docker's tools want to know the name; referrers follow the image wherever it is called something else.
      const called = attest.style === "index" ? names.map((name) => imagePurl(name, platform)) : [];
      const subjects = called.length > 0 ? called.map((name) => subjectFor(root.digest, name)) : [subjectFor(root.digest)];
      return statementFor(subjects, PROVENANCE, predicates.get(formatPlatform(platform)));
    });
    if (attest.style === "index") return inIndex(images, statements);
    const referrers = images.map(({ root }, at) => statementArtifact(root, statements[at] as Statement));
    return { root: over ?? (images[0] as Pictured).root, documents: [], referrers };
  };
}

function inIndex(images: readonly Pictured[], statements: readonly Statement[]): Attested {
  const pairs = images.map(({ root: { mediaType, digest, size }, platform }, at) => ({
    image: { mediaType, digest, size, platform: normalizePlatform(bare(platform)) },
    attestation: attestationManifest([statements[at] as Statement]),
  }));
  const index = attestedIndex(pairs);
  return { root: index.descriptor, documents: [...pairs.flatMap(({ attestation }) => bytesOf(attestation)), index.bytes], referrers: [] };
}

/** A platform from what has more fields than that. */
function bare({ os, architecture, variant, "os.version": version }: Platform): Platform {
  return { os, architecture, ...(variant === undefined ? {} : { variant }), ...(version === undefined ? {} : { "os.version": version }) };
}

/** Puts what is said of an image of the store beside it. The image's own documents must be there. */
export async function keepAttested({ documents, referrers }: Attested, store: ContentStore): Promise<void> {
  await store.putMany([...documents, ...referrers.flatMap(bytesOf)]);
  for (const { manifest } of referrers) await store.attach(manifest.descriptor);
}

/** Whether all that is said stands in the store already. */
export async function isKept({ documents, referrers }: Attested, store: ContentStore): Promise<boolean> {
  if ([...documents, ...referrers.flatMap(bytesOf)].some((one) => store.sizeOf(digestOf(one)) !== one.length)) return false;
  for (const { manifest } of referrers) {
    const subject = subjectOf(manifest)?.subject;
    if (!(await store.referrers(subject)).some((one) => one.digest === manifest.descriptor.digest)) return false;
  }
  return true;
}

/** The store with what is said of an image on top: read and listed as if it were there, and not kept. */
export function withAttested(store: OfferingStore, { documents, referrers }: Attested): OfferingStore {
  const desk = withDocuments(store);
  void desk.putMany([...documents, ...referrers.flatMap(bytesOf)]);
  const subjects = referrers.map(({ manifest, descriptor }) => ({ subject: subjectOf(manifest)?.subject, entry: descriptor }));
  return {
    ...desk,
    referrers: async (subject) => subjects.flatMap((one) => (subject === undefined || one.subject === subject ? [one.entry] : [])),
  };
}

/** All bytes of an artifact, blobs first. */
export function bytesOf({ blobs, manifest }: Artifact): readonly Uint8Array[] {
  return [...blobs, manifest].map((one) => one.bytes);
}
