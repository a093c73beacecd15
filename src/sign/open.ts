import { parseStatement, type Statement } from "../attest/statement.ts";
import { parseManifest } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { readWhole } from "../place/documents.ts";
import type { Repository } from "../registry/face.ts";
import { parseBundle } from "./bundle.ts";
import { type Envelope, parseEnvelope, preAuthEncoding } from "./envelope.ts";
import type { Candidate, Kind } from "./find.ts";
import type { PublicKey } from "./keys/public-key.ts";
import { BUNDLE_PREFIX, IN_TOTO, SIGNATURE } from "./media.ts";
import { type Payload, parsePayload } from "./payload.ts";

/** A bundle or envelope in base64 and JSON is larger than what it says; one that only signs says hardly anything. */
const WRAPPED: Readonly<Record<Kind, number>> = { attestation: 2 * LIMITS.statementBytes, signature: LIMITS.payloadBytes };

/** What a key has signed. */
export interface Signed<T> {
  readonly said: T;
  readonly key: PublicKey;
  /** Whether it comes with an entry of a transparency log, which was not asked. */
  readonly logged: boolean;
}

/** A statement with the envelope it came in. */
export interface Stated {
  readonly statement: Statement;
  readonly envelope: Envelope;
}

/**
 * Fetches a classic signature, verifies it, and only then reads what it says. Throws SIGNATURE, MANIFEST, LIMIT, DIGEST and as a place
 * does.
 */
export async function openPayload(
  place: Repository,
  { descriptor, where }: Candidate,
  keys: readonly PublicKey[],
): Promise<Signed<Payload>> {
  const text = descriptor.annotations?.[SIGNATURE] ?? "";
  if (text === "" || text.length > 8_192 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text))
    throw new Failure("SIGNATURE", `${where}: it carries no signature`);
  const bytes = await readWhole(place, descriptor, LIMITS.payloadBytes);
  const key = keys.find((one) => one.verify(bytes, Buffer.from(text, "base64")));
  if (!key) throw notByKeys(where, keys);
  return { said: parsePayload(bytes, where), key, logged: descriptor.annotations?.["dev.sigstore.cosign/bundle"] !== undefined };
}

/**
 * Fetches an envelope, out of a bundle or classic, verifies it, and only then reads its statement. `kind` is what is hoped for: it bounds
 * what is fetched. Throws as `openPayload`.
 */
export async function openStatement(
  place: Repository,
  candidate: Candidate,
  keys: readonly PublicKey[],
  kind: Kind,
): Promise<Signed<Stated>> {
  const { where } = candidate;
  const read = candidate.form === "bundle" ? fromBundle : fromLayer;
  const { envelope, logged, keyless } = await read(place, candidate, WRAPPED[kind]);
  if (envelope.payloadType !== IN_TOTO)
    throw new Failure("SIGNATURE", `${where}: it holds ${printable(envelope.payloadType.slice(0, 100))}, no statement`);
  const message = preAuthEncoding(envelope.payloadType, envelope.payload);
  const key = keys.find((one) => envelope.signatures.some((signature) => one.verify(message, signature)));
  if (!key)
    throw keyless ? new Failure("SIGNATURE", `${where}: signed with a certificate (keyless), not with a key`) : notByKeys(where, keys);
  return { said: { statement: parseStatement(envelope.payload, where), envelope }, key, logged };
}

async function fromBundle(place: Repository, { descriptor, where }: Candidate, limit: number) {
  const manifest = parseManifest(await readWhole(place, descriptor), where, descriptor.mediaType);
  const [layer, ...more] = manifest.layers.filter((one) => one.mediaType.startsWith(BUNDLE_PREFIX));
  if (!layer || more.length > 0)
    throw new Failure("MANIFEST", `${where}: ${layer ? "several bundles in one manifest" : "no bundle in it"}`);
  const { envelope, logged, hint } = await parseBundle(await readWhole(place, layer, limit), where);
  return { envelope, logged, keyless: hint === undefined };
}

async function fromLayer(place: Repository, { descriptor, where }: Candidate, limit: number) {
  const envelope = parseEnvelope(await readWhole(place, descriptor, limit), where);
  const { annotations = {} } = descriptor;
  const has = (name: string) => Boolean(annotations[`dev.sigstore.cosign/${name}`]);
  return { envelope, logged: has("bundle"), keyless: has("certificate") };
}

function notByKeys(where: string, keys: readonly PublicKey[]): Failure {
  return new Failure("SIGNATURE", `${where}: not made with ${keys.length === 1 ? "this key" : "any of these keys"}, or changed since`);
}
