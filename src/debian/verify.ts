import type { Key, Subkey } from "openpgp";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Keyring } from "./keyring.ts";

/** What a good signature tells. */
export interface Verified {
  /** Fingerprints of the keys whose signatures are good: of the primary keys, upper-case hex. */
  readonly signers: readonly string[];
}

type Library = typeof import("openpgp");

/** Signatures looked at: a real suite has three or four. */
const MOST_SIGNATURES = 30;

/**
 * Verifies the signatures over `text`: armored (InRelease) or binary or armored (Release.gpg). Accepted when at least one is good by a key
 * of
 * the keyring that is neither expired nor revoked, and none by a trusted key is wrong; signatures of keys we do not know, expired ones and
 * those with a weak hash are passed over, as apt does. `at` is milliseconds since the epoch. Throws SIGNATURE. RFC 9580.
 */
export async function verifySignatures(
  text: Buffer,
  signature: Buffer | string,
  keyring: Keyring,
  where: string,
  at: number,
): Promise<Verified> {
  const openpgp: Library = await import("openpgp");
  const keys = await readKeys(openpgp, keyring);
  const date = new Date(at);
  const bad = (why: string, hint?: string, cause?: unknown) =>
    new Failure("SIGNATURE", `${printable(where)}: ${why}`, { ...(hint ? { hint } : {}), cause });
  let parsed: Awaited<ReturnType<Library["readSignature"]>>;
  try {
    const armored = typeof signature === "string" ? signature : isArmored(signature) ? signature.toString("latin1") : undefined;
    parsed = await (armored === undefined
      ? openpgp.readSignature({ binarySignature: new Uint8Array(signature as Buffer) })
      : openpgp.readSignature({ armoredSignature: armored }));
  } catch (cause) {
    throw bad("its signature is damaged", undefined, cause);
  }
  if (parsed.packets.length === 0) throw bad("it is not signed");
  if (parsed.packets.length > MOST_SIGNATURES) throw bad(`it has more than ${MOST_SIGNATURES} signatures`);
  const message = await openpgp.createMessage({ binary: new Uint8Array(text) });
  const { signatures } = await openpgp.verify({ message, signature: parsed, verificationKeys: keys, date, format: "binary" });
  const signers: string[] = [];
  const passed: string[] = [];
  for (const one of signatures) {
    const id = one.keyID.toHex().toUpperCase();
    const key = keys.find((candidate) => candidate.getKeys(one.keyID).length > 0);
    if (key === undefined) {
      one.verified.catch(() => {});
      passed.push(`${id} is not in the keyring`);
      continue;
    }
    try {
      await one.verified;
    } catch (cause) {
      const why = (cause as Error).message;
      if (/did not match|verification failed/i.test(why))
        throw bad(`the signature by ${id} does not fit the text: one of them was changed`, undefined, cause);
      passed.push(`the signature by ${id} does not count: ${printable(why)}`);
      continue;
    }
    const trouble = await troubleOf(key, one.keyID, keyring.only, date);
    if (trouble === undefined) signers.push(key.getFingerprint().toUpperCase());
    else passed.push(`${id} ${trouble}`);
  }
  if (signers.length > 0) return { signers };
  const names = keyring.parts.map((part) => printable(part.name)).slice(0, 3);
  throw bad(`no signature by a trusted key (${passed.slice(0, 5).join("; ")})`, `The keys trusted here: ${names.join(", ")}.`);
}

/** Why a key must not count now, though its signature is right; undefined where it counts. */
async function troubleOf(key: Key, id: Parameters<Key["getKeys"]>[0], only: readonly string[], date: Date): Promise<string | undefined> {
  const [part] = key.getKeys(id);
  if (only.length > 0) {
    const own = part?.getFingerprint().toLowerCase();
    const primary = key.getFingerprint().toLowerCase();
    if (!only.some((one) => (one.endsWith("!") ? one.slice(0, -1) === own : one === own || one === primary)))
      return "is not the key that Signed-By names";
  }
  try {
    await key.verifyPrimaryKey(date);
    if (part !== undefined && part !== (key as Key | Subkey)) await (part as Subkey).verify(date);
    return undefined;
  } catch (cause) {
    const why = (cause as Error).message;
    return /expired/i.test(why) ? "has expired" : /revoked/i.test(why) ? "was revoked" : `is not valid (${printable(why)})`;
  }
}

/** The keyring that was parsed last: the suites of a mirror are mostly signed by the same. */
let parsedLast: { readonly sum: string; readonly keys: Promise<Key[]> } | undefined;

function readKeys(openpgp: Library, keyring: Keyring): Promise<Key[]> {
  if (parsedLast?.sum !== keyring.sum) parsedLast = { sum: keyring.sum, keys: parseKeys(openpgp, keyring) };
  return parsedLast.keys;
}

async function parseKeys(openpgp: Library, keyring: Keyring): Promise<Key[]> {
  const all: Key[] = [];
  for (const { name, bytes } of keyring.parts) {
    try {
      const keys = await (isArmored(bytes) ? readArmored(openpgp, bytes) : openpgp.readKeys({ binaryKeys: new Uint8Array(bytes) }));
      all.push(...(keys as Key[]));
    } catch (cause) {
      throw new Failure("SIGNATURE", `the keyring ${printable(name)} cannot be read (${printable((cause as Error).message)})`, { cause });
    }
  }
  if (all.length === 0) throw new Failure("SIGNATURE", "the keyring holds no key");
  return all;
}

/** A file may hold several armored blocks one after the other, each with any number of keys. */
async function readArmored(openpgp: Library, bytes: Buffer): Promise<Key[]> {
  const end = "-----END PGP PUBLIC KEY BLOCK-----";
  const blocks = bytes
    .toString("latin1")
    .split(end)
    .filter((block) => block.includes("-----BEGIN PGP PUBLIC KEY BLOCK-----"));
  const keys: Key[] = [];
  for (const block of blocks) {
    const from = block.indexOf("-----BEGIN PGP");
    keys.push(...((await openpgp.readKeys({ armoredKeys: `${block.slice(from)}${end}\n` })) as Key[]));
  }
  return keys;
}

function isArmored(bytes: Buffer): boolean {
  return bytes.toString("latin1", 0, Math.min(bytes.length, 4096)).includes("-----BEGIN PGP");
}
