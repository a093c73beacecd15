import { parseManifest } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, hexOf } from "../oci/digest.ts";
import { isIndexType, MEDIA } from "../oci/media-type.ts";
import { readWhole } from "../place/documents.ts";
import type { Repository } from "../registry/face.ts";
import type { Task } from "../task/task.ts";
import { BUNDLE_PREDICATE, BUNDLE_PREFIX, classicTag, DSSE_ENVELOPE, type Form, SIGN_PREDICATE, SIMPLE_SIGNING } from "./media.ts";

/** Signatures, or statements with more to say. */
export type Kind = "signature" | "attestation";

/** Where a signature or attestation may lie: announced, not yet fetched, worth nothing before it is verified. */
export interface Candidate {
  readonly form: Form;
  /** The classic layer, or the manifest that carries a bundle. */
  readonly descriptor: Descriptor;
  /** For messages. */
  readonly where: string;
}

/**
 * Everything in a repository that may be a signature or attestation of a manifest: bundles among its referrers, then classic layers under
 * cosign's tag. Throws LIMIT where there are more than `LIMITS.signatures`, AUTH, NETWORK, MANIFEST (the list of classic ones is damaged).
 */
export async function findCandidates(place: Repository, subject: Digest, kind: Kind, task: Task): Promise<readonly Candidate[]> {
  const layers = await classicLayers(place, subject, kind, task);
  const told = (await place.referrers(subject)).filter((one) => isBundle(one.artifactType) || isUntold(one.artifactType));
  const count = told.length + layers.length;
  if (count > LIMITS.signatures)
    throw new Failure("LIMIT", `${subject} has ${count} ${kind}s; ${LIMITS.signatures} are looked at (limit signatures)`);
  const bundles: Descriptor[] = [];
  for (const one of told) {
    const entry = isBundle(one.artifactType) ? one : await describe(place, one);
    if (entry && mayHold(entry, kind)) bundles.push(entry);
  }
  return [
    ...bundles.map((descriptor) => ({ form: "bundle", descriptor, where: `bundle ${descriptor.digest}` }) as const),
    ...layers.map((descriptor) => ({ form: "classic", descriptor, where: `${kind} ${descriptor.digest}` }) as const),
  ];
}

/** What is kept under cosign's tag for a manifest; undefined where there is no such tag. */
export async function readClassic(place: Repository, subject: Digest, kind: Kind, task: Task) {
  const tag = classicTag(hexOf(subject), kind === "signature" ? "sig" : "att");
  const root = await place.resolve({ ...place.name, tag }, task);
  if (root === undefined) return undefined;
  if (isIndexType(root.mediaType)) throw new Failure("MANIFEST", `${tag}: an index, where a manifest with ${kind}s is expected`);
  return { root, manifest: parseManifest(await readWhole(place, root), tag, root.mediaType) };
}

async function classicLayers(place: Repository, subject: Digest, kind: Kind, task: Task): Promise<readonly Descriptor[]> {
  const found = await readClassic(place, subject, kind, task);
  const type = kind === "signature" ? SIMPLE_SIGNING : DSSE_ENVELOPE;
  return found?.manifest.layers.filter((one) => one.mediaType === type) ?? [];
}

function isBundle(artifactType: string | undefined): boolean {
  return artifactType?.startsWith(BUNDLE_PREFIX) ?? false;
}

/** In a list that clients keep under a tag, cosign enters the type of the empty configuration, which says nothing. */
function isUntold(artifactType: string | undefined): boolean {
  return artifactType === undefined || artifactType === MEDIA.empty;
}

/** An entry with what its manifest says of it; undefined where that is no bundle's, or cannot be read. */
async function describe(place: Repository, entry: Descriptor): Promise<Descriptor | undefined> {
  try {
    const { artifactType, annotations } = parseManifest(await readWhole(place, entry), entry.digest, entry.mediaType);
    return isBundle(artifactType) ? { ...entry, ...(annotations ? { annotations } : {}) } : undefined;
  } catch (error) {
    if (error instanceof Failure && ["MANIFEST", "LIMIT", "DIGEST", "NOT_FOUND"].includes(error.code)) return undefined;
    throw error;
  }
}

/** A bundle says what it is about where annotations are passed on; large attestations are not fetched in vain then. */
function mayHold(entry: Descriptor, kind: Kind): boolean {
  const told = entry.annotations?.[BUNDLE_PREDICATE];
  return told === undefined || (told === SIGN_PREDICATE) === (kind === "signature");
}
