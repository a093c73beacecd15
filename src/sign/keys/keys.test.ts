import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { Failure } from "../../kit/error.ts";
import { decryptKey, encryptKey } from "./encrypted.ts";
import { readPem, writePem } from "./pem.ts";
import { generateKeyPair, importKeyPair, readPrivateKey } from "./private-key.ts";
import { readPublicKey } from "./public-key.ts";

const message = Buffer.from("what is signed");
const never = () => assert.fail("nobody should be asked for a password");
const refused = (pattern: RegExp) => (error: unknown) => error instanceof Failure && error.code === "KEY" && pattern.test(error.message);
const pem = (key: KeyObject) =>
  key.export({ format: "pem", type: key.type === "private" ? "pkcs8" : "spki" } as { format: "pem"; type: "pkcs8" }) as string;

const curve = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve });
const rsa = (modulusLength: number) => generateKeyPairSync("rsa", { modulusLength });

test("a new pair is opened by its password, signs, and its public half verifies", async () => {
  const { privatePem, publicPem } = await generateKeyPair("päss");
  assert.match(privatePem, /^-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n/);
  const key = await readPrivateKey(privatePem, "key", async () => "päss");
  const half = readPublicKey(publicPem, "half");
  assert.equal(half.kind, "ECDSA P-256");
  assert.equal(half.verify(message, key.sign(message)), true);
  assert.equal(half.verify(Buffer.from("else"), key.sign(message)), false);
  assert.equal(half.verify(message, Buffer.from("no signature")), false);
  await assert.rejects(
    readPrivateKey(privatePem, "key", async () => ""),
    refused(/the password does not open this key/),
  );
});

test("an empty password is one; cosign's older name of the form is read", async () => {
  const { privatePem } = await generateKeyPair("");
  const old = privatePem.replaceAll("SIGSTORE", "COSIGN");
  assert.equal((await readPrivateKey(old, "key", async () => "")).publicKey.kind, "ECDSA P-256");
});

test("keys of one's own: ECDSA on three curves, Ed25519, RSA, as OpenSSL writes them", async () => {
  const pairs = [curve("P-256"), curve("P-384"), curve("P-521"), generateKeyPairSync("ed25519"), rsa(2048)];
  const kinds: string[] = [];
  for (const { privateKey, publicKey } of pairs) {
    const key = await readPrivateKey(pem(privateKey), "key", never);
    assert.equal(readPublicKey(pem(publicKey), "half").verify(message, key.sign(message)), true);
    assert.equal(key.publicKey.hint, readPublicKey(pem(publicKey), "half").hint);
    kinds.push(key.publicKey.kind);
  }
  assert.deepEqual(kinds, ["ECDSA P-256", "ECDSA P-384", "ECDSA P-521", "Ed25519", "RSA"]);
});

test("the older form of EC keys, with the curve before it, and PKCS #8 under a password", async () => {
  const { privateKey } = curve("P-256");
  const sec1 = privateKey.export({ format: "pem", type: "sec1" });
  const before = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  assert.equal((await readPrivateKey(`${before}${sec1}`, "key", never)).publicKey.kind, "ECDSA P-256");
  const locked = privateKey.export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "pw" });
  assert.equal((await readPrivateKey(locked as string, "key", async () => "pw")).publicKey.kind, "ECDSA P-256");
  await assert.rejects(
    readPrivateKey(locked as string, "key", async () => "other"),
    refused(/no private key can be read/),
  );
});

test("an imported key gets cosign's form under a new password", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const { privatePem, publicPem } = await importKeyPair(pem(privateKey), "key", never, "new");
  assert.equal(publicPem, pem(publicKey));
  assert.equal((await readPrivateKey(privatePem, "key", async () => "new")).publicKey.kind, "Ed25519");
});

test("keys that are too weak or unusual are refused, and so is one half in place of the other", async () => {
  await assert.rejects(readPrivateKey(pem(rsa(1024).privateKey), "key", never), refused(/RSA key of 1024 bits; 2048 to 16384/));
  await assert.rejects(readPrivateKey(pem(curve("secp256k1").privateKey), "key", never), refused(/this is ec/));
  assert.throws(() => readPublicKey(pem(generateKeyPairSync("x25519").publicKey), "key"), refused(/this is x25519/));
  const { privateKey, publicKey } = curve("P-256");
  assert.throws(() => readPublicKey(pem(privateKey), "key"), refused(/a public key is wanted, this calls itself PRIVATE KEY/));
  await assert.rejects(readPrivateKey(pem(publicKey), "key", never), refused(/a private key is wanted/));
});

test("PEM: nothing, two keys, no end, damage and other keys' bytes are refused without a stack", () => {
  const { publicPem } = { publicPem: pem(curve("P-256").publicKey) };
  const wrong: [string, RegExp][] = [
    ["", /no PEM text/],
    ["-----BEGIN PUBLIC KEY", /no end/],
    ["-----BEGIN PUBLIC KEY-----\nAAAA\n", /no end/],
    [`${publicPem}${publicPem}`, /more than one key/],
    ["-----BEGIN PUBLIC KEY-----\n<>\n-----END PUBLIC KEY-----", /damaged/],
    ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", /no public key can be read/],
  ];
  for (const [text, why] of wrong) assert.throws(() => readPublicKey(text, "key"), refused(why), text);
  assert.deepEqual(readPem(writePem("X", message), "x").bytes, message);
  assert.match(readPublicKey(`note\n${publicPem}\nnote`, "key").kind, /P-256/);
});

test("an encrypted key is bounded in what it costs, and read strictly", async () => {
  const good = JSON.parse(Buffer.from(await encryptKey(message, "pw")).toString());
  assert.deepEqual(Buffer.from(await decryptKey(Buffer.from(JSON.stringify(good)), "pw", "key")), message);
  const changed = async (change: (copy: typeof good) => void, why: RegExp) => {
    const copy = structuredClone(good);
    change(copy);
    await assert.rejects(decryptKey(Buffer.from(JSON.stringify(copy)), "pw", "key"), refused(why));
  };
  await changed((one) => (one.kdf.params.N = 2 ** 30), /more memory or time/);
  await changed((one) => (one.kdf.params.p = 1_000), /more memory or time/);
  await changed((one) => (one.kdf.params.N = 65_535), /no values for scrypt/);
  await changed((one) => (one.kdf.params.r = 0), /no values for scrypt/);
  await changed((one) => (one.kdf.name = "pbkdf2"), /only scrypt/);
  await changed((one) => (one.cipher.name = "none"), /only nacl\/secretbox/);
  await changed((one) => (one.cipher.nonce = "AAAA"), /a nonce has 24 bytes/);
  await changed((one) => (one.ciphertext = "AAAA"), /does not open/);
  await changed((one) => delete one.kdf, /an object is expected/);
  await assert.rejects(decryptKey(Buffer.from("{}{"), "pw", "key"), refused(/not valid JSON/));
});
