import { parseJson } from "../image/json.ts";
import { Shape } from "../image/json-shape.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { IN_TOTO } from "./media.ts";

/** A signed message with its type. DSSE, protocol.md and envelope.md. */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly Uint8Array[];
}

/** How many signatures an envelope may have; each is tried with each key. */
const SIGNATURES = 32;

/** What is signed: type and payload with their lengths, so that neither can be taken for the other. DSSE, "PAE". */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = Buffer.from(payloadType);
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} `), type, Buffer.from(` ${payload.length} `), payload]);
}

/** Signs a statement. */
export function sealEnvelope(statement: Uint8Array, sign: (message: Uint8Array) => Uint8Array): Envelope {
  return { payloadType: IN_TOTO, payload: statement, signatures: [sign(preAuthEncoding(IN_TOTO, statement))] };
}

/** An envelope as JSON, keys in cosign's order. */
export function envelopeJson({ payload, payloadType, signatures }: Envelope): object {
  return {
    payload: Buffer.from(payload).toString("base64"),
    payloadType,
    signatures: signatures.map((sig) => ({ sig: Buffer.from(sig).toString("base64") })),
  };
}

/** Reads an envelope of a classic attestation. `where` names it in messages. Throws MANIFEST, LIMIT. */
export function parseEnvelope(bytes: Uint8Array, where: string): Envelope {
  const shape: Shape = new Shape(parseJson(bytes, where), where, ["payload", "payloadType", "signatures"]);
  const list = shape.array("signatures") ?? [];
  const envelope = {
    payloadType: shape.string("payloadType") ?? "",
    payload: base64(shape, "payload"),
    signatures: list.map((one, at) => base64(new Shape(one, `${where}: signature ${at + 1}`, ["keyid", "sig"]), "sig")),
  };
  checkEnvelope(envelope, where);
  return envelope;
}

/** Refuses an envelope that cannot be meant: nothing in it, nothing signed, too much of either. Throws MANIFEST, LIMIT. */
export function checkEnvelope({ payload, signatures }: Envelope, where: string): void {
  if (payload.length > LIMITS.statementBytes) throw new Failure("LIMIT", `${where}: it says more than ${LIMITS.statementBytes} bytes`);
  if (signatures.length === 0) throw new Failure("MANIFEST", `${where}: an envelope without a signature`);
  if (signatures.length > SIGNATURES) throw new Failure("LIMIT", `${where}: ${signatures.length} signatures; ${SIGNATURES} are accepted`);
}

function base64(shape: Shape, key: string): Uint8Array {
  const text = shape.string(key) ?? "";
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === 0 || bytes.toString("base64").replace(/=+$/, "") !== text.replace(/=+$/, "")) shape.fail(`${key} is not base64`);
  return bytes;
}
