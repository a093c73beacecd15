import { parseJson } from "../image/json.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { checkEnvelope, type Envelope, envelopeJson } from "./envelope.ts";
import { BUNDLE } from "./media.ts";

/** What is taken of a sigstore bundle. */
export interface Bundle {
  readonly envelope: Envelope;
  /** What it says its key is; undefined where a certificate stands in its place (keyless signatures). */
  readonly hint: string | undefined;
  /** Entries of a transparency log, which are not asked about. */
  readonly logged: boolean;
}

/** A bundle of version 0.3 for a signature by a key. sigstore's protobuf-specs, sigstore_bundle.proto; keys in cosign's order. */
export function encodeBundle(envelope: Envelope, hint: string): Uint8Array {
  const bundle = { mediaType: BUNDLE, verificationMaterial: { publicKey: { hint } }, dsseEnvelope: envelopeJson(envelope) };
  return Buffer.from(JSON.stringify(bundle));
}

/**
 * Reads a bundle of any version from 0.1 to 0.3 that holds an envelope. sigstore's library knows the forms; that no key stands in it twice
 * is checked before. `where` names it in messages. Throws MANIFEST, LIMIT.
 */
export async function parseBundle(bytes: Uint8Array, where: string): Promise<Bundle> {
  const json = parseJson(bytes, where);
  const { bundleFromJSON } = await import("@sigstore/bundle");
  let bundle: ReturnType<typeof bundleFromJSON>;
  try {
    bundle = bundleFromJSON(json);
  } catch (cause) {
    throw new Failure("MANIFEST", `${where}: no sigstore bundle: ${printable(String((cause as Error).message).slice(0, 200))}`, { cause });
  }
  if (bundle.content.$case !== "dsseEnvelope") throw new Failure("MANIFEST", `${where}: a bundle that holds no statement`);
  const { payload, payloadType, signatures } = bundle.content.dsseEnvelope;
  const envelope = { payload, payloadType, signatures: signatures.map(({ sig }) => sig) };
  checkEnvelope(envelope, where);
  const { content, tlogEntries } = bundle.verificationMaterial;
  return { envelope, hint: content.$case === "publicKey" ? content.publicKey.hint : undefined, logged: tlogEntries.length > 0 };
}
