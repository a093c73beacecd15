import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { isIndexType, layerCompression } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import { formatPlatform, matchesPlatform, type Platform } from "../oci/platform.ts";
import { parseConfig, parseIndex, parseManifest } from "./documents.ts";
import type { Image } from "./layer.ts";

/**
 * Reads an image's documents from wherever it lives, verified: through indexes to the manifest for `platform`, its configuration, and its
 * layers with their diffIDs. No layer is read. Throws NOT_FOUND where no manifest fits, MANIFEST, DIGEST, LIMIT.
 */
export async function openImage(from: BytesReader, root: Descriptor, platform: Platform): Promise<Image> {
  let descriptor = root;
  for (let depth = 0; isIndexType(descriptor.mediaType); depth++) {
    if (depth > LIMITS.indexDepth) throw new Failure("LIMIT", `${root.digest}: indexes are nested deeper than ${LIMITS.indexDepth}`);
    const index = parseIndex(await whole(from, descriptor, LIMITS.manifestBytes), descriptor.digest, descriptor.mediaType);
    descriptor = chooseManifest(index.manifests, platform, root);
  }
  const manifest = parseManifest(await whole(from, descriptor, LIMITS.manifestBytes), descriptor.digest, descriptor.mediaType);
  if (manifest.layers.length > LIMITS.layers) throw new Failure("LIMIT", `${descriptor.digest} has more than ${LIMITS.layers} layers`);
  const config = parseConfig(await whole(from, manifest.config, LIMITS.configBytes), manifest.config.digest);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw new Failure(
      "MANIFEST",
      `${descriptor.digest}: ${manifest.layers.length} layers but ${diffIds.length} diffIDs in the configuration`,
    );
  }
  const told = config.history.filter((entry) => !entry.empty_layer).length;
  // Docker's own rule; histories that tell of less are common.
  if (told > diffIds.length)
    throw new Failure("MANIFEST", `${descriptor.digest}: ${diffIds.length} layers, but ${told} entries of the history have one`);
  const layers = manifest.layers.map((blob, at) => {
    if (layerCompression(blob.mediaType) === undefined)
      throw new Failure("MANIFEST", `${blob.digest}: ${blob.mediaType} is no layer of an image`);
    return { diffId: diffIds[at] as Image["layers"][number]["diffId"], blob };
  });
  return {
    descriptor,
    configDescriptor: manifest.config,
    config,
    layers,
    ...(manifest.annotations ? { annotations: manifest.annotations } : {}),
  };
}

/** The entry of an index that fits a platform; attestations are none. Throws NOT_FOUND with what there is. */
export function chooseManifest(manifests: readonly Descriptor[], platform: Platform, root: Pick<Descriptor, "digest">): Descriptor {
  const real = manifests.filter((one) => one.platform?.os !== "unknown" && one.annotations?.["vnd.docker.reference.type"] === undefined);
  const exact = real.find((one) => one.platform && matchesPlatform(platform, one.platform));
  const found = exact ?? (real.length === 1 && real[0]?.platform === undefined ? real[0] : undefined);
  if (found) return found;
  const offered = real.flatMap((one) => (one.platform ? [formatPlatform(one.platform)] : []));
  throw new Failure("NOT_FOUND", `${root.digest}: no match for platform ${formatPlatform(platform)} in manifest: not found`, {
    hint: offered.length > 0 ? `It has ${offered.join(", ")}; choose one with --platform.` : "It names no platform at all.",
  });
}

async function whole(from: BytesReader, what: Descriptor, limit: number): Promise<Uint8Array> {
  if (what.size > limit) throw new Failure("LIMIT", `${what.digest}: a document of ${what.size} bytes; ${limit} are accepted`);
  await using bytes = await from.open(what);
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
