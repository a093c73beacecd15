import assert from "node:assert/strict";
import { after, test } from "node:test";
import { cosignFile, cosignKey, pushCosign, startRepositories, task } from "../../test/signed-repository.ts";
import { parseManifest } from "../image/documents.ts";
import { readWhole } from "../place/documents.ts";
import { encodeBundle, parseBundle } from "./bundle.ts";
import { readClassic } from "./find.ts";
import { readPrivateKey } from "./keys/private-key.ts";
import { encodePayload } from "./payload.ts";
import { acceptsName } from "./policy/identity.ts";
import { verifyAttestations, verifySignatures } from "./verify.ts";

const repositories = await startRepositories();
after(() => repositories.close());

test("what cosign 3.1.1 and skopeo 1.22.0 signed is verified, in both forms", async () => {
  const place = await repositories.open();
  const image = await pushCosign(place);
  const { good, refused } = await verifySignatures(place, image.digest, [cosignKey("cosign")], {}, task);
  assert.deepEqual(good.map(({ form, reference, annotations }) => [form, reference, annotations?.["env"]]).sort(), [
    ["bundle", undefined, "prod"],
    ["classic", "registry.example.org/team/app", "prod"],
    ["classic", "registry.example.org/team/app:1", undefined],
  ]);
  assert.equal(refused.length, 1, "the signature by the other key");
  const prod = await verifySignatures(place, image.digest, [cosignKey("cosign")], { env: "prod" }, task);
  assert.deepEqual(prod.good.map(({ form }) => form).sort(), ["bundle", "classic"]);
});

test("a signature that cosign made on P-384, with SHA-384, is verified; with several keys each signature finds its own", async () => {
  const place = await repositories.open();
  const image = await pushCosign(place);
  const [p384, p256] = [cosignKey("p384"), cosignKey("cosign")];
  const alone = await verifySignatures(place, image.digest, [p384], {}, task);
  assert.deepEqual(
    alone.good.map(({ key }) => key.kind),
    ["ECDSA P-384"],
  );
  const both = await verifySignatures(place, image.digest, [p256, p384], {}, task);
  assert.deepEqual([both.good.length, both.refused], [4, []]);
});

test("attestations of cosign are verified, in both forms, and only those of the type asked for", async () => {
  const place = await repositories.open();
  const image = await pushCosign(place);
  const keys = [cosignKey("cosign")];
  const { good } = await verifyAttestations(place, image.digest, keys, "https://example.org/predicate/v1", task);
  assert.deepEqual(good.map(({ form }) => form).sort(), ["bundle", "classic"]);
  for (const { statement } of good) assert.deepEqual(statement.predicate, { builder: { id: "https://example.org/builder" } });
  const other = await verifyAttestations(place, image.digest, keys, "https://slsa.dev/provenance/v1", task);
  assert.deepEqual(other.good, []);
  assert.match(other.refused.join("\n"), /it is of the type https:\/\/example\.org\/predicate\/v1/);
});

test("what nought writes is what cosign writes, byte for byte beside the signature", async () => {
  const place = await repositories.open();
  const image = await pushCosign(place);
  const { manifest } = (await readClassic(place, image.digest, "signature", task)) ?? assert.fail();
  const [first] = manifest.layers;
  assert.ok(first);
  const payload = encodePayload("registry.example.org/team/app", image.digest, { env: "prod" });
  assert.equal(Buffer.from(payload).toString(), Buffer.from(await readWhole(place, first)).toString());
  for (const referrer of await place.referrers(image.digest)) {
    const { layers, subject } = parseManifest(await readWhole(place, referrer), "m", referrer.mediaType);
    assert.equal(subject?.digest, image.digest);
    const bundle = Buffer.from(await readWhole(place, layers[0] ?? assert.fail()));
    const { envelope, hint } = await parseBundle(bundle, "b");
    assert.equal(Buffer.from(encodeBundle(envelope, hint ?? "")).toString(), bundle.toString());
    assert.ok([cosignKey("cosign").hint, cosignKey("p384").hint].includes(hint ?? ""));
  }
});

test("cosign's encrypted keys are opened by their password, and by no other", async () => {
  for (const name of ["cosign", "p384"]) {
    const key = await readPrivateKey(cosignFile(`${name}.key`), name, async () => "pw");
    assert.equal(key.publicKey.pem, cosignFile(`${name}.pub`));
    assert.equal(key.publicKey.verify(Buffer.from("a"), key.sign(Buffer.from("a"))), true);
    const wrong = readPrivateKey(cosignFile(`${name}.key`), name, async () => "other");
    await assert.rejects(wrong, { code: "KEY", message: `${name}: the password does not open this key` });
  }
});

test("the names that cosign and skopeo signed are good for what containers/image takes them for", async () => {
  const place = await repositories.open();
  const image = await pushCosign(place);
  const { good } = await verifySignatures(place, image.digest, [cosignKey("cosign")], {}, task);
  const names = good.flatMap(({ reference }) => reference ?? []);
  const asked = { ...place.name, tag: "1" };
  const taken = (type: "matchRepoDigestOrExact" | "matchRepository") => names.filter((name) => acceptsName({ type }, asked, name));
  assert.deepEqual(taken("matchRepoDigestOrExact"), ["registry.example.org/team/app:1"]);
  assert.equal(taken("matchRepository").length, 2);
});
