import type { PrivateKey } from "openpgp";

/** A throw-away key: the secret half signs, the public half goes into keyrings. */
export interface SigningKey {
  readonly secret: PrivateKey;
  /** Binary. */
  readonly publicKey: Buffer;
  readonly armored: string;
  readonly fingerprint: string;
}

export interface KeyOptions {
  /** Milliseconds since the epoch at which it is made. Default: a year ago. */
  readonly at?: number;
  /** Seconds after which it expires. */
  readonly expires?: number;
  /** Signatures come from a subkey, as with Debian's own keys. */
  readonly subkey?: boolean;
}

/** Makes a key (Ed25519). Keys are made anew for each test: it takes some milliseconds. */
export async function testKey({ at = Date.now() - 365 * 86_400_000, expires = 0, subkey = false }: KeyOptions = {}): Promise<SigningKey> {
  const { generateKey } = await import("openpgp");
  const { privateKey } = await generateKey({
    type: "ecc",
    curve: "ed25519Legacy",
    userIDs: [{ name: "nought test" }],
    date: new Date(at),
    keyExpirationTime: expires,
    ...(subkey ? { subkeys: [{ sign: true, type: "ecc" as const, curve: "ed25519Legacy" as const }] } : { subkeys: [] }),
    format: "object",
  });
  return toSigningKey(privateKey);
}

/** The same key with a revocation in its public half. */
export async function revoked(key: SigningKey): Promise<SigningKey> {
  const { revokeKey } = await import("openpgp");
  const { publicKey } = await revokeKey({ key: key.secret, format: "object" });
  return { ...key, publicKey: Buffer.from(publicKey.write() as Uint8Array), armored: publicKey.armor() };
}

function toSigningKey(secret: PrivateKey): SigningKey {
  const open = secret.toPublic();
  return { secret, publicKey: Buffer.from(open.write() as Uint8Array), armored: open.armor(), fingerprint: open.getFingerprint() };
}

/** A clear-signed text, signed by all the keys at a time. */
export async function clearSign(text: string, keys: readonly SigningKey[], at = Date.now()): Promise<string> {
  const { createCleartextMessage, sign } = await import("openpgp");
  const message = await createCleartextMessage({ text });
  return (await sign({ message, signingKeys: keys.map((key) => key.secret), date: new Date(at) })) as string;
}

/** An armored signature over the bytes of a text. */
export async function detachedSign(text: string, keys: readonly SigningKey[], at = Date.now()): Promise<string> {
  const { createMessage, sign } = await import("openpgp");
  const message = await createMessage({ binary: new Uint8Array(Buffer.from(text)) });
  return (await sign({ message, signingKeys: keys.map((key) => key.secret), date: new Date(at), detached: true })) as string;
}
