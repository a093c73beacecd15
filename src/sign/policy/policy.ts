import { type JsonValue, parseJson } from "../../image/json.ts";
import { Shape } from "../../image/json-shape.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { IDENTITY_FIELDS, type Identity, parseIdentity, USUAL_IDENTITY } from "./identity.ts";

/** One condition; of a list all must hold. containers-policy.json(5), "POLICY REQUIREMENTS". */
export type Requirement =
  | { readonly type: "insecureAcceptAnything" | "reject" }
  /** Can be written, but is not fulfilled by nought; `why` says what is missing. */
  | { readonly type: "signedBy" | "signedBaseLayer" | "sigstoreSigned"; readonly unsupported: string }
  | { readonly type: "sigstoreSigned"; readonly keys: readonly KeySource[]; readonly identity: Identity };

/** A key in a file, or in the policy itself. */
export type KeySource = { readonly path: string } | { readonly pem: string };

/** A policy file as a value. */
export interface Policy {
  readonly default: readonly Requirement[];
  /** By transport (`docker` is all that nought asks for), then by scope; the scope without a name is for all that has no other. */
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, readonly Requirement[]>>;
}

const KEYS = ["keyPath", "keyPaths", "keyData", "keyDatas"] as const;
const REKOR = ["rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas"] as const;
const FIELDS: Readonly<Record<Requirement["type"], readonly string[]>> = {
  insecureAcceptAnything: [],
  reject: [],
  signedBy: ["keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"],
  signedBaseLayer: ["baseLayerIdentity"],
  sigstoreSigned: [...KEYS, ...REKOR, "fulcio", "pki", "signedIdentity"],
};
const KNOWN = ["type", ...new Set(Object.values(FIELDS).flat())];

/**
 * Reads a policy as containers/image does: strictly. A field that is not known, or there twice, makes the whole file worth nothing.
 * `where` names it in messages. Throws POLICY.
 */
export function parsePolicy(bytes: Uint8Array, where: string): Policy {
  try {
    const top = exact(parseJson(bytes, where), where, ["default", "transports"]);
    if (!top.has("default")) top.fail("no default");
    const transports = new Map<string, ReadonlyMap<string, readonly Requirement[]>>();
    for (const [transport, scopes] of Object.entries(top.object("transports") ?? {})) {
      const path = `${where}: transports.${printable(transport)}`;
      const each = Object.entries(new Shape({ scopes }, path, []).object("scopes") ?? {});
      transports.set(transport, new Map(each.map(([scope, list]) => [scope, requirements(list, `${path}["${printable(scope)}"]`)])));
    }
    return { default: requirements(top.value("default"), `${where}: default`), transports };
  } catch (error) {
    if (error instanceof Failure && (error.code === "MANIFEST" || error.code === "LIMIT"))
      throw new Failure("POLICY", error.message, { cause: error, hint: "A policy that cannot be read allows nothing: mend the file." });
    throw error;
  }
}

function requirements(value: JsonValue | undefined, where: string): readonly Requirement[] {
  const list = new Shape({ value: value ?? null }, where, []).array("value") ?? [];
  if (list.length === 0) throw new Failure("MANIFEST", `${where}: a list of requirements cannot be empty`);
  return list.map((one, at) => requirement(one, `${where}[${at}]`));
}

function requirement(value: JsonValue, where: string): Requirement {
  const shape: Shape = new Shape(value, where, KNOWN);
  const type = shape.string("type") ?? "";
  if (!isType(type)) shape.fail(`the requirement "${printable(type.slice(0, 60))}" is not known`);
  if (shape.rest(["type", ...FIELDS[type]])) shape.fail(`${type} has fields that it does not know`);
  if (type === "insecureAcceptAnything" || type === "reject") return { type };
  if (type === "signedBy") return { type, unsupported: "GPG simple signing is not read" };
  if (type === "signedBaseLayer") return { type, unsupported: "signatures of base layers do not exist" };
  if (shape.has("fulcio") || shape.has("pki")) return { type, unsupported: "signatures with certificates (fulcio, pki) are not verified" };
  if (REKOR.some((key) => shape.has(key))) return { type, unsupported: "Rekor's word is not verified: no transparency log is read" };
  const given = KEYS.filter((key) => shape.has(key));
  if (given.length !== 1) shape.fail(`exactly one of ${KEYS.join(", ")} is needed`);
  const identity = shape.has("signedIdentity")
    ? parseIdentity(new Shape(shape.value("signedIdentity"), `${where}.signedIdentity`, IDENTITY_FIELDS))
    : USUAL_IDENTITY;
  return { type, keys: keySources(shape), identity };
}

function keySources(shape: Shape): readonly KeySource[] {
  const paths = shape.strings("keyPaths") ?? [shape.string("keyPath")];
  const datas = shape.strings("keyDatas") ?? [shape.string("keyData")];
  const found: KeySource[] = [];
  for (const path of paths) if (path !== undefined) found.push({ path });
  for (const data of datas) {
    if (data === undefined) continue;
    const bytes = Buffer.from(data, "base64");
    if (bytes.length === 0 || !/^[A-Za-z0-9+/=\s]+$/.test(data)) shape.fail("keyData is not base64");
    found.push({ pem: bytes.toString("utf8") });
  }
  if (found.length === 0) shape.fail("no key is given");
  return found;
}

function isType(text: string): text is Requirement["type"] {
  return Object.hasOwn(FIELDS, text);
}

function exact(value: JsonValue, where: string, known: readonly string[]): Shape {
  const shape: Shape = new Shape(value, where, known);
  const [unknown] = Object.keys(shape.rest(known) ?? {});
  if (unknown !== undefined) shape.fail(`the field "${printable(unknown.slice(0, 60))}" is not known`);
  return shape;
}
