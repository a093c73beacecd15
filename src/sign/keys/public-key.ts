import { createPublicKey, hash, type KeyObject, verify } from "node:crypto";
import { Failure } from "../../kit/error.ts";
import { readPem, writePem } from "./pem.ts";

/** A key that signatures are verified with. */
export interface PublicKey {
  /** `ECDSA P-256`, for messages. */
  readonly kind: string;
  /** SHA-256 of its DER form in base64: the hint by which a bundle names its key. */
  readonly hint: string;
  /** PEM, as cosign writes it. */
  readonly pem: string;
  /** Whether a signature over a message was made with the private half. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/** Digests under ECDSA and RSA, the one that is written first. cosign takes SHA-256 for every key; its bundles the curve's own. */
const DIGESTS: Readonly<Record<string, readonly (string | null)[]>> = {
  "ECDSA P-256": ["sha256"],
  "ECDSA P-384": ["sha256", "sha384"],
  "ECDSA P-521": ["sha256", "sha512"],
  RSA: ["sha256"],
  Ed25519: [null],
};
const CURVES: Readonly<Record<string, string>> = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" };
const RSA_BITS = { min: 2048, max: 16_384 } as const;

/** The kind of a key that nought signs and verifies with. Throws KEY for others: DSA, Ed448, small RSA, unusual curves. */
export function kindOf(key: KeyObject, where: string): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === "ec") {
    const curve = CURVES[details?.namedCurve ?? ""];
    if (curve !== undefined) return `ECDSA ${curve}`;
  }
  if (type === "ed25519") return "Ed25519";
  if (type === "rsa") {
    const bits = details?.modulusLength ?? 0;
    if (bits >= RSA_BITS.min && bits <= RSA_BITS.max) return "RSA";
    throw new Failure("KEY", `${where}: an RSA key of ${bits} bits; ${RSA_BITS.min} to ${RSA_BITS.max} are accepted`);
  }
  throw new Failure("KEY", `${where}: keys are ECDSA on P-256, P-384 or P-521, Ed25519 or RSA; this is ${type ?? "none of them"}`);
}

/** The digest that a key of a kind signs with; null for Ed25519, which has its own. */
export function signingDigest(kind: string): string | null {
  return DIGESTS[kind]?.[0] ?? null;
}

/** Reads a public key from PEM (`PUBLIC KEY`, RFC 5280's SubjectPublicKeyInfo). `where` names it in messages. Throws KEY. */
export function readPublicKey(text: string, where: string): PublicKey {
  const block = readPem(text, where);
  if (block.label !== "PUBLIC KEY") {
    throw new Failure("KEY", `${where}: a public key is wanted, this calls itself ${block.label}`, {
      hint: block.label.endsWith("PRIVATE KEY")
        ? "The public half is beside it, cosign.pub."
        : "Give a file with -----BEGIN PUBLIC KEY-----.",
    });
  }
  try {
    return publicKey(createPublicKey({ key: Buffer.from(block.bytes), format: "der", type: "spki" }), where);
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure("KEY", `${where}: no public key can be read from it`, { cause });
  }
}

/** The public half of a key of node:crypto, public or private. Throws KEY for kinds that are not used. */
export function publicKey(key: KeyObject, where: string): PublicKey {
  const half = key.type === "private" ? createPublicKey(key) : key;
  const kind = kindOf(half, where);
  const der = half.export({ format: "der", type: "spki" });
  return {
    kind,
    hint: Buffer.from(hash("sha256", der, "buffer")).toString("base64"),
    pem: writePem("PUBLIC KEY", der),
    verify(message, signature) {
      return (DIGESTS[kind] ?? []).some((digest) => good(digest, message, half, signature));
    },
  };
}

/** A signature that is no signature at all is a bad one; OpenSSL's word for it is of no use to anybody. */
function good(digest: string | null, message: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  try {
    return verify(digest, message, key, signature);
  } catch {
    return false;
  }
}
