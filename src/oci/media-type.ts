/** Media types of the OCI image-spec (media-types.md) and of docker's schema 2, which mean the same. */
export const MEDIA = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  empty: "application/vnd.oci.empty.v1+json",
  /** A statement of the in-toto attestation framework. */
  inToto: "application/vnd.in-toto+json",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
} as const;

export type Compression = "uncompressed" | "gzip" | "zstd";

const LAYERS: Readonly<Record<string, Compression>> = {
  [MEDIA.layer]: "uncompressed",
  [MEDIA.layerGzip]: "gzip",
  [MEDIA.layerZstd]: "zstd",
  [MEDIA.dockerLayer]: "uncompressed",
  [MEDIA.dockerLayerGzip]: "gzip",
  "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar": "uncompressed",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
};

/** How a layer's media type says it is compressed; undefined when the type is no layer at all. */
export function layerCompression(mediaType: string): Compression | undefined {
  return Object.hasOwn(LAYERS, mediaType) ? LAYERS[mediaType] : undefined;
}

/** Whether a layer of this type may not be passed on: a place that has the image need not have it, and nobody fetches it elsewhere. */
export function isForeignLayer(mediaType: string): boolean {
  return /\.(?:nondistributable|foreign)\./.test(mediaType);
}

/** The OCI media type of a layer with that compression. */
export function layerMediaType(compression: Compression): string {
  return compression === "gzip" ? MEDIA.layerGzip : compression === "zstd" ? MEDIA.layerZstd : MEDIA.layer;
}

/** Whether a media type is that of an image index (docker calls it a manifest list). */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA.index || mediaType === MEDIA.dockerIndex;
}

/** Whether a media type is that of an image manifest, OCI or docker. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA.manifest || mediaType === MEDIA.dockerManifest;
}
