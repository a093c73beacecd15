import { isObject, type JsonObject, parseJson } from "../image/json.ts";
import { Shape } from "../image/json-shape.ts";
import type { Digest } from "../oci/digest.ts";
import { isDigest } from "../oci/digest.ts";

const TYPE = "cosign container image signature";

/** What a classic signature says: "this digest, under this name". containers' "simple signing", as cosign has it. */
export interface Payload {
  /** The repository, with or without a tag. */
  readonly reference: string;
  readonly digest: Digest;
  /** What the signer said beside it; strings are cosign's annotations. */
  readonly optional: JsonObject | null;
}

/** The bytes of a payload, as cosign writes them: keys in order of words, nothing said is `null`. */
export function encodePayload(reference: string, digest: Digest, annotations: Readonly<Record<string, string>>): Uint8Array {
  const names = Object.keys(annotations).sort();
  const optional = names.length === 0 ? null : Object.fromEntries(names.map((name) => [name, annotations[name]]));
  const critical = { identity: { "docker-reference": reference }, image: { "docker-manifest-digest": digest }, type: TYPE };
  return Buffer.from(JSON.stringify({ critical, optional }));
}

/**
 * Reads a payload whose signature was found good. Strict as containers/image is: no other keys, none missing. `where` names it in
 * messages. Throws MANIFEST.
 */
export function parsePayload(bytes: Uint8Array, where: string): Payload {
  const top: Shape = exact(parseJson(bytes, where), where, ["critical", "optional"]);
  const critical: Shape = exact(top.value("critical"), `${where}: critical`, ["identity", "image", "type"]);
  const identity: Shape = exact(critical.value("identity"), `${where}: identity`, ["docker-reference"]);
  const image: Shape = exact(critical.value("image"), `${where}: image`, ["docker-manifest-digest"]);
  if (critical.string("type") !== TYPE) critical.fail("it is a signature of something else");
  const digest = image.string("docker-manifest-digest");
  if (!isDigest(digest)) image.fail("docker-manifest-digest is no sha256 digest");
  const reference = identity.string("docker-reference");
  if (reference === undefined) identity.fail("no docker-reference");
  const optional = top.value("optional");
  if (optional !== undefined && !isObject(optional)) top.fail("optional is not an object");
  return { reference, digest, optional: optional ?? null };
}

function exact(value: ConstructorParameters<typeof Shape>[0], where: string, known: readonly string[]): Shape {
  const shape: Shape = new Shape(value, where, known);
  if (shape.rest(known)) shape.fail("fields that nobody knows in a signature");
  return shape;
}

/** What a payload says as JSON, in cosign's words: the form that `verify` prints. */
export function payloadJson({ reference, digest, optional }: Payload, type = TYPE): object {
  return {
    critical: { identity: { "docker-reference": reference }, image: { "docker-manifest-digest": digest }, type },
    optional,
  };
}
