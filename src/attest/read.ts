import { parseIndex, parseManifest } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { isIndexType, isManifestType, MEDIA } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import { readWhole } from "../place/documents.ts";
import { isAttestation, REFERENCE_DIGEST } from "./docker-style.ts";
import { parseStatement, type Statement } from "./statement.ts";
import type { ReferrersSource } from "./travel.ts";

const DSSE = "application/vnd.dsse.envelope.v1+json";
const BUNDLE = /^application\/vnd\.dev\.sigstore\.bundle/;

/** What cosign puts into an envelope that is a signature and says nothing else. */
const BARE_SIGNATURE = "https://sigstore.dev/cosign/sign/v1";

/** One statement about an image, as it was found. */
export interface Said {
  /** The manifest that carries it. */
  readonly carrier: Descriptor;
  /** Whether it comes in an envelope with signatures. Nothing of them is verified here. */
  readonly signed: boolean;
  readonly statement: Statement;
}

/**
 * Everything that is said of a manifest: by artifacts that refer to it, and by docker's entries beside it in `index`, the index that the
 * image was found in. Signed or not, nothing is verified. What is no statement (signatures, notes) is passed over. Throws LIMIT,
 * NOT_FOUND, DIGEST, MANIFEST.
 */
export async function saidOf(
  from: BytesReader & ReferrersSource,
  image: Descriptor,
  index: Descriptor | undefined,
): Promise<readonly Said[]> {
  const carriers = (await from.referrers(image.digest)).filter((one) => isManifestType(one.mediaType));
  if (index && isIndexType(index.mediaType)) {
    const { manifests } = parseIndex(await readWhole(from, index), index.digest, index.mediaType);
    carriers.push(...manifests.filter((one) => isAttestation(one) && one.annotations?.[REFERENCE_DIGEST] === image.digest));
  }
  const found: Said[] = [];
  for (const carrier of carriers) found.push(...(await carriedBy(from, carrier)));
  return found;
}

async function carriedBy(from: BytesReader, carrier: Descriptor): Promise<Said[]> {
  const { layers } = parseManifest(await readWhole(from, carrier), carrier.digest, carrier.mediaType);
  const found: Said[] = [];
  for (const layer of layers) {
    const plain = layer.mediaType === MEDIA.inToto;
    if (!plain && layer.mediaType !== DSSE && !BUNDLE.test(layer.mediaType)) continue;
    const bytes = await readWhole(from, layer, LIMITS.statementBytes);
    const payload = plain ? bytes : payloadOf(bytes, layer.digest);
    const statement = payload && readQuietly(payload, layer.digest);
    if (statement && statement.predicateType !== BARE_SIGNATURE) found.push({ carrier, signed: !plain, statement });
  }
  return found;
}

/** What an envelope holds, alone or in a bundle; undefined for a bundle that has none. */
function payloadOf(bytes: Uint8Array, where: string): Uint8Array | undefined {
  let document: { payload?: unknown; dsseEnvelope?: { payload?: unknown } } | null;
  try {
    document = JSON.parse(Buffer.from(bytes).toString("utf8")) as typeof document;
  } catch (cause) {
    throw new Failure("MANIFEST", `${where}: the envelope is not JSON`, { cause });
  }
  const payload = document?.dsseEnvelope?.payload ?? document?.payload;
  return typeof payload === "string" ? Buffer.from(payload, "base64") : undefined;
}

function readQuietly(bytes: Uint8Array, where: string): Statement | undefined {
  try {
    return parseStatement(bytes, where);
  } catch (error) {
    if (error instanceof Failure && error.code === "MANIFEST") return undefined;
    throw error;
  }
}
