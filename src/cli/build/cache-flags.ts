import { resolve } from "node:path";
import type { CacheMode } from "../../buildcache/choose.ts";
import type { CachePacking, WriteOptions } from "../../buildcache/face.ts";
import type { LayoutChoice } from "../../buildcache/layout-cache.ts";
import { csvFields } from "../../dockerfile/csv.ts";
import { Mistake } from "../../dockerfile/mistake.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { parseDigest } from "../../oci/digest.ts";
import type { Compression } from "../../oci/media-type.ts";
import { parseReference, type Reference } from "../../oci/reference.ts";

/** Where a cache is. */
export type CacheWhere =
  | { readonly type: "registry"; readonly name: Reference }
  | { readonly type: "local"; readonly path: string; readonly choice: LayoutChoice };

/** One `--cache-to`. `inline` goes into the image itself. */
export type CacheTo =
  | { readonly type: "inline" }
  | {
      readonly type: "place";
      readonly where: CacheWhere;
      readonly mode: CacheMode;
      readonly packing: CachePacking;
      readonly how: WriteOptions;
      readonly ignoreError: boolean;
    };

const TYPES = ["registry", "local", "inline", "gha", "s3"];
/** Attributes that only say what nought does anyway. */
const IGNORED = new Set(["registry.insecure", "store", "rewrite-timestamp"]);

/** Reads one `--cache-from` as buildx does; bare words are names in registries. Throws USAGE, UNSUPPORTED, REFERENCE. */
export function readCacheFrom(text: string): readonly CacheWhere[] {
  return entriesOf(text, "--cache-from").map((attributes) => {
    const type = typeOf(attributes, text, "--cache-from");
    if (type === "inline") throw new Failure("USAGE", "--cache-from type=inline: an inline cache is read with type=registry,ref=IMAGE");
    const where = whereOf(type, attributes, "src");
    checkRest(attributes, text, "--cache-from");
    return where;
  });
}

/** Reads one `--cache-to` as buildx does. Throws USAGE, UNSUPPORTED, REFERENCE. */
export function readCacheTo(text: string): readonly CacheTo[] {
  return entriesOf(text, "--cache-to").map((attributes): CacheTo => {
    const type = typeOf(attributes, text, "--cache-to");
    if (type === "inline") return { type: "inline" };
    const where = whereOf(type, attributes, "dest");
    const mode = attributes.take("mode")?.toLowerCase() ?? "min";
    if (mode !== "min" && mode !== "max") throw new Failure("USAGE", `--cache-to: mode "${printable(mode)}" is none of min, max`);
    const ociMediaTypes = attributes.flag("oci-mediatypes", true);
    const imageManifest = attributes.flag("image-manifest", ociMediaTypes);
    if (imageManifest && !ociMediaTypes)
      throw new Failure("USAGE", "--cache-to: image-manifest=true needs oci-mediatypes=true, docker has no such manifest");
    const to: CacheTo = {
      type: "place",
      where,
      mode,
      packing: packingOf(attributes),
      how: { imageManifest, ociMediaTypes },
      ignoreError: attributes.flag("ignore-error", false),
    };
    checkRest(attributes, text, "--cache-to");
    return to;
  });
}

/** Attributes of one entry; each is taken once. */
interface Attributes {
  take(key: string): string | undefined;
  flag(key: string, fallback: boolean): boolean;
  rest(): readonly string[];
}

/** `type=…,a=b`, or names alone. */
function entriesOf(text: string, flag: string): readonly Attributes[] {
  let fields: string[];
  try {
    fields = csvFields(text);
  } catch (error) {
    if (error instanceof Mistake) throw new Failure("USAGE", `invalid ${flag} "${printable(text)}": ${error.message}`);
    throw error;
  }
  if (fields.every((field) => !field.includes("="))) {
    return fields
      .filter((field) => field !== "")
      .map((name) =>
        attributesOf(
          new Map([
            ["type", "registry"],
            ["ref", name],
          ]),
          flag,
        ),
      );
  }
  const given = new Map<string, string>();
  for (const field of fields) {
    const at = field.indexOf("=");
    if (at < 0) throw new Failure("USAGE", `invalid value ${printable(field)} in ${flag} "${printable(text)}"`);
    given.set(field.slice(0, at).trim().toLowerCase(), field.slice(at + 1).trim());
  }
  return [attributesOf(given, flag)];
}

function attributesOf(given: Map<string, string>, name: string): Attributes {
  const take = (key: string) => {
    const value = given.get(key);
    given.delete(key);
    return value === "" ? undefined : value;
  };
  return {
    take,
    flag(key, fallback) {
      const value = take(key);
      if (value === undefined) return fallback;
      if (/^(?:1|t|true)$/i.test(value)) return true;
      if (/^(?:0|f|false)$/i.test(value)) return false;
      throw new Failure("USAGE", `${name}: ${key}=${printable(value)} is neither true nor false`);
    },
    rest: () => [...given.keys()],
  };
}

function typeOf(attributes: Attributes, text: string, flag: string): string {
  const type = attributes.take("type");
  if (type === undefined) throw new Failure("USAGE", `type required for ${flag} "${printable(text)}"`);
  if (TYPES.includes(type)) return type;
  if (type === "azblob")
    throw new Failure("UNSUPPORTED", `${flag} type=azblob: nought keeps build caches in registries, folders, S3 and GitHub Actions`);
  throw new Failure("USAGE", `${flag}: type "${printable(type)}" is none of ${TYPES.join(", ")}`);
}

function whereOf(type: string, attributes: Attributes, folder: "src" | "dest"): CacheWhere {
  switch (type) {
    case "registry": {
      const ref = attributes.take("ref");
      if (ref === undefined) throw new Failure("USAGE", "a cache of type=registry needs ref=NAME");
      return { type, name: parseReference(ref) };
    }
    case "local": {
      const path = attributes.take(folder);
      if (path === undefined) throw new Failure("USAGE", `a cache of type=local needs ${folder}=FOLDER`);
      const digest = folder === "src" ? attributes.take("digest") : undefined;
      const tag = attributes.take("tag");
      const choice = { ...(digest === undefined ? {} : { digest: parseDigest(digest) }), ...(tag === undefined ? {} : { tag }) };
      return { type, path: resolve(path), choice };
    }
    default:
      throw new Failure("UNSUPPORTED", `caches of type=${type} come later`);
  }
}

function packingOf(attributes: Attributes): CachePacking {
  const compression = attributes.take("compression") ?? "gzip";
  if (compression === "estargz") throw new Failure("UNSUPPORTED", "compression=estargz: nought writes uncompressed, gzip and zstd");
  if (!["uncompressed", "gzip", "zstd"].includes(compression))
    throw new Failure("USAGE", `compression "${printable(compression)}": nought writes uncompressed, gzip and zstd`);
  const level = attributes.take("compression-level");
  if (level !== undefined && !/^\d{1,2}$/.test(level))
    throw new Failure("USAGE", `compression-level "${printable(level)}" is not a number from 0 to 22`);
  const force = attributes.flag("force-compression", false);
  return { compression: compression as Compression, force, ...(level === undefined ? {} : { level: Number(level) }) };
}

function checkRest(attributes: Attributes, text: string, flag: string): void {
  for (const key of attributes.rest())
    if (!IGNORED.has(key)) throw new Failure("USAGE", `${flag} "${printable(text)}": unknown attribute ${printable(key)}`);
}
