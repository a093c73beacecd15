import type { AttestRequest } from "../../build/attest.ts";
import type { BuildRequest } from "../../build/request.ts";
import { csvFields } from "../../dockerfile/csv.ts";
import { Mistake } from "../../dockerfile/mistake.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Flags } from "../flags.ts";
import { version } from "../version.ts";

const TRUE = /^(?:1|t|true)$/i;
const FALSE = /^(?:0|f|false)$/i;

/**
 * `--provenance`, `--attest` and `--attest-style`, as buildx reads the first two; `--provenance` has the last word. Undefined where no
 * provenance is asked for, which is also what is done without flags. Throws USAGE, UNSUPPORTED.
 */
export function readAttest(flags: Flags): AttestRequest | undefined {
  const style = flags.string("attest-style") ?? "referrers";
  if (style !== "referrers" && style !== "index")
    throw new Failure("USAGE", `attest-style "${printable(style)}" is neither referrers nor index`);
  let provenance: AttestRequest["provenance"] | undefined;
  const told = [
    ...flags.list("attest").map((text) => fieldsOf(text, "attest")),
    ...(flags.given("provenance") ? [new Map([["type", "provenance"], ...shorthand(flags.string("provenance") ?? "")])] : []),
  ];
  for (const fields of told) {
    const type = fields.get("type");
    if (type === undefined) throw new Failure("USAGE", "--attest: attestation type not specified: give type=provenance or type=sbom");
    if (type !== "provenance" && type !== "sbom")
      throw new Failure("USAGE", `--attest: type "${printable(type)}" is neither provenance nor sbom`);
    if (type === "provenance") provenance = TRUE.test(fields.get("disabled") ?? "") ? undefined : provenanceOf(fields);
  }
  return provenance && { provenance, style, version: version() };
}

/** What is to be told of attestations that do not come about. */
export function attestNotes(flags: Flags, request: BuildRequest): readonly string[] {
  const notes: string[] = [];
  const sboms = [
    ...flags.list("attest").filter((text) => /(?:^|,)\s*"?type=sbom/i.test(text) && !/disabled=(?:1|t|true)/i.test(text)),
    ...(flags.given("sbom") && !FALSE.test(flags.string("sbom") ?? "") ? ["--sbom"] : []),
  ];
  if (sboms.length > 0)
    notes.push(`${sboms.includes("--sbom") ? "--sbom" : "--attest type=sbom"} is ignored: bills of materials come with a later version`);
  if (!request.attest) return notes;
  const without = request.outputs.filter((one) => one.type === "local" || one.type === "tar" || one.type === "docker");
  for (const type of new Set(without.map((one) => one.type)))
    notes.push(`output type=${type} has no place for attestations: it goes without; use type=oci, an image or a registry`);
  return notes;
}

/** `true`, `false`, `min`, `max`, or fields of a CSV line. */
function shorthand(text: string): Map<string, string> {
  if (TRUE.test(text)) return new Map();
  if (FALSE.test(text)) return new Map([["disabled", "true"]]);
  if (text === "min" || text === "max") return new Map([["mode", text]]);
  return fieldsOf(text, "provenance");
}

function fieldsOf(text: string, flag: string): Map<string, string> {
  const found = new Map<string, string>();
  let fields: readonly string[];
  try {
    fields = csvFields(text);
  } catch (error) {
    if (error instanceof Mistake) throw new Failure("USAGE", `--${flag} "${printable(text)}": ${error.message}`);
    throw error;
  }
  for (const field of fields) {
    const at = field.indexOf("=");
    if (at < 0) throw new Failure("USAGE", `--${flag} "${printable(text)}": ${printable(field) || "an empty field"} is not key=value`);
    found.set(field.slice(0, at).trim().toLowerCase(), field.slice(at + 1).trim());
  }
  return found;
}

function provenanceOf(fields: ReadonlyMap<string, string>): AttestRequest["provenance"] {
  const wrong = (key: string, value: string, known: string) =>
    new Failure("USAGE", `provenance ${key}="${printable(value)}": it is ${known}`);
  let made: AttestRequest["provenance"] = { mode: "min" };
  for (const [key, value] of fields) {
    if (["type", "disabled", "inline-only", "filename"].includes(key)) continue;
    if (key === "mode") {
      if (value !== "min" && value !== "max") throw wrong(key, value, "min or max");
      made = { ...made, mode: value };
    } else if (key === "builder-id") made = { ...made, builderId: value };
    else if (key === "reproducible") {
      if (!TRUE.test(value) && !FALSE.test(value)) throw wrong(key, value, "true or false");
      made = { ...made, reproducible: TRUE.test(value) };
    } else if (key === "version") {
      if (value !== "v1") throw new Failure("UNSUPPORTED", `provenance version=${printable(value)}: nought writes SLSA provenance v1`);
    } else throw new Failure("USAGE", `provenance: unknown attribute ${printable(key)}`);
  }
  return made;
}
