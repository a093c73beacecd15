import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { type Digest, digestOf, isDigest } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { CacheMountRecord } from "./slot.ts";
import { readableRecord } from "./slot.ts";

/**
 * Cache mounts outside of a store are an OCI image layout with one artifact (OCI image-spec, image-layout.md and manifest.md, "Guidelines
 * for
 * Artifact Usage"), so that any tool that copies such artifacts takes them to any place. Each layer is the plain tar of one mount.
 */
export const ARTIFACT_TYPE = "application/vnd.nought.cache.v1";
const RECORD = "dev.nought.cache.record";

/** One mount in an archive. */
export interface ArchivedMount {
  readonly digest: Digest;
  readonly size: number;
  /** The name of its kind: what keyOf says of the wish that made it. */
  readonly key: string;
  readonly record: CacheMountRecord;
  /** Of the mount's own directory, which its tar does not hold. */
  readonly root: { readonly mode: number; readonly uid: number; readonly gid: number };
}

/** The bytes of an empty configuration, and its descriptor (image-spec, manifest.md, "Guidance for an Empty Descriptor"). */
export const EMPTY_CONFIG = Buffer.from("{}");

/** The manifest, and the index that names it. */
export function encodeArchive(mounts: readonly ArchivedMount[]): { readonly manifest: Buffer; readonly index: Buffer } {
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      artifactType: ARTIFACT_TYPE,
      config: { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf(EMPTY_CONFIG), size: EMPTY_CONFIG.length },
      layers: mounts.map(({ digest, size, key, record, root }) => ({
        mediaType: MEDIA.layer,
        digest,
        size,
        annotations: { [RECORD]: JSON.stringify({ key, record, root }) },
      })),
    }),
  );
  const descriptor = { mediaType: MEDIA.manifest, artifactType: ARTIFACT_TYPE, digest: digestOf(manifest), size: manifest.length };
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [descriptor] }));
  return { manifest, index };
}

/** Where an index says that the manifest is. Throws MANIFEST. */
export function manifestIn(index: Buffer, label: string): { readonly digest: Digest; readonly size: number } {
  const { manifests } = parse(index, label) as { manifests?: unknown };
  for (const one of Array.isArray(manifests) ? manifests.slice(0, LIMITS.indexEntries) : []) {
    const { digest, size } = (one ?? {}) as { digest?: unknown; size?: unknown };
    if (isDigest(digest) && isSize(size, LIMITS.manifestBytes)) return { digest, size };
  }
  throw new Failure("MANIFEST", `${printable(label)} holds no manifest`);
}

/** The mounts that a manifest names. Throws MANIFEST for anything but an archive of cache mounts. */
export function decodeArchive(manifest: Buffer, label: string): ArchivedMount[] {
  const { artifactType, layers } = parse(manifest, label) as { artifactType?: unknown; layers?: unknown };
  if (artifactType !== ARTIFACT_TYPE || !Array.isArray(layers) || layers.length > LIMITS.indexEntries)
    throw new Failure("MANIFEST", `${printable(label)} holds no cache mounts`, {
      hint: "`nought cache export` makes what is imported here.",
    });
  return layers.map((layer: unknown) => {
    const { digest, size, annotations } = (layer ?? {}) as { digest?: unknown; size?: unknown; annotations?: Record<string, unknown> };
    const text = annotations?.[RECORD];
    const { key, record, root } = (typeof text === "string" ? parse(Buffer.from(text), label) : {}) as Record<string, unknown>;
    const known = readableRecord(record);
    const { mode, uid, gid } = (root ?? {}) as Record<string, unknown>;
    if (!isDigest(digest) || !isSize(size, LIMITS.unpackedBytes) || typeof key !== "string" || !/^[0-9a-f]{64}$/.test(key) || !known)
      throw new Failure("MANIFEST", `${printable(label)}: a layer does not say which cache mount it is`);
    if (!isSize(mode, 0o7777) || !isSize(uid, 2 ** 32 - 2) || !isSize(gid, 2 ** 32 - 2))
      throw new Failure("MANIFEST", `${printable(label)}: the directory of a cache mount has no owner or mode`);
    return { digest, size, key, record: known, root: { mode, uid, gid } };
  });
}

function isSize(value: unknown, limit: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= limit;
}

function parse(bytes: Buffer, label: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8")) ?? {};
  } catch (cause) {
    throw new Failure("MANIFEST", `${printable(label)}: not JSON`, { cause });
  }
}
