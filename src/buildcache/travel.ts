import { isDigest } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { CacheRecord } from "../store/face.ts";
import type { TravelRecord } from "./face.ts";

/** The last second that a date can be printed for with four digits of year. */
const LAST_SECOND = 253_402_300_799;

/** Whether a number can be the time of a file, in seconds. */
export function isSecond(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= LAST_SECOND;
}

/**
 * A record of the store in the form that travels; undefined for records that mean something on this machine alone, such as what a web
 * server answered.
 */
export function toTravel({ key, layer, value }: Omit<CacheRecord, "at">): TravelRecord | undefined {
  if (layer) {
    const { newest, exact } = (value ?? {}) as { newest?: unknown; exact?: unknown };
    if (!isSecond(newest)) return undefined;
    return { key, layer, newest, ...(isDigest(exact) ? { exact } : {}) };
  }
  if (value === undefined) return { key };
  return isDigest(value) ? { key, value } : undefined;
}

/** The other way round. `at` counts for nothing until the record is kept. A layer that is promised has a blob that nobody has. */
export function fromTravel({ key, layer, newest, exact, value, promised }: TravelRecord): CacheRecord {
  const its = layer ?? (promised && { diffId: promised, blob: { mediaType: MEDIA.layer, digest: promised, size: 0 } });
  if (its) return { key, layer: its, value: { newest: newest ?? 0, ...(exact ? { exact } : {}) }, at: 0 };
  return { key, ...(value === undefined ? {} : { value }), at: 0 };
}
