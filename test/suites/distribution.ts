/**
 * The rules of the OCI distribution-spec 1.1 that a client can see, in our own words, as tests that run over any registry. `differs`
 * names the rules that a registry of another make is known not to keep, or not to have yet.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { digestOf } from "../../src/oci/digest.ts";
import { MEDIA } from "../../src/oci/media-type.ts";
import type { TestRegistry } from "../registries.ts";
import { discoveryRules } from "./distribution-discovery.ts";
import { ask, begin, locationOf, manifestOf, OCTETS, pushBlob, pushImage, putManifest, withDigest } from "./distribution-requests.ts";

export interface Conformance {
  readonly name: string;
  readonly skip?: string | false;
  start(): Promise<TestRegistry>;
  readonly differs?: ReadonlySet<Rule>;
}

export type Rule = "referrers" | "range past the end" | "416 for a chunk out of order" | "delete a tag alone" | "tags in order";

/** Declares one rule as a test, in a repository of its own. `needs` names what not every registry keeps to. */
export type Declare = (name: string, work: (host: string, repository: string, context: TestContext) => Promise<void>, needs?: Rule) => void;

/** Declares the tests. */
export function distributionRules(registry: Conformance): void {
  const { differs = new Set<Rule>() } = registry;
  let running: TestRegistry | undefined;
  let count = 0;
  const rule: Declare = (name, work, needs) => {
    if (needs && differs.has(needs)) return;
    const skip = registry.skip ?? false;
    test(`${registry.name}: ${name}`, { skip }, async (context) => {
      running ??= await registry.start();
      await work(running.host, `rules/r${++count}`, context);
    });
  };

  rule("the API says hello", async (host) => {
    const hello = await ask(host, "GET", "/v2/");
    assert.equal(hello.status, 200);
    assert.equal(hello.headers.get("docker-distribution-api-version"), "registry/2.0");
  });

  // Pull
  rule("blobs and manifests that are not there are 404, with a code", async (host, repository) => {
    const missing = digestOf("nothing");
    for (const method of ["GET", "HEAD"]) {
      assert.equal((await ask(host, method, `/v2/${repository}/blobs/${missing}`)).status, 404);
      assert.equal((await ask(host, method, `/v2/${repository}/manifests/${missing}`)).status, 404);
      assert.equal((await ask(host, method, `/v2/${repository}/manifests/none`)).status, 404);
    }
    assert.equal((await ask(host, "GET", `/v2/${repository}/blobs/${missing}`)).json().errors[0]?.code, "BLOB_UNKNOWN");
    assert.equal((await ask(host, "GET", `/v2/${repository}/tags/list`)).json().errors[0]?.code, "NAME_UNKNOWN");
  });

  rule("a blob is had whole, looked at and had in parts", async (host, repository) => {
    const { bytes, digest } = await pushBlob(host, repository, randomBytes(1000));
    const url = `/v2/${repository}/blobs/${digest}`;
    const whole = await ask(host, "GET", url);
    assert.equal(whole.status, 200);
    assert.deepEqual(whole.bytes, bytes);
    assert.equal(whole.headers.get("docker-content-digest"), digest);
    const head = await ask(host, "HEAD", url);
    assert.equal(head.headers.get("content-length"), "1000");
    for (const [range, from, to] of [
      ["0-0", 0, 1],
      ["100-199", 100, 200],
      ["990-", 990, 1000],
      ["-10", 990, 1000],
      ["900-5000", 900, 1000],
    ] as const) {
      const part = await ask(host, "GET", url, { range: `bytes=${range}` });
      assert.equal(part.status, 206, range);
      assert.deepEqual(part.bytes, bytes.subarray(from, to));
      assert.equal(part.headers.get("content-range"), `bytes ${from}-${to - 1}/1000`);
    }
  });

  rule(
    "a range behind the end is 416",
    async (host, repository) => {
      const { digest } = await pushBlob(host, repository, randomBytes(10));
      assert.equal((await ask(host, "GET", `/v2/${repository}/blobs/${digest}`, { range: "bytes=10-" })).status, 416);
    },
    "range past the end",
  );

  rule("a manifest is had by tag and digest, as it was pushed", async (host, repository) => {
    const { bytes, digest } = await pushImage(host, repository, "one");
    for (const word of ["one", digest]) {
      const got = await ask(host, "GET", `/v2/${repository}/manifests/${word}`, { accept: MEDIA.manifest });
      assert.equal(got.status, 200);
      assert.deepEqual(got.bytes, bytes);
      assert.equal(got.headers.get("content-type"), MEDIA.manifest);
      assert.equal(got.headers.get("docker-content-digest"), digest);
      const head = await ask(host, "HEAD", `/v2/${repository}/manifests/${word}`, { accept: MEDIA.manifest });
      assert.equal(head.headers.get("content-length"), String(bytes.length));
      assert.equal(head.bytes.length, 0);
    }
  });

  // Push
  rule("a blob is pushed by one POST, or by POST and PUT", async (host, repository) => {
    const bytes = randomBytes(500);
    const single = await ask(host, "POST", `/v2/${repository}/blobs/uploads/?digest=${digestOf(bytes)}`, OCTETS, bytes);
    assert.ok([201, 202].includes(single.status), String(single.status));
    const other = await pushBlob(host, repository, randomBytes(600));
    assert.equal((await ask(host, "HEAD", `/v2/${repository}/blobs/${other.digest}`)).status, 200);
  });

  rule("an empty blob is a blob", async (host, repository) => {
    const { digest } = await pushBlob(host, repository, Buffer.alloc(0));
    const got = await ask(host, "GET", `/v2/${repository}/blobs/${digest}`);
    assert.deepEqual([got.status, got.bytes.length], [200, 0]);
  });

  rule("a blob is pushed in chunks, and the upload says how far it is", async (host, repository) => {
    const bytes = randomBytes(300);
    let at = await begin(host, repository);
    for (const [from, to] of [
      [0, 99],
      [100, 249],
    ] as const) {
      const sent = await ask(host, "PATCH", at, { ...OCTETS, "content-range": `${from}-${to}` }, bytes.subarray(from, to + 1));
      assert.equal(sent.status, 202);
      assert.equal(sent.headers.get("range"), `0-${to}`);
      at = locationOf(sent, at);
    }
    const state = await ask(host, "GET", at);
    assert.equal(state.status, 204);
    assert.equal(state.headers.get("range"), "0-249");
    const done = await ask(
      host,
      "PUT",
      withDigest(locationOf(state, at), digestOf(bytes)),
      { ...OCTETS, "content-range": "250-299" },
      bytes.subarray(250),
    );
    assert.equal(done.status, 201);
    assert.deepEqual((await ask(host, "GET", locationOf(done, at))).bytes, bytes);
  });

  rule("a blob is pushed as one stream of unknown place, then ended", async (host, repository) => {
    const bytes = randomBytes(400);
    const at = await begin(host, repository);
    const sent = await ask(host, "PATCH", at, OCTETS, bytes);
    assert.equal(sent.status, 202);
    const done = await ask(host, "PUT", withDigest(locationOf(sent, at), digestOf(bytes)));
    assert.equal(done.status, 201);
    const head = await ask(host, "HEAD", locationOf(done, at));
    assert.deepEqual([head.status, head.headers.get("docker-content-digest")], [200, digestOf(bytes)]);
  });

  rule("an upload without a digest at its end is refused", async (host, repository) => {
    const refused = await ask(host, "PUT", await begin(host, repository), OCTETS, randomBytes(20));
    assert.equal(refused.status, 400);
    assert.match(refused.json().errors[0]?.code ?? "", /^DIGEST_INVALID$|^BLOB_UPLOAD_INVALID$/);
  });

  rule(
    "a chunk out of order is 416, and the upload goes on from where it was",
    async (host, repository) => {
      const bytes = randomBytes(200);
      let at = await begin(host, repository);
      assert.equal((await ask(host, "PATCH", at, { ...OCTETS, "content-range": "50-99" }, bytes.subarray(50, 100))).status, 416);
      const sent = await ask(host, "PATCH", at, { ...OCTETS, "content-range": "0-99" }, bytes.subarray(0, 100));
      at = locationOf(sent, at);
      assert.equal((await ask(host, "PATCH", at, { ...OCTETS, "content-range": "0-99" }, bytes.subarray(0, 100))).status, 416);
      const state = await ask(host, "GET", at);
      assert.equal(state.headers.get("range"), "0-99");
      const last = await ask(host, "PATCH", locationOf(state, at), { ...OCTETS, "content-range": "100-199" }, bytes.subarray(100));
      assert.equal((await ask(host, "PUT", withDigest(locationOf(last, at), digestOf(bytes)))).status, 201);
    },
    "416 for a chunk out of order",
  );

  rule("bytes of another digest are refused and not kept", async (host, repository) => {
    const wanted = digestOf("something else");
    const refused = await ask(host, "PUT", withDigest(await begin(host, repository), wanted), OCTETS, randomBytes(50));
    assert.equal(refused.status, 400);
    assert.equal(refused.json().errors[0]?.code, "DIGEST_INVALID");
    assert.equal((await ask(host, "HEAD", `/v2/${repository}/blobs/${wanted}`)).status, 404);
    const odd = await ask(host, "PUT", withDigest(await begin(host, repository), "sha256:junk"), OCTETS, randomBytes(50));
    assert.equal(odd.status, 400);
  });

  rule("an upload can be cancelled; then it is unknown", async (host, repository) => {
    const at = await begin(host, repository);
    assert.equal((await ask(host, "DELETE", at)).status, 204);
    assert.equal((await ask(host, "GET", at)).status, 404);
  });

  rule("a blob is mounted from another repository, without its bytes", async (host, repository) => {
    const { digest } = await pushBlob(host, repository, randomBytes(700));
    const mounted = await ask(host, "POST", `/v2/${repository}/other/blobs/uploads/?mount=${digest}&from=${repository}`);
    assert.equal(mounted.status, 201);
    assert.equal((await ask(host, "HEAD", `/v2/${repository}/other/blobs/${digest}`)).status, 200);
  });

  rule("what cannot be mounted becomes an upload", async (host, repository) => {
    const bytes = randomBytes(80);
    for (const query of [`mount=${digestOf(bytes)}&from=${repository}/nowhere`, `mount=${digestOf(bytes)}`]) {
      const answer = await ask(host, "POST", `/v2/${repository}/blobs/uploads/?${query}`);
      assert.equal(answer.status, 202, query);
      assert.ok(locationOf(answer, `/v2/${repository}/blobs/uploads/`));
    }
  });

  rule("a manifest needs its blobs, and must be one", async (host, repository) => {
    const missing = manifestOf({ digest: digestOf("no config"), size: 9 }, []);
    const refused = await putManifest(host, repository, "x", Buffer.from(JSON.stringify(missing)));
    assert.ok([400, 404].includes(refused.status));
    assert.equal(refused.json().errors[0]?.code, "MANIFEST_BLOB_UNKNOWN");
    assert.equal((await putManifest(host, repository, "x", Buffer.from("junk"))).status, 400);
    assert.equal((await ask(host, "GET", `/v2/${repository}/manifests/x`)).status, 404);
  });

  rule("a manifest pushed by digest must have it; a tag moves with every push", async (host, repository) => {
    const first = await pushImage(host, repository, "moving");
    const wrong = await putManifest(host, repository, digestOf("other"), first.bytes);
    assert.equal(wrong.status, 400);
    const second = await pushImage(host, repository, "moving");
    const got = await ask(host, "GET", `/v2/${repository}/manifests/moving`, { accept: MEDIA.manifest });
    assert.equal(got.headers.get("docker-content-digest"), second.digest);
    assert.equal((await ask(host, "GET", `/v2/${repository}/manifests/${first.digest}`, { accept: MEDIA.manifest })).status, 200);
  });

  rule("an image without layers is an image", async (host, repository) => {
    const config = await pushBlob(host, repository, Buffer.from('{"rootfs":{"type":"layers"}}'));
    const bytes = Buffer.from(JSON.stringify(manifestOf(config, [])));
    assert.equal((await putManifest(host, repository, "empty", bytes)).status, 201);
    assert.deepEqual((await ask(host, "GET", `/v2/${repository}/manifests/empty`, { accept: MEDIA.manifest })).bytes, bytes);
  });

  rule("an index is pushed after what it lists", async (host, repository) => {
    const { digest, bytes } = await pushImage(host, repository, "amd64");
    const index = {
      schemaVersion: 2,
      mediaType: MEDIA.index,
      manifests: [{ mediaType: MEDIA.manifest, digest, size: bytes.length, platform: { os: "linux", architecture: "amd64" } }],
    };
    assert.equal((await putManifest(host, repository, "all", Buffer.from(JSON.stringify(index)), MEDIA.index)).status, 201);
    const got = await ask(host, "GET", `/v2/${repository}/manifests/all`, { accept: MEDIA.index });
    assert.equal(got.headers.get("content-type"), MEDIA.index);
  });

  discoveryRules(rule);

  rule("names, tags and digests that are none are refused", async (host) => {
    for (const path of [
      "/v2/UPPER/tags/list",
      "/v2/a..b/tags/list",
      "/v2/-a/tags/list",
      "/v2/a/manifests/.x",
      `/v2/a/manifests/${"x".repeat(129)}`,
      "/v2/a/blobs/sha256:xyz",
    ]) {
      const answer = await ask(host, "GET", path);
      assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
      // Whatever is no path of the API at all may be refused in other words.
      if (/json/.test(answer.headers.get("content-type") ?? "")) assert.match(answer.json().errors[0]?.code ?? "", /^[A-Z_]+$/, path);
    }
  });

  test(`${registry.name}: ends`, { skip: registry.skip ?? false }, async () => running?.close());
}
