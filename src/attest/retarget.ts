import { parseManifest } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, hexOf } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import { readWhole } from "../place/documents.ts";
import { type Artifact, artifactFor } from "./artifact.ts";
import { attestationOf } from "./docker-style.ts";
import { encodeStatement, parseStatement } from "./statement.ts";

/**
 * The same attestation for another manifest of the same image, whose layers are packed in another way: statements that nobody signed say
 * the same of `now` that they said of `before`. Undefined for whatever else an artifact may hold: a signature holds for one digest only.
 * Throws NOT_FOUND, DIGEST, MANIFEST, LIMIT where the artifact cannot be read.
 */
export async function retarget(from: BytesReader, artifact: Descriptor, before: Digest, now: Descriptor): Promise<Artifact | undefined> {
  const manifest = parseManifest(await readWhole(from, artifact), artifact.digest, MEDIA.manifest);
  const { layers, artifactType, annotations, subject } = manifest;
  if (layers.length === 0 || layers.some((layer) => layer.mediaType !== MEDIA.inToto)) return undefined;
  if (subject === undefined ? !isDockerStyle(manifest) : manifest.config.mediaType !== MEDIA.empty) return undefined;
  const statements: { mediaType: string; bytes: Uint8Array; annotations: Readonly<Record<string, string>> }[] = [];
  for (const layer of layers) {
    const bytes = restated(await readWhole(from, layer, LIMITS.statementBytes), layer.digest, before, now.digest);
    if (bytes === undefined) return undefined;
    statements.push({ mediaType: layer.mediaType, bytes, annotations: layer.annotations ?? {} });
  }
  return subject === undefined ? attestationOf(statements) : artifactFor(now, artifactType ?? MEDIA.inToto, statements, annotations);
}

function isDockerStyle({ config }: Manifest): boolean {
  return config.mediaType === MEDIA.config;
}

/** A statement about another digest; undefined for what is no statement about `before`. */
function restated(bytes: Uint8Array, where: string, before: Digest, now: Digest): Uint8Array | undefined {
  let statement: ReturnType<typeof parseStatement>;
  try {
    statement = parseStatement(bytes, where);
  } catch (error) {
    if (error instanceof Failure && error.code === "MANIFEST") return undefined;
    throw error;
  }
  const old = hexOf(before);
  // BuildKit names no subject where an image has no name: the manifest beside which it stands is meant.
  if (statement.subject.length > 0 && !statement.subject.some((one) => one.digest["sha256"] === old)) return undefined;
  const subject = statement.subject.map((one) => (one.digest["sha256"] === old ? { ...one, digest: { sha256: hexOf(now) } } : one));
  return encodeStatement({ ...statement, subject });
}
