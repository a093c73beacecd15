import { parseIndex } from "../../image/documents.ts";
import { openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { isIndexType, MEDIA } from "../../oci/media-type.ts";
import type { BytesReader } from "../../oci/place.ts";
import { hostPlatform, type Platform } from "../../oci/platform.ts";
import { readWhole } from "../../place/documents.ts";

/**
 * What `docker manifest inspect --verbose` tells of an image: its descriptor with the platform, and its manifest, parsed and raw; of a list
 * the same for each entry that is there. `shown` is its name, without a digest. Throws what reading throws.
 */
export async function verboseManifest(from: BytesReader, root: Descriptor, shown: string): Promise<object> {
  if (!isIndexType(root.mediaType)) return entry(from, { ...root, ...platformIn(await platformOf(from, root)) }, shown);
  const told: object[] = [];
  for (const { annotations: _, ...one } of parseIndex(await readWhole(from, root), root.digest, root.mediaType).manifests)
    if (await from.has(one.digest, one.mediaType)) told.push(await entry(from, one, `${shown}@${one.digest}`));
  return told;
}

async function entry(from: BytesReader, what: Descriptor, shown: string): Promise<object> {
  const bytes = Buffer.from(await readWhole(from, what));
  const { mediaType, digest, size, platform } = what;
  return {
    Ref: shown,
    Descriptor: { mediaType, digest, size, ...(platform ? { platform: ordered(platform) } : {}) },
    Raw: bytes.toString("base64"),
    [mediaType === MEDIA.dockerManifest ? "SchemaV2Manifest" : "OCIManifest"]: JSON.parse(bytes.toString("utf8")) as unknown,
  };
}

/** The platform of a single image, as its configuration has it; undefined for what is no container image. */
async function platformOf(from: BytesReader, root: Descriptor): Promise<Platform | undefined> {
  try {
    const { architecture, os, variant } = (await openImage(from, root, hostPlatform())).config;
    return { architecture, os, ...(variant === undefined ? {} : { variant }) };
  } catch (error) {
    if (error instanceof Failure && error.code === "MANIFEST") return undefined;
    throw error;
  }
}

/** In docker's order. */
function ordered({ architecture, os, "os.version": version, "os.features": features, variant }: Platform): Platform {
  return {
    architecture,
    os,
    ...(version === undefined ? {} : { "os.version": version }),
    ...(features === undefined ? {} : { "os.features": features }),
    ...(variant === undefined ? {} : { variant }),
  };
}

function platformIn(platform: Platform | undefined): { readonly platform?: Platform } {
  return platform ? { platform } : {};
}
