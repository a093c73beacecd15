import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { parseDigest } from "../oci/digest.ts";
import type { Index, Manifest } from "../oci/manifest.ts";
import { isIndexType, isManifestType, MEDIA } from "../oci/media-type.ts";
import type { Platform } from "../oci/platform.ts";
import { type JsonValue, parseJson } from "./json.ts";
import { compact, Shape } from "./json-shape.ts";

const FIELDS = [
  "schemaVersion",
  "mediaType",
  "artifactType",
  "config",
  "layers",
  "manifests",
  "subject",
  "annotations",
  "fsLayers",
  "history",
];
const DESCRIPTOR = ["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"];
const PLATFORM = ["architecture", "os", "os.version", "os.features", "variant", "features"];

/**
 * Reads an image manifest (OCI image-spec, manifest.md, and docker's schema 2, which means the same). `where` names it in messages;
 * `mediaType` is what its descriptor or the server called it. A document that could also be taken for an index, or that calls
 * itself something else, is refused. Throws MANIFEST, LIMIT.
 */
export function parseManifest(bytes: Uint8Array, where: string, mediaType?: string): Manifest {
  const shape = open(bytes, where);
  for (const other of ["manifests", "fsLayers", "history"]) if (shape.has(other)) shape.fail(`a manifest that also has ${other}`);
  const type = agreed(shape, mediaType, MEDIA.manifest, isManifestType, "a manifest");
  const layers = (shape.array("layers") ?? []).map((layer, at) => descriptor(layer, `${where}: layer ${at + 1}`));
  if (layers.length > LIMITS.layers) throw new Failure("LIMIT", `${where}: ${layers.length} layers; ${LIMITS.layers} are accepted`);
  if (!shape.has("config")) shape.fail("a manifest without config");
  return compact<Manifest>({
    schemaVersion: 2,
    mediaType: type,
    artifactType: shape.string("artifactType"),
    config: descriptor(shape.value("config"), `${where}: config`),
    layers,
    subject: shape.has("subject") ? descriptor(shape.value("subject"), `${where}: subject`) : undefined,
    annotations: shape.map("annotations"),
  });
}

/**
 * Reads an image index (OCI image-spec, image-index.md, and docker's manifest list). Arguments and refusals as for parseManifest.
 * Throws MANIFEST, LIMIT.
 */
export function parseIndex(bytes: Uint8Array, where: string, mediaType?: string): Index {
  const shape = open(bytes, where);
  for (const other of ["layers", "config", "fsLayers", "history"]) if (shape.has(other)) shape.fail(`an index that also has ${other}`);
  const type = agreed(shape, mediaType, MEDIA.index, isIndexType, "an index");
  const list = shape.array("manifests") ?? [];
  if (list.length > LIMITS.indexEntries)
    throw new Failure("LIMIT", `${where}: ${list.length} entries; ${LIMITS.indexEntries} are accepted`);
  return compact<Index>({
    schemaVersion: 2,
    mediaType: type,
    artifactType: shape.string("artifactType"),
    manifests: list.map((one, at) => descriptor(one, `${where}: entry ${at + 1}`)),
    subject: shape.has("subject") ? descriptor(shape.value("subject"), `${where}: subject`) : undefined,
    annotations: shape.map("annotations"),
  });
}

function open(bytes: Uint8Array, where: string): Shape {
  if (bytes.length > LIMITS.manifestBytes)
    throw new Failure("LIMIT", `${where}: a document of ${bytes.length} bytes; ${LIMITS.manifestBytes} are accepted`);
  const shape = new Shape(parseJson(bytes, where), where, FIELDS);
  const version = shape.integer("schemaVersion");
  if (version === 1) shape.fail("a manifest of schema 1, which registries have given up; push the image again with a current tool");
  if (version !== 2) shape.fail("schemaVersion is not 2");
  return shape;
}

/** The media type that document and descriptor agree on. Documents need not name one (OCI image-spec 1.0). */
function agreed(shape: Shape, said: string | undefined, fallback: string, fits: (type: string) => boolean, what: string): string {
  const own = shape.string("mediaType");
  if (own !== undefined && !fits(own)) shape.fail(`${what} that calls itself ${printable(own)}`);
  if (own !== undefined && said !== undefined && fits(said) && own !== said)
    shape.fail(`it calls itself ${printable(own)} but comes as ${printable(said)}`);
  if (said !== undefined && !fits(said)) shape.fail(`${what} that comes as ${printable(said)}`);
  return own ?? said ?? fallback;
}

function descriptor(value: JsonValue | undefined, where: string): Descriptor {
  const shape = new Shape(value, where, DESCRIPTOR);
  const mediaType = shape.string("mediaType");
  if (mediaType === undefined || mediaType === "") shape.fail("a descriptor without mediaType");
  const size = shape.integer("size");
  if (size === undefined) shape.fail("a descriptor without size");
  const data = shape.string("data");
  if (data !== undefined && !/^[A-Za-z0-9+/]*={0,2}$/.test(data)) shape.fail("data is not base64");
  return compact<Descriptor>({
    mediaType,
    digest: parseDigest(shape.value("digest"), where),
    size,
    platform: shape.has("platform") ? platform(shape.value("platform"), `${where}: platform`) : undefined,
    artifactType: shape.string("artifactType"),
    annotations: shape.map("annotations"),
    data,
  });
}

function platform(value: JsonValue | undefined, where: string): Platform {
  const shape = new Shape(value, where, PLATFORM);
  return compact<Platform>({
    os: shape.string("os") ?? "",
    architecture: shape.string("architecture") ?? "",
    variant: shape.string("variant"),
    "os.version": shape.string("os.version"),
    "os.features": shape.strings("os.features"),
  });
}
