import { isObject, parseJson } from "../image/json.ts";
import { Shape } from "../image/json-shape.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { type Digest, hexOf } from "../oci/digest.ts";

/** What a statement calls itself. In-toto attestation framework, spec/v1/statement.md. */
export const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
/** BuildKit before 0.14, cosign and others still write this one; both mean the same. */
const OLD_STATEMENT_TYPE = "https://in-toto.io/Statement/v0.1";

/** What a statement is about. `name` is `_` where only the digest counts. */
export interface Subject {
  readonly name: string;
  /** Algorithm to lower-case hex. */
  readonly digest: Readonly<Record<string, string>>;
  /** What is said of this subject alone: cosign keeps the annotations of a signature here. */
  readonly annotations?: Readonly<Record<string, unknown>>;
}

/** Something said of subjects; `predicateType` says how `predicate` is to be read. */
export interface Statement {
  readonly _type: string;
  readonly subject: readonly Subject[];
  readonly predicateType: string;
  readonly predicate: unknown;
}

/** Short names of predicate types, as cosign spells them. */
export const PREDICATE_TYPES: Readonly<Record<string, string>> = {
  slsaprovenance: "https://slsa.dev/provenance/v0.2",
  slsaprovenance02: "https://slsa.dev/provenance/v0.2",
  slsaprovenance1: "https://slsa.dev/provenance/v1",
  spdx: "https://spdx.dev/Document",
  spdxjson: "https://spdx.dev/Document",
  cyclonedx: "https://cyclonedx.org/bom",
  link: "https://in-toto.io/Link/v1",
  vuln: "https://cosign.sigstore.dev/attestation/vuln/v1",
  openvex: "https://openvex.dev/ns",
  custom: "https://cosign.sigstore.dev/attestation/v1",
};

/** A predicate type from its short name, or the URI itself. Throws USAGE for what is neither. */
export function readPredicateType(text: string): string {
  const known = Object.hasOwn(PREDICATE_TYPES, text) ? PREDICATE_TYPES[text] : undefined;
  if (known !== undefined) return known;
  if (/^[A-Za-z][A-Za-z0-9+.-]*:[^\s]+$/.test(text)) return text;
  throw new Failure("USAGE", `predicate type "${printable(text)}" is neither a URI nor one of ${Object.keys(PREDICATE_TYPES).join(", ")}`);
}

/** A subject by the digest of a manifest. `name` is `_` where nothing better is given: names move, digests do not. */
export function subjectFor(digest: Digest, name = "_"): Subject {
  return { name, digest: { sha256: hexOf(digest) } };
}

/** A statement about one or several subjects. */
export function statementFor(subject: readonly Subject[], predicateType: string, predicate: unknown): Statement {
  return { _type: STATEMENT_TYPE, subject, predicateType, predicate };
}

/** The bytes of a statement: fields in the order of the specification, no blanks; the same value always gives the same bytes. */
export function encodeStatement({ _type, subject, predicateType, predicate }: Statement): Uint8Array {
  return Buffer.from(JSON.stringify({ _type, subject, predicateType, predicate }));
}

/** Reads a statement from outside, of version 1 or 0.1. `where` names it in messages. Throws MANIFEST, LIMIT. */
export function parseStatement(bytes: Uint8Array, where: string): Statement {
  if (bytes.length > LIMITS.statementBytes)
    throw new Failure(
      "LIMIT",
      `${where}: a statement of ${bytes.length} bytes; ${LIMITS.statementBytes} are accepted (limit statementBytes)`,
    );
  const shape: Shape = new Shape(parseJson(bytes, where), where, ["_type", "subject", "predicateType", "predicate"]);
  const type = shape.string("_type");
  if (type !== STATEMENT_TYPE && type !== OLD_STATEMENT_TYPE) shape.fail(`a statement of type ${printable(type ?? "none")}`);
  const predicateType = shape.string("predicateType");
  if (predicateType === undefined) shape.fail("a statement without predicateType");
  const subject = (shape.array("subject") ?? []).map((one, at): Subject => {
    const inner: Shape = new Shape(one, `${where}: subject ${at + 1}`, ["name", "digest", "annotations"]);
    const digest = inner.value("digest");
    if (!isObject(digest)) inner.fail("no digest");
    const pairs = Object.entries(digest).filter((pair): pair is [string, string] => typeof pair[1] === "string");
    const annotations = inner.object("annotations");
    return { name: inner.string("name") ?? "_", digest: Object.fromEntries(pairs), ...(annotations ? { annotations } : {}) };
  });
  return { _type: type, subject, predicateType, predicate: shape.value("predicate") ?? null };
}
