import { Failure } from "../kit/error.ts";
import { layerCompression, MEDIA } from "../oci/media-type.ts";

/** Docker's media type for a layer with the same bytes. Throws USAGE for zstd, for which docker's schema 2 has none. */
export function dockerLayerType(mediaType: string): string {
  switch (layerCompression(mediaType)) {
    case "gzip":
      return MEDIA.dockerLayerGzip;
    case "uncompressed":
      return MEDIA.dockerLayer;
    default:
      throw new Failure("USAGE", `oci-mediatypes=false: docker's media types know no ${mediaType}`, { hint: "Use gzip for this cache." });
  }
}
