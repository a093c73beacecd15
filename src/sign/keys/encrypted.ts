import { randomBytes, scrypt } from "node:crypto";
import { parseJson } from "../../image/json.ts";
import { Shape } from "../../image/json-shape.ts";
import { Failure } from "../../kit/error.ts";

/** What cosign's files of private keys begin with; the second is the older. */
export const ENCRYPTED_LABELS: ReadonlySet<string> = new Set(["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"]);

/** scrypt as cosign asks for it today: 64 MiB and some hundred milliseconds. */
const COST = { N: 65_536, r: 8, p: 1 } as const;
/** The most memory and work that a key file may ask for: four times cosign's. */
const MEMORY = 256 << 20;
const WORK = 4 * COST.N * COST.r;
const KEY_BYTES = 32;
const NONCE_BYTES = 24;

/**
 * Encrypts a private key as cosign does: scrypt makes a key of the password, NaCl's secretbox (XSalsa20 and Poly1305) closes the bytes.
 * The form is that of go-tuf's package `encrypted`. The result is the JSON inside the PEM block.
 */
export async function encryptKey(bytes: Uint8Array, password: string): Promise<Uint8Array> {
  const [salt, nonce] = [randomBytes(KEY_BYTES), randomBytes(NONCE_BYTES)];
  const { secretbox } = await import("@noble/ciphers/salsa");
  const ciphertext = secretbox(await derive(password, salt, COST), nonce).seal(bytes);
  return Buffer.from(
    JSON.stringify({
      kdf: { name: "scrypt", params: COST, salt: salt.toString("base64") },
      cipher: { name: "nacl/secretbox", nonce: nonce.toString("base64") },
      ciphertext: Buffer.from(ciphertext).toString("base64"),
    }),
  );
}

/** Opens what `encryptKey` or cosign closed. `where` names the file. Throws KEY: damaged, too costly, or another password. */
export async function decryptKey(json: Uint8Array, password: string, where: string): Promise<Uint8Array> {
  const { salt, cost, nonce, ciphertext } = readEncrypted(json, where);
  const { secretbox } = await import("@noble/ciphers/salsa");
  const key = await derive(password, salt, cost);
  try {
    return secretbox(key, nonce).open(ciphertext);
  } catch (cause) {
    throw new Failure("KEY", `${where}: the password does not open this key`, {
      cause,
      hint: "COSIGN_PASSWORD holds the password; an empty one counts as a password too.",
    });
  }
}

function readEncrypted(json: Uint8Array, where: string) {
  try {
    const top = new Shape(parseJson(json, where), where, ["kdf", "cipher", "ciphertext"]);
    const kdf: Shape = new Shape(top.object("kdf"), `${where}: kdf`, ["name", "params", "salt"]);
    const cipher: Shape = new Shape(top.object("cipher"), `${where}: cipher`, ["name", "nonce"]);
    const params: Shape = new Shape(kdf.object("params"), `${where}: kdf.params`, ["N", "r", "p"]);
    if (kdf.string("name") !== "scrypt") kdf.fail("only scrypt is known");
    if (cipher.string("name") !== "nacl/secretbox") cipher.fail("only nacl/secretbox is known");
    const cost = { N: params.integer("N") ?? 0, r: params.integer("r") ?? 0, p: params.integer("p") ?? 0 };
    const { N, r, p } = cost;
    if (N < 2 || !Number.isInteger(Math.log2(N)) || r < 1 || p < 1) params.fail("no values for scrypt");
    if (128 * N * r > MEMORY || N * r * p > WORK) params.fail("it asks for more memory or time than a key is worth");
    const bytes = (shape: Shape, key: string) => Buffer.from(shape.string(key) ?? "", "base64");
    const nonce = bytes(cipher, "nonce");
    if (nonce.length !== NONCE_BYTES) cipher.fail(`a nonce has ${NONCE_BYTES} bytes`);
    return { salt: bytes(kdf, "salt"), cost, nonce, ciphertext: bytes(top, "ciphertext") };
  } catch (error) {
    if (error instanceof Failure && error.code === "MANIFEST") throw new Failure("KEY", error.message, { cause: error });
    throw error;
  }
}

function derive(password: string, salt: Uint8Array, { N, r, p }: { N: number; r: number; p: number }): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, KEY_BYTES, { N, r, p, maxmem: 128 * N * r + (32 << 20) }, (error, key) =>
      error ? reject(error) : resolve(new Uint8Array(key)),
    );
  });
}
