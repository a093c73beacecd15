import { resolve } from "node:path";
import type { CacheMode } from "../../buildcache/choose.ts";
import type { CachePacking, WriteOptions } from "../../buildcache/face.ts";
import type { GhaOptions } from "../../buildcache/gha.ts";
import type { LayoutChoice } from "../../buildcache/layout-cache.ts";
import type { S3Options } from "../../buildcache/s3.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { parseDigest } from "../../oci/digest.ts";
import type { Compression } from "../../oci/media-type.ts";
import { parseReference, type Reference } from "../../oci/reference.ts";
import { type Attributes, entriesOf } from "./cache-attributes.ts";
import { readGha, readS3 } from "./cache-services.ts";

/** Where a cache is. */
export type CacheWhere =
  | { readonly type: "registry"; readonly name: Reference }
  | { readonly type: "local"; readonly path: string; readonly choice: LayoutChoice }
  | { readonly type: "s3"; readonly options: S3Options }
  /** Undefined outside of a job of GitHub Actions: then it is left out, as buildx does. */
  | { readonly type: "gha"; readonly options: GhaOptions | undefined };

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
const IGNORED = new Set([
  "registry.insecure",
  "store",
  "rewrite-timestamp",
  "timeout",
  "touch_refresh",
  "upload_parallelism",
  "disable_accept_encoding",
  "retry_mode",
  "retry_max_attempts",
]);

/** Reads one `--cache-from` as buildx does; bare words are names in registries. Throws USAGE, UNSUPPORTED, REFERENCE. */
export function readCacheFrom(text: string, env: NodeJS.ProcessEnv): readonly CacheWhere[] {
  return entriesOf(text, "--cache-from").map((attributes) => {
    const type = typeOf(attributes, "--cache-from");
    if (type === "inline") throw new Failure("USAGE", "--cache-from type=inline: an inline cache is read with type=registry,ref=IMAGE");
    const where = whereOf(type, attributes, "src", env);
    checkRest(attributes, "--cache-from");
    return where;
  });
}

/** Reads one `--cache-to` as buildx does. Throws USAGE, UNSUPPORTED, REFERENCE. */
export function readCacheTo(text: string, env: NodeJS.ProcessEnv): readonly CacheTo[] {
  return entriesOf(text, "--cache-to").map((attributes): CacheTo => {
    const type = typeOf(attributes, "--cache-to");
    if (type === "inline") return { type: "inline" };
    const where = whereOf(type, attributes, "dest", env);
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
    checkRest(attributes, "--cache-to");
    return to;
  });
}

function typeOf(attributes: Attributes, flag: string): string {
  const type = attributes.take("type");
  if (type === undefined) throw new Failure("USAGE", `${flag} needs type=…, one of ${TYPES.join(", ")}`);
  if (TYPES.includes(type)) return type;
  if (type === "azblob")
    throw new Failure("UNSUPPORTED", `${flag} type=azblob: nought keeps build caches in registries, folders, S3 and GitHub Actions`);
  throw new Failure("USAGE", `${flag}: type "${printable(type)}" is none of ${TYPES.join(", ")}`);
}

function whereOf(type: string, attributes: Attributes, folder: "src" | "dest", env: NodeJS.ProcessEnv): CacheWhere {
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
    case "s3":
      return { type, options: readS3(attributes, env) };
    default:
      return { type: "gha", options: readGha(attributes, env) };
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

function checkRest(attributes: Attributes, flag: string): void {
  for (const key of attributes.rest()) if (!IGNORED.has(key)) throw new Failure("USAGE", `${flag}: unknown attribute ${printable(key)}`);
}
