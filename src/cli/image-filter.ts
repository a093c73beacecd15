import { Failure } from "../kit/error.ts";
import { matchGlob } from "../kit/glob.ts";
import { printable } from "../kit/printable.ts";
import { familiarName, familiarRepository, formatReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import { type Catalog, createdOf, noSuchImage, readName, type StoredImage } from "./catalog.ts";

/** `name=value` of docker's --filter, cut at the first `=`. */
export function readFilter(text: string): { readonly name: string; readonly value: string } {
  const at = text.indexOf("=");
  // `label!=x` is the filter `label!`.
  return { name: text.slice(0, at).trim().toLowerCase(), value: text.slice(at + 1).trim() };
}

/** A filter that a command does not know, in docker's words. */
export function invalidFilter(name: string): Failure {
  return new Failure("USAGE", `invalid filter '${printable(name)}'`, { exit: 1 });
}

/**
 * Which images the filters let through: dangling, before, since, label, label!, until. Those on names are nameFilter's. All kinds must
 * agree. Throws USAGE for another filter, NOT_FOUND for an image that before or since name.
 */
export function imageFilter(filters: readonly string[], catalog: Catalog, now = Date.now()): (image: StoredImage) => boolean {
  const tests = filters.map((text): ((image: StoredImage) => boolean) => {
    const { name, value } = readFilter(text);
    if (name === "reference") return () => true;
    if (name === "dangling") {
      if (!/^(?:true|false|1|0)$/i.test(value)) throw invalidFilter(`dangling=[${value}]`);
      const wanted = /^(?:true|1)$/i.test(value);
      return (image) => (image.names.length === 0) === wanted;
    }
    if (name === "before" || name === "since") {
      const other = catalog.find(value)?.image;
      if (!other) throw noSuchImage(value);
      const border = createdOf(other);
      return (image) => (name === "before" ? createdOf(image) < border : createdOf(image) > border);
    }
    if (name === "label") return (image) => hasLabel(image, value);
    if (name === "label!") return (image) => !hasLabel(image, value);
    if (name === "until") {
      const border = readUntil(value, now);
      return (image) => createdOf(image) < border;
    }
    throw invalidFilter(name);
  });
  return (image) => tests.every((test) => test(image));
}

/**
 * Which names the `reference=` filters let through; any of several is enough. A pattern is matched as Go's path.Match does, against the
 * familiar name with and without its tag.
 */
export function nameFilter(filters: readonly string[]): ((name: Reference) => boolean) | undefined {
  const patterns = filters.map(readFilter).filter((one) => one.name === "reference");
  if (patterns.length === 0) return undefined;
  const whole = patterns.map(({ value }) => {
    const name = readName(value);
    return (
      name &&
      (name.tag === undefined && name.digest === undefined ? { repository: familiarRepository(name) } : { name: formatReference(name) })
    );
  });
  return (name) =>
    whole.some((one) => one && (one.repository === familiarRepository(name) || one.name === formatReference(withDefaultTag(name)))) ||
    patterns.some(({ value }) => matchGlob(value, familiarName(name)) || matchGlob(value, familiarRepository(name)));
}

function hasLabel(image: StoredImage, text: string): boolean {
  const at = text.indexOf("=");
  const labels = image.config.config?.Labels ?? {};
  const key = at < 0 ? text : text.slice(0, at);
  if (!Object.hasOwn(labels, key)) return false;
  return at < 0 || labels[key] === text.slice(at + 1);
}

const UNITS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * A moment as docker's `until` takes it: a Go duration back from now (`24h`, `1h30m`), seconds since the epoch, or a date with or without
 * time and zone (local where none is given). Milliseconds since the epoch. Throws USAGE.
 */
export function readUntil(text: string, now = Date.now()): number {
  const bad = () =>
    new Failure("USAGE", `until=${printable(text)}: neither a duration such as 24h nor a time such as 2026-11-21T10:00:00`, { exit: 1 });
  if (/^(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) {
    let span = 0;
    for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g))
      span += Number(count) * (UNITS[unit as string] as number);
    return now - span;
  }
  if (/^\d+(?:\.\d{1,9})?$/.test(text)) return Number(text) * 1000;
  if (!/^\d{4}-\d{2}-\d{2}(?:T\d{2}(?::\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?)?(?:Z|[+-]\d{2}:\d{2})?$/.test(text)) throw bad();
  const date = text.slice(0, 10);
  const zone = /(?:Z|[+-]\d{2}:\d{2})$/.exec(text.slice(10))?.[0] ?? "";
  const time = text.slice(11, text.length - zone.length) || "00:00";
  const at = Date.parse(`${date}T${time.length === 2 ? `${time}:00` : time}${zone}`);
  if (Number.isNaN(at)) throw bad();
  return at;
}
