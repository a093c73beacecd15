import assert from "node:assert/strict";
import { after, test } from "node:test";
import { cosignKey, pushCosign, pushImage, startRepositories, task } from "../../test/signed-repository.ts";
import { copyImage } from "../place/copy.ts";
import { generateKeyPair, readPrivateKey } from "./keys/private-key.ts";
import { signImage } from "./sign.ts";
import { copyClassic } from "./travel.ts";
import { verifyAttestations, verifySignatures } from "./verify.ts";

const repositories = await startRepositories();
after(() => repositories.close());
const key = await readPrivateKey((await generateKeyPair("")).privatePem, "key", async () => "");

test("what cosign signed holds beside what nought signs later, and after both went elsewhere", async () => {
  const [from, to] = [await repositories.open(), await repositories.open()];
  const image = await pushCosign(from);
  await signImage(from, image, { key, annotations: {}, forms: ["classic"] }, task);
  assert.equal((await verifySignatures(from, image.digest, [cosignKey("cosign")], {}, task)).good.length, 3);
  await copyImage(from, to, image, task);
  assert.equal(await copyClassic(from, to, [image], task), 2);
  assert.equal(await copyClassic(from, to, [image], task), 0);
  const keys = [cosignKey("cosign"), key.publicKey];
  const { good } = await verifySignatures(to, image.digest, keys, {}, task);
  assert.equal(good.filter(({ form }) => form === "classic").length, 3);
  assert.equal((await verifyAttestations(to, image.digest, keys, undefined, task)).good.length, 1);
});

test("signatures that are there already stay when others come", async () => {
  const [from, to] = [await repositories.open(), await repositories.open()];
  const image = await pushImage(from, "both");
  await pushImage(to, "both");
  const other = await readPrivateKey((await generateKeyPair("")).privatePem, "key", async () => "");
  await signImage(from, image, { key, annotations: { a: "b" }, forms: ["classic"] }, task);
  await signImage(to, image, { key: other, annotations: {}, forms: ["classic"] }, task);
  assert.equal(await copyClassic(from, to, [image], task), 1);
  assert.equal((await verifySignatures(to, image.digest, [key.publicKey, other.publicKey], {}, task)).good.length, 2);
});
