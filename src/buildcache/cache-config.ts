import { encodeJson, type JsonValue, parseJson } from "../image/json.ts";
import { Shape } from "../image/json-shape.ts";
import type { Layer } from "../image/layer.ts";
import { compareNames } from "../kit/bytes.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { type Digest, isDigest, parseDigest } from "../oci/digest.ts";
import { layerCompression } from "../oci/media-type.ts";
import type { TravelRecord } from "./face.ts";
import { isSecond } from "./travel.ts";

/**
 * BuildKit's cache configuration (buildkit: cache/remotecache/v1/doc.go): `layers`, a list of blobs, each with its parent, and `records`,
 * which lead from keys to layers. Our keys are other digests than BuildKit's, so each tool finds its own records and reads over those of
 * the other. What only we know of a record stands in its field `nought`, which BuildKit does not look at.
 */
export const CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0";

/** A layer of ours stands on whatever the build has below it, so none of them has a parent. */
const NO_PARENT = -1;
const LAYER = ["blob", "parent", "annotations"];
const ANNOTATIONS = ["mediaType", "diffID", "size", "createdAt"];
const RECORD = ["digest", "layers", "chains", "inputs", "nought"];
const OURS = ["newest", "exact", "value", "layer"];

/** The layers of some records, each once, in the order in which they are first met. */
export function layersOf(records: readonly TravelRecord[]): readonly Layer[] {
  return [...new Map(records.flatMap(({ layer }) => (layer ? [[layer.diffId, layer] as const] : []))).values()];
}

/** The document of a cache. Equal records give equal bytes, whatever their order. */
export function encodeCacheConfig(records: readonly TravelRecord[]): Uint8Array {
  const layers = [...layersOf(records)].sort((a, b) => compareNames(a.diffId, b.diffId));
  return encodeJson({
    layers: layers.map(({ diffId, blob: { digest, mediaType, size } }) => ({
      blob: digest,
      parent: NO_PARENT,
      annotations: { mediaType, diffID: diffId, size },
    })),
    records: encodeRecords(records, layers),
  });
}

/** The list of records alone, pointing into `layers`. Records of other layers are left out. */
export function encodeRecords(records: readonly TravelRecord[], layers: readonly Layer[]): object[] {
  const places = new Map(layers.map((layer, at) => [layer.diffId, at]));
  return [...records]
    .sort((a, b) => compareNames(a.key, b.key))
    .flatMap(({ key, layer, newest, exact, value, promised }): object[] => {
      if (!layer) return [{ digest: key, nought: { newest, exact, value, layer: promised } }];
      const at = places.get(layer.diffId);
      return at === undefined ? [] : [{ digest: key, layers: [{ layer: at }], nought: { newest, exact } }];
    });
}

/** Reads the document of a cache, and of its records those that are ours. Throws MANIFEST, LIMIT. */
export function parseCacheConfig(bytes: Uint8Array, where: string): readonly TravelRecord[] {
  if (bytes.length > LIMITS.configBytes)
    throw new Failure("LIMIT", `${where}: a cache configuration of ${bytes.length} bytes; ${LIMITS.configBytes} are accepted`);
  const shape = new Shape(parseJson(bytes, where), where, ["layers", "records"]);
  const layers = (shape.array("layers") ?? []).map((one, at) => layerOf(one, `${where}: layer ${at}`));
  return parseRecords(shape.array("records") ?? [], layers, where);
}

/** Reads a list of records that point into `layers`; those of BuildKit are passed over. Throws MANIFEST, LIMIT. */
export function parseRecords(list: readonly JsonValue[], layers: readonly (Layer | undefined)[], where: string): readonly TravelRecord[] {
  if (list.length > LIMITS.listEntries || layers.length > LIMITS.listEntries)
    throw new Failure("LIMIT", `${where}: more than ${LIMITS.listEntries} layers or records`);
  return list.flatMap((one, at) => recordOf(new Shape(one, `${where}: record ${at}`, RECORD), layers) ?? []);
}

/** A layer that says what we must know of it. BuildKit's need not: in a registry the manifest says it. */
function layerOf(value: JsonValue, where: string): Layer | undefined {
  const shape = new Shape(value, where, LAYER);
  const digest = parseDigest(shape.value("blob"), where);
  if (!shape.has("annotations")) return undefined;
  const annotations = new Shape(shape.value("annotations"), where, ANNOTATIONS);
  const diffId = annotations.string("diffID");
  const mediaType = annotations.string("mediaType");
  const size = annotations.integer("size");
  if (!isDigest(diffId) || size === undefined || mediaType === undefined || layerCompression(mediaType) === undefined) return undefined;
  if (layerCompression(mediaType) === "uncompressed" && digest !== diffId) shape.fail("a plain layer whose digest is not its diffID");
  return { diffId, blob: { mediaType, digest, size } };
}

function recordOf(shape: Shape, layers: readonly (Layer | undefined)[]): TravelRecord | undefined {
  if (!shape.has("nought")) return undefined;
  const key = parseDigest(shape.value("digest"), shape.where);
  const ours = new Shape(shape.value("nought"), shape.where, OURS);
  const [result] = shape.array("layers") ?? [];
  const promised = digestIn(ours, "layer");
  if (result === undefined && promised === undefined) {
    const value = digestIn(ours, "value");
    return { key, ...(value === undefined ? {} : { value }) };
  }
  const newest = ours.integer("newest");
  if (!isSecond(newest)) shape.fail("it does not say how old its layer is");
  const exact = digestIn(ours, "exact");
  const facts = { key, newest, ...(exact === undefined ? {} : { exact }) };
  if (result === undefined) return { ...facts, ...(promised === undefined ? {} : { promised }) };
  const layer = layers[new Shape(result, shape.where, ["layer", "createdAt"]).integer("layer") ?? -1];
  if (layer === undefined) shape.fail("it points to no layer");
  return { ...facts, layer };
}

function digestIn(shape: Shape, key: string): Digest | undefined {
  return shape.has(key) ? parseDigest(shape.value(key), shape.where) : undefined;
}
