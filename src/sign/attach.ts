import { type Artifact, artifactFor } from "../attest/artifact.ts";
import { encodeManifest } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf, hexOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { Repository } from "../registry/face.ts";
import type { Task } from "../task/task.ts";
import { type Kind, readClassic } from "./find.ts";
import { BUNDLE, BUNDLE_CONTENT, BUNDLE_PREDICATE, classicTag } from "./media.ts";

/** One more classic signature or attestation, with its annotations. */
export interface ClassicLayer {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What a configuration says that nobody reads, as cosign and Go write the time that is none. */
const NO_TIME = "0001-01-01T00:00:00Z";

/**
 * Adds a layer to what is kept under cosign's tag for a manifest. The registry has no way to say "only if it is still the same", so of two
 * signers at the same moment one may be lost; the bundle form has no such gap. Throws AUTH, NETWORK, LIMIT, MANIFEST.
 */
export async function attachClassic(place: Repository, subject: Descriptor, kind: Kind, layer: ClassicLayer, task: Task): Promise<void> {
  const before = (await readClassic(place, subject.digest, kind, task))?.manifest;
  const own = { mediaType: layer.mediaType, digest: digestOf(layer.bytes), size: layer.bytes.length, annotations: layer.annotations };
  const layers = [...(before?.layers ?? []), own];
  if (layers.length > LIMITS.signatures)
    throw new Failure("LIMIT", `${subject.digest} has ${layers.length - 1} ${kind}s already; ${LIMITS.signatures} are looked at`);
  const config = Buffer.from(
    JSON.stringify({
      architecture: "",
      created: NO_TIME,
      history: layers.map(() => ({ created: NO_TIME })),
      os: "",
      rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
      config: {},
    }),
  );
  const bytes = encodeManifest({
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: { mediaType: MEDIA.config, digest: digestOf(config), size: config.length },
    layers,
    ...(before?.annotations ? { annotations: before.annotations } : {}),
  });
  await place.put(layer.bytes, own);
  await place.put(config, { digest: digestOf(config), size: config.length });
  const root = { mediaType: MEDIA.manifest, digest: digestOf(bytes), size: bytes.length };
  await place.put(bytes, root);
  await place.publish({ ...place.name, tag: classicTag(hexOf(subject.digest), kind === "signature" ? "sig" : "att") }, root, task);
}

/** Makes a bundle a referrer of a manifest. Throws AUTH, NETWORK. */
export async function attachBundle(
  place: Repository,
  subject: Descriptor,
  bundle: Uint8Array,
  predicateType: string,
  now: Date,
): Promise<Artifact> {
  const artifact = artifactFor(subject, BUNDLE, [{ mediaType: BUNDLE, bytes: bundle }], {
    [BUNDLE_CONTENT]: "dsse-envelope",
    [BUNDLE_PREDICATE]: predicateType,
    "org.opencontainers.image.created": `${now.toISOString().slice(0, 19)}Z`,
  });
  for (const { descriptor, bytes } of artifact.blobs) await place.put(bytes, { digest: descriptor.digest, size: descriptor.size });
  await place.put(artifact.manifest.bytes, artifact.manifest.descriptor);
  return artifact;
}
