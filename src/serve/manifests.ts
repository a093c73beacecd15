import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { isForeign } from "../place/documents.ts";
import { readOnly } from "./blobs.ts";
import { type Parsed, parseDocument } from "./descriptor.ts";
import { answer, type Exchange, readBody } from "./exchange.ts";
import type { HeldManifest, Holdings } from "./holdings.ts";
import { Refusal } from "./refusal.ts";
import type { ManifestWord } from "./route.ts";

/** GET and HEAD of a manifest: distribution-spec, "Pulling manifests". What a client accepts is its own business: there is one form. */
export async function sendManifest(exchange: Exchange, holdings: Holdings, repository: string, word: ManifestWord): Promise<void> {
  const held = await holdings.manifest(repository, word);
  if (!held) throw unknown(word);
  const etag = `"${held.digest}"`;
  const headers = { "content-type": held.mediaType, "docker-content-digest": held.digest, etag };
  if (exchange.request.headers["if-none-match"] === etag) return answer(exchange, 304, headers);
  if (exchange.request.method !== "HEAD") return answer(exchange, 200, headers, held.bytes);
  exchange.response.writeHead(200, { ...headers, "content-length": String(held.bytes.length) });
  exchange.response.end();
}

/**
 * PUT of a manifest: distribution-spec, "Pushing Manifests". Bytes are kept as they come; the document is read strictly, and all it
 * refers to has to be there (a subject need not be).
 */
export async function takeManifest(exchange: Exchange, holdings: Holdings, repository: string, word: ManifestWord): Promise<void> {
  if (!holdings.write) throw readOnly();
  const { request } = exchange;
  const bytes = await readBody(request, LIMITS.manifestBytes);
  const digest = digestOf(bytes);
  if ("digest" in word && word.digest !== digest) throw new Refusal("DIGEST_INVALID", `the manifest has the digest ${digest}`);
  const mediaType = mediaTypeOf(request.headers["content-type"], bytes);
  const parsed = read(bytes, mediaType, digest);
  for (const part of partsOf(parsed)) {
    if (isForeign(part) || (await holdings.blobSize(repository, part.digest)) !== undefined) continue;
    throw new Refusal("MANIFEST_BLOB_UNKNOWN", `${part.digest}, which the manifest refers to, is not in the repository`);
  }
  const held: HeldManifest = { mediaType, digest, bytes };
  const subject = parsed.document.subject?.digest;
  await holdings.write.putManifest(repository, held, subject, "tag" in word ? word.tag : undefined);
  answer(exchange, 201, {
    location: `/v2/${repository}/manifests/${digest}`,
    "docker-content-digest": digest,
    ...(subject ? { "oci-subject": subject } : {}),
  });
}

/** DELETE of a tag, or of a manifest with its tags: distribution-spec, "Content Management". */
export async function deleteManifest(exchange: Exchange, holdings: Holdings, repository: string, word: ManifestWord): Promise<void> {
  if (!holdings.write) throw readOnly();
  if (!(await holdings.write.deleteManifest(repository, word))) throw unknown(word);
  answer(exchange, 202, {});
}

function partsOf(parsed: Parsed): readonly Descriptor[] {
  return parsed.kind === "index" ? parsed.document.manifests : [parsed.document.config, ...parsed.document.layers];
}

/** What the header says, or where there is none the document's own word. */
function mediaTypeOf(header: string | undefined, bytes: Uint8Array): string {
  const said = header?.split(";")[0]?.trim().toLowerCase();
  if (said !== undefined && said !== "" && said !== "application/json" && said !== "application/octet-stream") return said;
  try {
    const own = (JSON.parse(Buffer.from(bytes).toString("utf8")) as { mediaType?: unknown } | null)?.mediaType;
    if (typeof own === "string") return own;
  } catch {
    // Said below.
  }
  throw new Refusal("MANIFEST_INVALID", "neither Content-Type nor the document says what kind of manifest this is");
}

function read(bytes: Uint8Array, mediaType: string, digest: string): Parsed {
  try {
    const parsed = parseDocument(bytes, mediaType, digest);
    if (parsed) return parsed;
  } catch (error) {
    if (error instanceof Failure) throw new Refusal("MANIFEST_INVALID", error.message);
    throw error;
  }
  throw new Refusal("MANIFEST_INVALID", "manifests are of the OCI types or docker's schema 2");
}

function unknown(word: ManifestWord): Refusal {
  return new Refusal("MANIFEST_UNKNOWN", `there is no manifest ${"tag" in word ? word.tag : word.digest}`);
}
