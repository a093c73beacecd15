import assert from "node:assert/strict";
import { after, test } from "node:test";
import { pushImage, pushManifest, startRepositories, task } from "../../test/signed-repository.ts";
import { statementFor, subjectFor } from "../attest/statement.ts";
import { encodeIndex } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf, hexOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { Repository } from "../registry/face.ts";
import { attachBundle, attachClassic } from "./attach.ts";
import { encodeBundle } from "./bundle.ts";
import { envelopeJson, sealEnvelope } from "./envelope.ts";
import { generateKeyPair, type PrivateKey, readPrivateKey } from "./keys/private-key.ts";
import { BUNDLE, classicTag, SIGN_PREDICATE, SIGNATURE, SIMPLE_SIGNING } from "./media.ts";
import { encodePayload } from "./payload.ts";
import { attestImage, signImage } from "./sign.ts";
import { verifyAttestations, verifySignatures } from "./verify.ts";

const repositories = await startRepositories();
after(() => repositories.close());
const newKey = async () => readPrivateKey((await generateKeyPair("pw")).privatePem, "key", async () => "pw");
const [key, stranger] = await Promise.all([newKey(), newKey()]);
const both = ["bundle", "classic"] as const;

const verify = (place: Repository, image: Descriptor, wanted: Record<string, string> = {}, by: PrivateKey = key) =>
  verifySignatures(place, image.digest, [by.publicKey], wanted, task);

/** One classic signature over any bytes. */
async function attach(
  place: Repository,
  image: Descriptor,
  bytes: Uint8Array,
  signature = Buffer.from(key.sign(bytes)).toString("base64"),
) {
  const layer = { mediaType: SIMPLE_SIGNING, bytes, annotations: { [SIGNATURE]: signature } };
  await attachClassic(place, image, "signature", layer, task);
}

async function attachEnvelope(place: Repository, image: Descriptor, statement: object) {
  const envelope = sealEnvelope(Buffer.from(JSON.stringify(statement)), key.sign);
  await attachBundle(place, image, encodeBundle(envelope, key.publicKey.hint), SIGN_PREDICATE, new Date(0));
}

/** The only reason for which an image is not signed. */
async function reason(place: Repository, image: Descriptor, wanted: Record<string, string> = {}): Promise<string> {
  const { good, refused } = await verify(place, image, wanted);
  assert.deepEqual(good, []);
  assert.equal(refused.length, 1, refused.join("\n"));
  return refused[0] as string;
}

test("what was signed holds, in both forms and with its annotations; the same is not said twice", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "signed");
  const annotations = { env: "prod", ticket: "7 ü" };
  assert.deepEqual(await signImage(place, image, { key, annotations, forms: both }, task), both);
  assert.deepEqual(await signImage(place, image, { key, annotations, forms: both }, task), []);
  assert.deepEqual(await signImage(place, image, { key: stranger, annotations, forms: ["classic"] }, task), ["classic"]);
  const { good, refused } = await verify(place, image, { env: "prod" });
  assert.deepEqual(good.map(({ form }) => form).sort(), both);
  for (const one of good) {
    assert.deepEqual({ ...one.annotations }, annotations);
    assert.equal(one.reference, "registry.example.org/team/app");
  }
  assert.equal(refused.length, 1);
  assert.match(refused[0] as string, /^signature sha256:[0-9a-f]{64}: not made with this key, or changed since$/);
});

test("an image without signatures has none, and no reasons either", async () => {
  const place = await repositories.open();
  assert.deepEqual(await verify(place, await pushImage(place, "bare")), { good: [], refused: [] });
});

test("a signature of another image does not hold, wherever it is put", async () => {
  const place = await repositories.open();
  const [image, other] = [await pushImage(place, "image"), await pushImage(place, "other")];
  await attach(place, image, encodePayload("registry.example.org/team/app", other.digest, {}));
  assert.match(await reason(place, image), new RegExp(`about another image, ${other.digest}$`));
  const there = await repositories.open();
  const same = await pushImage(there, "image");
  await attachEnvelope(there, same, statementFor([subjectFor(other.digest)], SIGN_PREDICATE, {}));
  assert.match(await reason(there, same), new RegExp(`about another image, ${other.digest}$`));
});

test("annotations must have been signed, with the very value", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "annotated");
  const payload = JSON.parse(Buffer.from(encodePayload("r/x", image.digest, {})).toString());
  await attach(place, image, Buffer.from(JSON.stringify({ ...payload, optional: { env: "prod\u001b[2J", count: 7 } })));
  assert.match(await reason(place, image, { env: "prod" }), /the annotation env is "prod\\\\u001b\[2J", not "prod"$/);
  assert.match(await reason(place, image, { count: "7" }), /the annotation count is 7, not "7"$/);
  assert.match(await reason(place, image, { toString: "x" }), /the annotation toString is missing/);
});

test("a payload is read only once its signature is good, and then strictly", async () => {
  const says = async (bytes: Uint8Array | string) => {
    const place = await repositories.open();
    const image = await pushImage(place, "strict");
    await attach(place, image, Buffer.from(bytes));
    return reason(place, image);
  };
  const { critical } = JSON.parse(Buffer.from(encodePayload("r/x", digestOf("x"), {})).toString());
  assert.match(await says("not json"), /not valid JSON/);
  assert.match(await says(JSON.stringify({ critical, optional: null, more: 1 })), /fields that nobody knows/);
  assert.match(
    await says(JSON.stringify({ critical: { ...critical, type: "atomic container signature" } })),
    /a signature of something else/,
  );
  assert.match(
    await says(JSON.stringify({ critical: { ...critical, image: { "docker-manifest-digest": "sha1:00" } } })),
    /no sha256 digest/,
  );
  assert.match(await says(JSON.stringify({ critical: { ...critical, identity: {} } })), /no docker-reference/);
  assert.match(await says(`{"critical":${JSON.stringify(critical)},"critical":{}}`), /a second time/);
  assert.match(await says(Buffer.alloc(LIMITS.payloadBytes + 1, " ")), /bytes; a document may have 1048576/);
});

test("a layer without a signature, with one that is none, or the same one twice", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "odd");
  const bytes = encodePayload("registry.example.org/team/app", image.digest, {});
  for (const bad of ["", "%%%", "A".repeat(10_000)]) await attach(place, image, bytes, bad);
  const first = await verify(place, image);
  assert.equal(first.good.length, 0);
  for (const why of first.refused) assert.match(why, /it carries no signature$/);
  const signature = Buffer.from(key.sign(bytes)).toString("base64");
  await attach(place, image, bytes, signature);
  await attach(place, image, bytes, signature);
  assert.equal((await verify(place, image)).good.length, 1);
});

test("bundles that are no bundles, of another type, too many or without a key are reasons, not errors", async () => {
  const says = async (bundle: object | string) => {
    const place = await repositories.open();
    const image = await pushImage(place, "bundles");
    await attachBundle(
      place,
      image,
      Buffer.from(typeof bundle === "string" ? bundle : JSON.stringify(bundle)),
      SIGN_PREDICATE,
      new Date(0),
    );
    return reason(place, image);
  };
  const seal = (value: unknown) => sealEnvelope(Buffer.from(JSON.stringify(value)), key.sign);
  const wrap = (envelope: object, material: object = { publicKey: { hint: "x" } }) => ({
    mediaType: BUNDLE,
    verificationMaterial: material,
    dsseEnvelope: envelope,
  });
  const said = statementFor([subjectFor(digestOf("x"))], SIGN_PREDICATE, {});
  const sealed = envelopeJson(seal(said)) as { payload: string; signatures: object[] };
  assert.match(await says("[]"), /no sigstore bundle/);
  assert.match(await says('{"mediaType":"a","mediaType":"b"}'), /a second time/);
  assert.match(await says({ mediaType: BUNDLE }), /no sigstore bundle: invalid bundle/);
  assert.match(await says(wrap({ ...sealed, signatures: [] })), /no sigstore bundle/);
  assert.match(await says(wrap({ ...sealed, payload: "AAAA" })), /not made with this key, or changed since$/);
  assert.match(await says(wrap({ ...sealed, payloadType: "text/plain\n" })), /it holds text\/plain\\n, no statement$/);
  assert.match(await says(wrap(envelopeJson(seal({ _type: "x" })))), /a statement of type x$/);
  assert.match(await says(wrap(envelopeJson(seal(statementFor([], SIGN_PREDICATE, {}))))), /it signs 0 images at once$/);
  assert.match(await says(wrap(envelopeJson(seal(statementFor([], "https://x/", {}))))), /no signature of it$/);
  const keyless = { certificate: { rawBytes: "AAAA" } };
  assert.match(
    await says(wrap({ ...sealed, signatures: [{ sig: "AAAA" }] }, keyless)),
    /signed with a certificate \(keyless\), not with a key$/,
  );
});

test("a bundle that is larger than any signature is not fetched", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "large");
  await attachBundle(place, image, Buffer.alloc(LIMITS.payloadBytes + 1, " "), SIGN_PREDICATE, new Date(0));
  assert.match(await reason(place, image), /1048577 bytes; a document may have 1048576$/);
});

test("that a bundle comes with an entry of a transparency log is told, and nothing more", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "logged");
  const statement = Buffer.from(JSON.stringify(statementFor([subjectFor(image.digest)], SIGN_PREDICATE, {})));
  const bundle = JSON.parse(Buffer.from(encodeBundle(sealEnvelope(statement, key.sign), key.publicKey.hint)).toString());
  bundle.verificationMaterial.tlogEntries = [
    {
      logIndex: "1",
      logId: { keyId: "AAAA" },
      kindVersion: { kind: "dsse", version: "0.0.1" },
      integratedTime: "1",
      inclusionProof: { logIndex: "1", rootHash: "AAAA", treeSize: "2", hashes: [], checkpoint: { envelope: "x" } },
    },
  ];
  await attachBundle(place, image, Buffer.from(JSON.stringify(bundle)), SIGN_PREDICATE, new Date(0));
  const { good } = await verify(place, image);
  assert.deepEqual(
    good.map(({ logged, reference }) => [logged, reference]),
    [[true, undefined]],
  );
});

test("under cosign's tag an index, or more signatures than are looked at, is an error", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "crowded");
  const tag = classicTag(hexOf(image.digest), "sig");
  const index = encodeIndex({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [] });
  await place.publish({ ...place.name, tag }, await pushManifest(place, index, MEDIA.index), task);
  await assert.rejects(
    verify(place, image),
    (error) => error instanceof Failure && error.code === "MANIFEST" && /an index/.test(error.message),
  );
  const layer = { mediaType: SIMPLE_SIGNING, digest: digestOf("x"), size: 1 };
  const manifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config: { ...layer, mediaType: MEDIA.config } };
  const full = Buffer.from(JSON.stringify({ ...manifest, layers: Array.from({ length: LIMITS.signatures }, () => layer) }));
  await place.put(Buffer.from("x"));
  await place.publish({ ...place.name, tag }, await pushManifest(place, full, MEDIA.manifest), task);
  assert.match((await verify(place, image)).refused.join(), /it carries no signature/, "as many as are looked at");
  await attachEnvelope(place, image, statementFor([subjectFor(image.digest)], SIGN_PREDICATE, {}));
  await assert.rejects(
    verify(place, image),
    (error) => error instanceof Failure && error.code === "LIMIT" && /1001 signatures/.test(error.message),
  );
});

test("where clients keep the list of referrers, an entry may say nothing of its type, as cosign's do; others are passed over", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "untold");
  await signImage(place, image, { key, annotations: {}, forms: ["bundle"] }, task);
  const other = await pushImage(place, "other");
  const bare = { mediaType: MEDIA.manifest, digest: digestOf("gone"), size: 4 };
  const entries = [...(await place.referrers(image.digest)), other, bare];
  const untold: Repository = {
    ...place,
    referrers: async () => entries.map(({ mediaType, digest, size }) => ({ mediaType, digest, size, artifactType: MEDIA.empty })),
  };
  const { good, refused } = await verify(untold, image);
  assert.deepEqual([good.length, refused], [1, []]);
});

test("attestations hold for their image, in both forms, and signatures do not count as such", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "attested");
  await signImage(place, image, { key, annotations: {}, forms: both }, task);
  const type = "https://example.org/v1";
  await attestImage(place, image, statementFor([subjectFor(image.digest)], type, { é: [1] }), { key, forms: both }, task);
  const { good, refused } = await verifyAttestations(place, image.digest, [key.publicKey], type, task);
  assert.deepEqual(good.map(({ form }) => form).sort(), both);
  assert.deepEqual(refused, []);
  assert.equal((await verifyAttestations(place, image.digest, [stranger.publicKey], type, task)).refused.length, 2);
  assert.equal((await verify(place, image)).good.length, 2);
  const other = await pushImage(place, "other");
  await attestImage(place, other, statementFor([subjectFor(image.digest)], type, {}), { key, forms: both }, task);
  const moved = await verifyAttestations(place, other.digest, [key.publicKey], undefined, task);
  assert.deepEqual([moved.good.length, moved.refused.length], [0, 2]);
});
