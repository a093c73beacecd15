import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cosignFile } from "../../test/signed-repository.ts";
import { Failure } from "../kit/error.ts";
import { digestOf } from "../oci/digest.ts";
import { encodeBundle, parseBundle } from "./bundle.ts";
import { envelopeJson, parseEnvelope, sealEnvelope } from "./envelope.ts";
import { readPem } from "./keys/pem.ts";
import { readPublicKey } from "./keys/public-key.ts";
import { encodePayload, parsePayload } from "./payload.ts";
import { acceptsName } from "./policy/identity.ts";
import { parsePolicy } from "./policy/policy.ts";

const envelope = sealEnvelope(Buffer.from("{}"), () => Buffer.from("signature"));
const policy = {
  default: [{ type: "reject" }],
  transports: {
    docker: {
      "a.example/b": [
        { type: "sigstoreSigned", keyDatas: ["YQ=="], signedIdentity: { type: "remapIdentity", prefix: "a", signedPrefix: "b" } },
        { type: "signedBy", keyPath: "/k" },
      ],
    },
  },
};
/** Every reader of signed things, with something that it accepts. */
const READERS: readonly (readonly [name: string, good: string, read: (bytes: Uint8Array) => unknown])[] = [
  ["bundles", Buffer.from(encodeBundle(envelope, "hint")).toString(), (bytes) => parseBundle(bytes, "x")],
  ["envelopes", JSON.stringify(envelopeJson(envelope)), (bytes) => parseEnvelope(bytes, "x")],
  ["payloads", Buffer.from(encodePayload("a/b", digestOf("x"), { a: "b" })).toString(), (bytes) => parsePayload(bytes, "x")],
  ["policies", JSON.stringify(policy), (bytes) => parsePolicy(bytes, "x")],
  ["keys", cosignFile("cosign.pub"), (bytes) => readPublicKey(Buffer.from(bytes).toString(), "x")],
  ["PEM", cosignFile("cosign.key"), (bytes) => readPem(Buffer.from(bytes).toString(), "x")],
];

/** A value of a document replaced by any other, at any depth. */
function replaced(value: unknown, path: readonly number[], by: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined || typeof value !== "object" || value === null) return by;
  const keys = Object.keys(value);
  if (keys.length === 0) return by;
  const key = keys[first % keys.length] as string;
  const changed = replaced((value as Record<string, unknown>)[key], rest, by);
  if (Array.isArray(value)) return value.map((one, at) => (String(at) === key ? changed : one));
  return { ...value, [key]: changed };
}

for (const [name, good, read] of READERS) {
  const never = async (bytes: Uint8Array) => {
    try {
      await read(bytes);
    } catch (error) {
      assert.ok(error instanceof Failure, `${String(error)} for ${Buffer.from(bytes)}`);
    }
  };
  test(`${name} that are damaged are a failure with a code, never another error`, async () => {
    await read(Buffer.from(good));
    const bytes = fc.tuple(fc.nat(good.length), fc.nat(8), fc.uint8Array({ maxLength: 8 }));
    await fc.assert(
      fc.asyncProperty(bytes, ([at, gone, come]) =>
        never(Buffer.concat([Buffer.from(good.slice(0, at)), come, Buffer.from(good.slice(at + gone))])),
      ),
      { numRuns: 400 },
    );
    if (!good.startsWith("{")) return;
    const values = fc.tuple(fc.array(fc.nat(20), { maxLength: 6 }), fc.jsonValue({ maxDepth: 2 }));
    await fc.assert(
      fc.asyncProperty(values, ([path, by]) => never(Buffer.from(JSON.stringify(replaced(JSON.parse(good), path, by))))),
      { numRuns: 400 },
    );
  });
}

test("any text as the name in a signature is good for nothing that it does not name", () => {
  const asked = { registry: "example.org", repository: "team/app", tag: "1" };
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      if (text.startsWith("example.org/team/app")) return;
      for (const type of ["matchExact", "matchRepoDigestOrExact", "matchRepository"] as const)
        assert.equal(acceptsName({ type }, asked, text), false);
    }),
    { numRuns: 500 },
  );
});
