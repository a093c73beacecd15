import type { OutputRequest } from "../../build/request.ts";
import { csvFields } from "../../dockerfile/csv.ts";
import { Mistake } from "../../dockerfile/mistake.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { isTerminal } from "../../kit/terminal.ts";
import type { Compression } from "../../oci/media-type.ts";
import { parseNewName, type Reference } from "../../oci/reference.ts";

const TYPES = ["image", "registry", "oci", "docker", "local", "tar"] as const;
/** Attributes that say what nought does anyway, or that only concern stores that it does not have. */
const IGNORED = new Set([
  "oci-mediatypes",
  "rewrite-timestamp",
  "store",
  "unpack",
  "dangling-name-prefix",
  "name-canonical",
  "oci-artifact",
  "platform-split",
  "mode",
]);

/** What one `-o` adds beside its destination. */
export interface ReadOutput {
  readonly output: OutputRequest;
  readonly annotations: readonly string[];
}

/**
 * Reads one `-o` as buildx does: fields of a CSV line, a bare path for a folder, `-` for a tar on standard output. Throws USAGE for what
 * makes no sense, UNSUPPORTED for what comes later.
 */
export function readOutput(text: string): ReadOutput {
  const fields = fieldsOf(text);
  if (fields.length === 1 && !(fields[0] as string).includes("=")) {
    const dest = fields[0] as string;
    if (dest === "") throw new Failure("USAGE", 'invalid output "": give type=…,dest=…, a folder, or -');
    return { output: checked({ type: dest === "-" ? "tar" : "local", dest, names: [], force: false, directory: false }), annotations: [] };
  }
  const given = new Map<string, string>();
  const annotations: string[] = [];
  for (const field of fields) {
    const at = field.indexOf("=");
    if (at < 0) throw new Failure("USAGE", `invalid output "${printable(text)}": invalid value ${printable(field)}`);
    const key = field.slice(0, at).trim().toLowerCase();
    if (key.startsWith("annotation.") || key.startsWith("annotation-manifest.")) annotations.push(`${field.slice(field.indexOf(".") + 1)}`);
    else given.set(key, field.slice(at + 1).trim());
  }
  const take = (key: string) => {
    const value = given.get(key);
    given.delete(key);
    return value;
  };
  const type = take("type");
  if (type === undefined) throw new Failure("USAGE", `type is required for output "${printable(text)}"`);
  const push = isTrue(take("push"));
  const byDigest = isTrue(take("push-by-digest"));
  if ((push || byDigest) && type !== "image" && type !== "registry")
    throw new Failure("USAGE", `output type=${printable(type)} cannot be pushed`);
  if (type === "cacheonly")
    throw new Failure("UNSUPPORTED", "output type cacheonly: nought keeps an image of every build; `nought image prune` removes it");
  if (!TYPES.includes(type as (typeof TYPES)[number]))
    throw new Failure("USAGE", `output type "${printable(type)}" is none of ${TYPES.join(", ")}`);
  const dest = take("dest");
  const compression = take("compression");
  if (compression !== undefined && !["uncompressed", "gzip", "zstd"].includes(compression)) {
    const known = compression === "estargz";
    throw new Failure(
      known ? "UNSUPPORTED" : "USAGE",
      `compression "${printable(compression)}": nought writes uncompressed, gzip and zstd`,
    );
  }
  const level = take("compression-level");
  if (level !== undefined && !/^\d{1,2}$/.test(level))
    throw new Failure("USAGE", `compression-level "${printable(level)}" is not a number from 0 to 22`);
  const force = isTrue(take("force-compression"));
  const tar = take("tar");
  const names = namesOf(take("name"));
  for (const key of given.keys())
    if (!IGNORED.has(key)) throw new Failure("USAGE", `output "${printable(text)}": unknown attribute ${printable(key)}`);
  // Docker's name for "into the local store" is type=docker without a destination.
  const kind = type === "registry" || (type === "docker" && dest === undefined) ? "image" : (type as OutputRequest["type"]);
  const output: OutputRequest = {
    type: kind,
    ...(dest === undefined ? {} : { dest }),
    names,
    ...(compression === undefined ? {} : { compression: compression as Compression }),
    ...(level === undefined ? {} : { level: Number(level) }),
    force,
    ...(type === "registry" ? { push: "only" } : push ? { push: "also" } : {}),
    ...(byDigest ? { byDigest } : {}),
    directory: tar !== undefined && !isTrue(tar),
  };
  return { output: checked(output), annotations };
}

const IMAGE: OutputRequest = { type: "image", names: [], force: false, directory: false };

/**
 * `--push`: images among the outputs are pushed too; where there is none the image goes to the registry, and only there, as with
 * `-o type=registry`. `--load`: the store has it under its names, whatever else is asked for. Both as buildx has them.
 */
export function withDestinations(
  outputs: readonly OutputRequest[],
  { push, load }: { readonly push: boolean; readonly load: boolean },
): readonly OutputRequest[] {
  const loads = outputs.some((one) => one.type === "image" && one.push !== "only");
  const loaded = load && !loads && (push || outputs.length > 0) ? [...outputs, IMAGE] : outputs;
  if (!push) return loaded;
  if (!loaded.some((one) => one.type === "image")) return [...loaded, { ...IMAGE, push: "only" }];
  return loaded.map((one) => (one.type === "image" && one.push === undefined ? { ...one, push: "also" } : one));
}

function fieldsOf(text: string): string[] {
  try {
    return csvFields(text);
  } catch (error) {
    if (error instanceof Mistake) throw new Failure("USAGE", `invalid output "${printable(text)}": ${error.message}`);
    throw error;
  }
}

function namesOf(text: string | undefined): Reference[] {
  return text === undefined || text === "" ? [] : text.split(",").map((one) => parseNewName(one.trim()));
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(?:1|t|true)$/i.test(text);
}

function checked(output: OutputRequest): OutputRequest {
  const { type, dest } = output;
  if (dest === "") throw new Failure("USAGE", `dest of output type=${type} is empty`);
  if (type === "local" && dest === undefined) throw new Failure("USAGE", "dest is required for local exporter");
  if (type === "local" && dest === "-") throw new Failure("USAGE", "a folder cannot go to standard output; use type=tar");
  if (output.directory && (dest === undefined || dest === "-"))
    throw new Failure("USAGE", `output type=${type} with tar=false needs dest=FOLDER`);
  if ((type === "tar" || type === "oci" || type === "docker") && (dest === undefined || dest === "-") && isTerminal(1)) {
    throw new Failure("USAGE", `output file is required for ${type} exporter. refusing to write to console`);
  }
  return output;
}
