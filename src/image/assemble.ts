import type { ImageConfig } from "../oci/config.ts";
import { digestOf } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { encodeConfig, encodeManifest } from "./documents.ts";
import type { Image, Layer } from "./layer.ts";

/** An image with the bytes of its two documents, ready to be stored. */
export interface Assembled {
  readonly image: Image;
  readonly configBytes: Uint8Array;
  readonly manifestBytes: Uint8Array;
}

/** Layers and a configuration become an image: pure, the same input always gives the same digests. OCI image-spec, manifest.md. */
export function assemble(layers: readonly Layer[], config: ImageConfig, annotations: Readonly<Record<string, string>>): Assembled {
  const configBytes = encodeConfig(config);
  const configDescriptor = { mediaType: MEDIA.config, digest: digestOf(configBytes), size: configBytes.length };
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: configDescriptor,
    layers: layers.map(({ blob }) => ({ mediaType: blob.mediaType, digest: blob.digest, size: blob.size })),
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  };
  const manifestBytes = encodeManifest(manifest);
  const descriptor = { mediaType: MEDIA.manifest, digest: digestOf(manifestBytes), size: manifestBytes.length };
  return { image: { descriptor, configDescriptor, config, layers, annotations }, configBytes, manifestBytes };
}
