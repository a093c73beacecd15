import assert from "node:assert/strict";
import { after, test } from "node:test";
import { pushImage, pushManifest, startRepositories, task } from "../../../test/signed-repository.ts";
import { encodeIndex } from "../../image/documents.ts";
import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { MEDIA } from "../../oci/media-type.ts";
import { parsePlatform } from "../../oci/platform.ts";
import type { Repository } from "../../registry/face.ts";
import { generateKeyPair, readPrivateKey } from "../keys/private-key.ts";
import { signImage } from "../sign.ts";
import { admit } from "./admit.ts";
import { parsePolicy } from "./policy.ts";

const repositories = await startRepositories();
after(() => repositories.close());
const pair = await generateKeyPair("pw");
const key = await readPrivateKey(pair.privatePem, "key", async () => "pw");
const keyData = Buffer.from(pair.publicPem).toString("base64");
const signed = { type: "sigstoreSigned", keyData, signedIdentity: { type: "matchRepository" } };

async function ask(place: Repository, root: Descriptor, requirements: readonly object[], platform?: string): Promise<string> {
  const policy = parsePolicy(Buffer.from(JSON.stringify({ default: requirements })), "policy p");
  try {
    const wanted = {
      place,
      name: { ...place.name, tag: "1" },
      root,
      platform: platform === undefined ? undefined : parsePlatform(platform),
    };
    await admit(policy, "policy p", wanted, task);
    return "allowed";
  } catch (error) {
    assert.ok(error instanceof Failure && error.exit === 4, String(error));
    return error.message;
  }
}

test("an image comes in when every requirement is met; the failure names file, scope, rule and reasons", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "one");
  assert.equal(await ask(place, image, [{ type: "insecureAcceptAnything" }]), "allowed");
  const name = "registry.example.org/team/app:1 is not allowed by policy p: scope the default";
  assert.equal(await ask(place, image, [{ type: "reject" }]), `${name}, rule 1, reject`);
  assert.equal(await ask(place, image, [signed]), `${name}, rule 1, sigstoreSigned\n  - ${image.digest} has no signature`);
  assert.match(await ask(place, image, [{ type: "signedBy", keyPath: "/k" }]), /rule 1, signedBy\n {2}- GPG simple signing is not read$/);
  await signImage(place, image, { key, annotations: {}, forms: ["classic"] }, task);
  assert.equal(await ask(place, image, [signed]), "allowed");
  assert.match(await ask(place, image, [signed, { type: "reject" }]), /rule 2, reject$/);
  const exact = { type: "sigstoreSigned", keyData };
  assert.match(
    await ask(place, image, [exact]),
    /a signature for registry\.example\.org\/team\/app, which matchRepoDigestOrExact does not accept/,
  );
});

test("a bundle that names its repository counts, too", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "bundle");
  await signImage(place, image, { key, annotations: {}, forms: ["bundle"], identity: "registry.example.org/team/app:1" }, task);
  assert.equal(await ask(place, image, [{ type: "sigstoreSigned", keyData }]), "allowed");
});

test("a signature for another repository does not let an image in, however good it is", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "tool");
  await signImage(place, image, { key, annotations: {}, forms: ["bundle", "classic"], identity: "registry.example.org/team/tool" }, task);
  assert.match(
    await ask(place, image, [signed]),
    /a signature for registry\.example\.org\/team\/tool, which matchRepository does not accept/,
  );
});

test("an index is good when it is signed, or when all of it that is used is", async () => {
  const place = await repositories.open();
  const [amd64, arm64] = [await pushImage(place, "amd64"), await pushImage(place, "arm64")];
  const entry = (what: Descriptor, architecture: string) => ({ ...what, platform: { os: "linux", architecture } });
  const manifests = [entry(amd64, "amd64"), entry(arm64, "arm64")];
  const index = await pushManifest(place, encodeIndex({ schemaVersion: 2, mediaType: MEDIA.index, manifests }), MEDIA.index);
  assert.match(await ask(place, index, [signed], "linux/amd64"), /neither sha256:[0-9a-f]{64} nor sha256:[0-9a-f]{64} has a signature/);
  await signImage(place, amd64, { key, annotations: {}, forms: ["classic"] }, task);
  assert.equal(await ask(place, index, [signed], "linux/amd64"), "allowed");
  assert.match(await ask(place, index, [signed], "linux/arm64"), /has a signature/);
  assert.match(await ask(place, index, [signed]), /has a signature/, "all platforms are wanted, one is not signed");
  await signImage(place, index, { key, annotations: {}, forms: ["classic"] }, task);
  assert.equal(await ask(place, index, [signed]), "allowed");
  assert.equal(await ask(place, index, [signed], "linux/arm64"), "allowed");
  const empty = await pushManifest(place, encodeIndex({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [] }), MEDIA.index);
  assert.match(await ask(place, empty, [signed]), /has a signature/);
});

test("a registry that does not tell which signatures there are lets nothing in", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "hidden");
  await signImage(place, image, { key, annotations: {}, forms: ["bundle", "classic"] }, task);
  const policy = parsePolicy(Buffer.from(JSON.stringify({ default: [signed] })), "policy p");
  for (const code of ["NETWORK", "AUTH"] as const) {
    const fails = async () => {
      throw new Failure(code, "no answer");
    };
    for (const silent of [
      { ...place, referrers: fails },
      { ...place, resolve: fails },
    ])
      await assert.rejects(admit(policy, "policy p", { place: silent, name: place.name, root: image, platform: undefined }, task), {
        code,
      });
  }
  const empty = { ...place, referrers: async () => [], resolve: async () => undefined };
  const hidden = admit(policy, "policy p", { place: empty, name: place.name, root: image, platform: undefined }, task);
  await assert.rejects(hidden, { code: "POLICY", message: /has no signature$/ });
});

test("a key of the policy that cannot be read lets nothing in", async () => {
  const place = await repositories.open();
  const image = await pushImage(place, "key");
  const policy = parsePolicy(Buffer.from(JSON.stringify({ default: [{ type: "sigstoreSigned", keyPath: "/nowhere/k.pub" }] })), "policy p");
  const wanted = { place, name: place.name, root: image, platform: undefined };
  await assert.rejects(admit(policy, "policy p", wanted, task), {
    code: "POLICY",
    message: /nowhere\/k\.pub of the policy cannot be read: ENOENT/,
  });
});
