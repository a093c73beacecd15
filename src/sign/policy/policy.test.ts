import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { cosignFile } from "../../../test/signed-repository.ts";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { parseReference } from "../../oci/reference.ts";
import { findPolicy } from "./file.ts";
import { acceptsName, type Identity } from "./identity.ts";
import { type Policy, parsePolicy } from "./policy.ts";
import { requirementsFor, scopesOf } from "./scope.ts";

const ACCEPT = [{ type: "insecureAcceptAnything" }];
const REJECT = [{ type: "reject" }];
const parse = (value: unknown): Policy => parsePolicy(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)), "policy");
const refused = (value: unknown, why: RegExp) =>
  assert.throws(
    () => parse(value),
    (error) => error instanceof Failure && error.code === "POLICY" && error.exit === 4 && why.test(error.message),
  );
const signed = (more: object) => parse({ default: [{ type: "sigstoreSigned", ...more }] });

test("a policy is read strictly: what is not known, there twice, empty or missing makes it worth nothing", () => {
  refused("{", /not valid JSON/);
  refused({}, /no default/);
  refused({ default: [] }, /cannot be empty/);
  refused({ default: ACCEPT, transport: {} }, /the field "transport" is not known/);
  refused('{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}', /a second time/);
  refused({ default: [{ type: "accept\u001b" }] }, /the requirement "accept\\x1b" is not known/);
  refused({ default: [{ type: "reject", keyPath: "x" }] }, /reject has fields that it does not know/);
  refused({ default: [{ Type: "reject" }] }, /"Type" beside or instead of "type"/);
  refused({ default: ACCEPT, transports: { docker: { "": [] } } }, /transports\.docker\[""\]: a list of requirements cannot be empty/);
  refused({ default: ACCEPT, transports: { docker: [] } }, /is not an object/);
  refused({ default: [{ type: "sigstoreSigned" }] }, /exactly one of keyPath/);
  refused({ default: [{ type: "sigstoreSigned", keyPath: "a", keyData: "YQ==" }] }, /exactly one of keyPath/);
  refused({ default: [{ type: "sigstoreSigned", keyPaths: [] }] }, /no key is given/);
  refused({ default: [{ type: "sigstoreSigned", keyData: "%" }] }, /not base64/);
});

test("keys are in files or in the policy, one or several; the usual identity is the strict one", () => {
  const pem = cosignFile("cosign.pub");
  const data = Buffer.from(pem).toString("base64");
  const keys = (more: object) => {
    const [one] = signed(more).default;
    assert.ok(one && "keys" in one);
    assert.deepEqual(one.identity, { type: "matchRepoDigestOrExact" });
    return one.keys;
  };
  assert.deepEqual(keys({ keyPath: "/k" }), [{ path: "/k" }]);
  assert.deepEqual(keys({ keyPaths: ["/k", "/l"] }), [{ path: "/k" }, { path: "/l" }]);
  assert.deepEqual(keys({ keyData: data }), [{ pem }]);
  assert.deepEqual(keys({ keyDatas: [data, data] }), [{ pem }, { pem }]);
});

test("what nought does not verify can stand in a policy, and is told where it counts", () => {
  const why = (requirement: object) => {
    const [one] = parse({ default: [requirement] }).default;
    return one && "unsupported" in one ? one.unsupported : undefined;
  };
  assert.equal(why({ type: "signedBy", keyType: "GPGKeys", keyPath: "/k" }), "GPG simple signing is not read");
  assert.match(why({ type: "sigstoreSigned", fulcio: { caPath: "x" } }) ?? "", /certificates/);
  assert.match(why({ type: "sigstoreSigned", keyPath: "/k", rekorPublicKeyPath: "/r" }) ?? "", /Rekor/);
});

test("the narrowest scope counts: name, repository, what is above, host, domains, transport, default", () => {
  assert.deepEqual(scopesOf(parseReference("busybox")), [
    "docker.io/library/busybox:latest",
    "docker.io/library/busybox",
    "docker.io/library",
    "docker.io",
    "*.io",
  ]);
  const digest = `sha256:${"a".repeat(64)}`;
  assert.deepEqual(scopesOf(parseReference(`a.b.example:8443/x/y:1@${digest}`)), [
    `a.b.example:8443/x/y@${digest}`,
    "a.b.example:8443/x/y",
    "a.b.example:8443/x",
    "a.b.example:8443",
    "*.b.example",
    "*.example",
  ]);
  const docker = { "a.example/x": REJECT, "a.example/x/y:1": ACCEPT, "*.example": ACCEPT, __proto__: null };
  const policy = parse({ default: REJECT, transports: { docker, atomic: { "": ACCEPT } } });
  const scope = (name: string) => requirementsFor(policy, parseReference(name)).scope;
  assert.equal(scope("a.example/x/y:1"), "a.example/x/y:1");
  assert.equal(scope("a.example/x/y:2"), "a.example/x");
  assert.equal(scope("a.example/xy:2"), "*.example");
  assert.equal(scope("b.org/x"), "the default");
  const own = parse({ default: ACCEPT, transports: { docker: { "": REJECT } } });
  assert.equal(requirementsFor(own, parseReference("b.org/x")).scope, "the default of docker");
});

const digest = `sha256:${"b".repeat(64)}`;
const R = "example.org/team/app";
const remap = { type: "remapIdentity", prefix: "mirror.local", signedPrefix: "example.org" } as const;
const CASES: readonly (readonly [identity: Identity, asked: string, signed: string, good: boolean])[] = [
  [{ type: "matchExact" }, `${R}:1`, `${R}:1`, true],
  [{ type: "matchExact" }, `${R}:1`, `${R}:2`, false],
  [{ type: "matchExact" }, `${R}:1`, R, false],
  [{ type: "matchExact" }, `${R}@${digest}`, `${R}:1`, false],
  [{ type: "matchRepoDigestOrExact" }, `${R}:1`, `${R}:1`, true],
  [{ type: "matchRepoDigestOrExact" }, `${R}:1`, `${R}:2`, false],
  [{ type: "matchRepoDigestOrExact" }, `${R}@${digest}`, `${R}:2`, true],
  [{ type: "matchRepoDigestOrExact" }, `${R}:1@${digest}`, `${R}:2`, true],
  [{ type: "matchRepoDigestOrExact" }, `${R}@${digest}`, R, false],
  [{ type: "matchRepository" }, `${R}:1`, `${R}:2`, true],
  [{ type: "matchRepository" }, `${R}:1`, R, true],
  [{ type: "matchRepository" }, `${R}:1`, `${R}s`, false],
  [{ type: "matchRepository" }, "busybox:1", "index.docker.io/library/busybox", true],
  [{ type: "matchRepository" }, `${R}:1`, "UPPER/x", false],
  [{ type: "exactReference", name: parseReference(`${R}:9`) }, "other.org/x:1", `${R}:9`, true],
  [{ type: "exactReference", name: parseReference(`${R}:9`) }, "other.org/x:1", `${R}:8`, false],
  [{ type: "exactRepository", name: parseReference(R) }, "other.org/x:1", `${R}:8`, true],
  [{ type: "exactRepository", name: parseReference(R) }, "other.org/x:1", "other.org/x:1", false],
  [remap, "mirror.local/team/app:1", `${R}:1`, true],
  [remap, "mirror.local/team/app:1", `${R}:2`, false],
  [remap, "mirror.local/team/app:1", "mirror.local/team/app:1", false],
  [remap, "mirror.localhost/team/app:1", `${R}:1`, false],
  [remap, "elsewhere.org/x:1", "elsewhere.org/x:1", true],
];
for (const [identity, asked, name, good] of CASES) {
  test(`${identity.type}: a signature for ${name} is ${good ? "" : "not "}good for ${asked}`, () => {
    assert.equal(acceptsName(identity, parseReference(asked), name), good);
  });
}

test("signedIdentity is read strictly too", () => {
  const identity = (signedIdentity: object) => () => signed({ keyPath: "/k", signedIdentity });
  for (const [value, why] of [
    [{ type: "any" }, /the signedIdentity "any" is not known/],
    [{ type: "matchExact", prefix: "x" }, /fields that it does not know/],
    [{ type: "exactReference", dockerReference: "a/b" }, /neither tag nor digest/],
    [{ type: "exactRepository", dockerRepository: "a/b:1" }, /has a tag or digest/],
    [{ type: "exactRepository" }, /needs dockerRepository/],
    [{ type: "remapIdentity", prefix: "a.org/b:tag", signedPrefix: "c" }, /no host or repository/],
    [{ type: "remapIdentity", prefix: "a.org/", signedPrefix: "c" }, /no host or repository/],
  ] as const)
    assert.throws(identity(value), (error) => error instanceof Failure && error.code === "POLICY" && why.test(error.message), String(why));
  identity({ type: "remapIdentity", prefix: "127.0.0.1:5000", signedPrefix: "example.org/x" })();
});

test("the policy in force: named, of the user, of the machine; one that cannot be read allows nothing", () => {
  const top = mkdtempSync(join(tmpdir(), "nought-policy-"));
  after(() => rmSync(top, { recursive: true, force: true }));
  const [home, root] = [join(top, "home"), join(top, "root")];
  for (const dir of [join(home, ".config/containers"), join(root, "etc/containers")]) mkdirSync(dir, { recursive: true });
  const find = (env: Record<string, string> = {}) => findPolicy({ HOME: home, ...env }, root);
  const where = (env?: Record<string, string>) => find(env)?.where.replace(top, "");
  assert.equal(find(), undefined);
  writeFileSync(join(root, "etc/containers/policy.json"), JSON.stringify({ default: REJECT }));
  assert.equal(where(), "policy /root/etc/containers/policy.json");
  writeFileSync(join(home, ".config/containers/policy.json"), JSON.stringify({ default: ACCEPT }));
  assert.equal(where(), "policy /home/.config/containers/policy.json");
  assert.throws(() => find({ NOUGHT_POLICY: join(top, "none") }), /no such file/);
  writeFileSync(join(top, "bad"), "{}");
  assert.throws(() => find({ NOUGHT_POLICY: join(top, "bad") }), /no default/);
  assert.throws(() => find({ NOUGHT_POLICY: top }), /cannot be read: EISDIR/);
  const padded = (size: number) => writeFileSync(join(top, "large"), JSON.stringify({ default: REJECT }).padEnd(size, " "));
  padded(LIMITS.policyBytes);
  assert.deepEqual(find({ NOUGHT_POLICY: join(top, "large") })?.policy.default, REJECT);
  padded(LIMITS.policyBytes + 1);
  assert.throws(() => find({ NOUGHT_POLICY: join(top, "large") }), /has more than 4194304 bytes/);
  rmSync(join(home, ".config/containers/policy.json"));
  mkdirSync(join(home, ".config/containers/policy.json"));
  assert.throws(() => find(), /cannot be read: EISDIR/);
});
