import { encodeJson, parseJson } from "../image/json.ts";
import type { Layer } from "../image/layer.ts";
import { Failure } from "../kit/error.ts";
import type { ImageConfig } from "../oci/config.ts";
import { encodeRecords, layersOf, parseRecords } from "./cache-config.ts";
import type { TravelRecord } from "./face.ts";

/** The field of an image's configuration in which BuildKit keeps an inline cache: a list of records, in base64. */
const FIELD = "moby.buildkit.cache.v0";

/** The configuration of an image with layers, with the records that lead to these layers in it. */
export function withInlineCache(config: ImageConfig, layers: readonly Layer[], records: readonly TravelRecord[]): ImageConfig {
  const list = encodeRecords(records, layers);
  if (list.length === 0 || layersOf(records).length === 0) return config;
  return { ...config, rest: { ...config.rest, [FIELD]: Buffer.from(encodeJson(list)).toString("base64") } };
}

/** The records in an image's configuration; none where it has no such field. Throws MANIFEST, LIMIT. */
export function readInlineCache(config: ImageConfig, layers: readonly Layer[], where: string): readonly TravelRecord[] {
  const field = config.rest?.[FIELD];
  if (field === undefined || field === null) return [];
  if (typeof field !== "string") throw new Failure("MANIFEST", `${where}: ${FIELD} is not a string`);
  const list = parseJson(Buffer.from(field, "base64"), `${where}: ${FIELD}`);
  if (!Array.isArray(list)) throw new Failure("MANIFEST", `${where}: ${FIELD} is not a list`);
  return parseRecords(list, layers, where);
}
