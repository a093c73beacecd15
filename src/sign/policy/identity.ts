import type { Shape } from "../../image/json-shape.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { formatReference, parseReference, type Reference } from "../../oci/reference.ts";

/** Which names a signature may be for. containers-policy.json(5), "signedIdentity". */
export type Identity =
  | { readonly type: "matchExact" | "matchRepoDigestOrExact" | "matchRepository" }
  | { readonly type: "exactReference" | "exactRepository"; readonly name: Reference }
  | { readonly type: "remapIdentity"; readonly prefix: string; readonly signedPrefix: string };

/** What counts where a requirement for signatures says nothing. */
export const USUAL_IDENTITY: Identity = { type: "matchRepoDigestOrExact" };

const FIELDS: Readonly<Record<Identity["type"], readonly string[]>> = {
  matchExact: [],
  matchRepoDigestOrExact: [],
  matchRepository: [],
  exactReference: ["dockerReference"],
  exactRepository: ["dockerRepository"],
  remapIdentity: ["prefix", "signedPrefix"],
};
export const IDENTITY_FIELDS: readonly string[] = ["type", ...new Set(Object.values(FIELDS).flat())];

/** Reads `signedIdentity`. Throws MANIFEST with the field. */
export function parseIdentity(shape: Shape): Identity {
  const type = shape.string("type") ?? "";
  if (!isType(type)) shape.fail(`the signedIdentity "${printable(type.slice(0, 60))}" is not known`);
  const fields = FIELDS[type];
  if (shape.rest(["type", ...fields])) shape.fail(`${type} has fields that it does not know`);
  const text = (key: string): string => shape.string(key) || shape.fail(`${type} needs ${key}`);
  switch (type) {
    case "exactReference": {
      const name = reference(shape, text("dockerReference"));
      if (isBare(name)) shape.fail("dockerReference has neither tag nor digest");
      return { type, name };
    }
    case "exactRepository": {
      const name = reference(shape, text("dockerRepository"));
      if (!isBare(name)) shape.fail("dockerRepository has a tag or digest");
      return { type, name };
    }
    case "remapIdentity": {
      const [prefix, signedPrefix] = [text("prefix"), text("signedPrefix")];
      for (const one of [prefix, signedPrefix])
        if (/[@\s*]|\/$|:[^/]*$(?<!:[0-9]+)/.test(one)) shape.fail(`"${printable(one.slice(0, 200))}" is no host or repository`);
      return { type, prefix, signedPrefix };
    }
    default:
      return { type };
  }
}

/**
 * Whether a signature that was made for one name is good for an image that is asked for under another. Tags are not invented: a signature
 * for a bare repository, as cosign makes them, is good with `matchRepository`, `exactRepository` only.
 */
export function acceptsName(identity: Identity, asked: Reference, signedText: string): boolean {
  const signed = readName(signedText);
  if (!signed) return false;
  // A digest counts more than the tag beside it.
  const wanted = plain(asked);
  switch (identity.type) {
    case "matchExact":
      return !isBare(wanted) && !isBare(signed) && same(wanted, signed);
    case "matchRepoDigestOrExact":
      return repoDigestOrExact(wanted, signed);
    case "matchRepository":
      return sameRepository(wanted, signed);
    case "exactReference":
      return !isBare(signed) && same(identity.name, signed);
    case "exactRepository":
      return sameRepository(identity.name, signed);
    case "remapIdentity": {
      const moved = remap(wanted, identity.prefix, identity.signedPrefix);
      return moved !== undefined && repoDigestOrExact(moved, signed);
    }
  }
}

function repoDigestOrExact(wanted: Reference, signed: Reference): boolean {
  if (isBare(signed) || isBare(wanted)) return false;
  return wanted.digest === undefined ? same(wanted, signed) : sameRepository(wanted, signed);
}

/** The name below another prefix; itself where the prefix does not fit. Undefined where no name comes out. */
function remap(name: Reference, prefix: string, signedPrefix: string): Reference | undefined {
  const repository = `${name.registry}/${name.repository}`;
  if (repository !== prefix && !repository.startsWith(`${prefix}/`)) return name;
  return readName(`${signedPrefix}${formatReference(name).slice(prefix.length)}`);
}

function isType(text: string): text is Identity["type"] {
  return Object.hasOwn(FIELDS, text);
}

function reference(shape: Shape, text: string): Reference {
  return readName(text) ?? shape.fail(`"${printable(text.slice(0, 200))}" is no name of an image`);
}

function readName(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

function plain({ tag, ...name }: Reference): Reference {
  return tag === undefined || name.digest !== undefined ? name : { ...name, tag };
}

function isBare({ tag, digest }: Reference): boolean {
  return tag === undefined && digest === undefined;
}

function same(one: Reference, other: Reference): boolean {
  return formatReference(one) === formatReference(other);
}

function sameRepository(one: Reference, other: Reference): boolean {
  return one.registry === other.registry && one.repository === other.repository;
}
