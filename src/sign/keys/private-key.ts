import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { Failure } from "../../kit/error.ts";
import { decryptKey, ENCRYPTED_LABELS, encryptKey } from "./encrypted.ts";
import { readPem, writePem } from "./pem.ts";
import { type PublicKey, publicKey, signingDigest } from "./public-key.ts";

/** A key that signs. Its secret half stays inside. */
export interface PrivateKey {
  readonly publicKey: PublicKey;
  /** ECDSA as ASN.1 DER, RSA as PKCS #1 v1.5, Ed25519 as 64 bytes: as cosign writes them. */
  sign(message: Uint8Array): Uint8Array;
}

/** The two files of a new pair. */
export interface KeyPair {
  readonly privatePem: string;
  readonly publicPem: string;
}

/** Asks for the password of a key, when there is one to open. */
export type AskPassword = () => Promise<string>;

/**
 * Reads a private key: cosign's encrypted form, or PEM as OpenSSL writes it (PKCS #8, plain or encrypted, and the older forms of EC and
 * RSA). `where` names it in messages; no part of the key is ever in one. Throws KEY.
 */
export async function readPrivateKey(text: string, where: string, ask: AskPassword): Promise<PrivateKey> {
  return privateKey(await open(text, where, ask), where);
}

/** A new pair as cosign makes one: ECDSA on P-256, the private half closed with the password. */
export async function generateKeyPair(password: string): Promise<KeyPair> {
  return closed(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey, "the new key", password);
}

/** The same for a key that is there already, closed under a new password. Throws KEY. */
export async function importKeyPair(text: string, where: string, ask: AskPassword, password: string): Promise<KeyPair> {
  return closed(await open(text, where, ask), where, password);
}

async function closed(key: KeyObject, where: string, password: string): Promise<KeyPair> {
  const { pem: publicPem } = publicKey(key, where);
  const der = key.export({ format: "der", type: "pkcs8" });
  return { privatePem: writePem("ENCRYPTED SIGSTORE PRIVATE KEY", await encryptKey(der, password)), publicPem };
}

async function open(text: string, where: string, ask: AskPassword): Promise<KeyObject> {
  const block = readPem(text, where);
  const { label } = block;
  if (!label.endsWith("PRIVATE KEY"))
    throw new Failure("KEY", `${where}: a private key is wanted, this calls itself ${label}`, { hint: "Signing takes cosign.key." });
  try {
    if (ENCRYPTED_LABELS.has(label)) {
      const der = Buffer.from(await decryptKey(block.bytes, await ask(), where));
      return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    }
    const locked = label === "ENCRYPTED PRIVATE KEY" || block.text.includes("ENCRYPTED");
    return createPrivateKey({ key: block.text, format: "pem", ...(locked ? { passphrase: await ask() } : {}) });
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    // What OpenSSL says of it may hold a part of it.
    throw new Failure("KEY", `${where}: no private key can be read from it`, {
      hint: "Is the password the right one? PKCS #8, EC and RSA keys in PEM are read, and cosign's own.",
    });
  }
}

function privateKey(key: KeyObject, where: string): PrivateKey {
  const half = publicKey(key, where);
  const digest = signingDigest(half.kind);
  return { publicKey: half, sign: (message) => sign(digest, message, key) };
}
