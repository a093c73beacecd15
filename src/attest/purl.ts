import { formatPlatform, type Platform } from "../oci/platform.ts";
import { familiarRepository, type Reference, withDefaultTag } from "../oci/reference.ts";

/**
 * A name of an image as a package URL of type docker, as BuildKit writes it: `pkg:docker/alpine@3.20?platform=linux%2Famd64`. A digest in
 * the name becomes a qualifier. purl-spec, types/docker.
 */
export function imagePurl(name: Reference, platform: Platform | undefined): string {
  const { tag, digest } = withDefaultTag(name);
  const qualifiers = [
    ...(digest === undefined ? [] : [`digest=${digest}`]),
    ...(platform === undefined ? [] : [`platform=${encodeURIComponent(formatPlatform(platform))}`]),
  ];
  const version = tag === undefined ? "" : `@${encodeURIComponent(tag)}`;
  return `pkg:docker/${familiarRepository(name)}${version}${qualifiers.length > 0 ? `?${qualifiers.join("&")}` : ""}`;
}
