import assert from "node:assert/strict";
import { after, test } from "node:test";
import { locationAt, noRegistry, type RunningRegistry, startRegistry, WHO } from "../../test/registry.ts";
import { fill, memoryReader, sampleImage } from "../../test/sample-image.ts";
import { placeSuite } from "../../test/suites/place.ts";
import { Failure } from "../kit/error.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { parseReference } from "../oci/reference.ts";
import { copyImage } from "../place/copy.ts";
import { createTask } from "../task/task.ts";
import type { Access, Credential, Repository } from "./face.ts";
import { openRepository } from "./repository.ts";

const task = createTask();
const failing = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;
const skip = "skip" in noRegistry;

let running: RunningRegistry | undefined;
if (!skip) running = await startRegistry();
after(() => running?.close());

/** A repository of a running registry under a name of its own. */
async function at(
  host: string,
  name: string,
  how: { access?: Access; who?: Credential; ca?: string; mountFrom?: string } = {},
): Promise<Repository> {
  return openRepository(
    parseReference(name),
    {
      locate: async ({ repository }) => [locationAt(host, repository)],
      credentials: { find: async () => how.who },
      ...(how.ca === undefined ? {} : { tls: async () => ({ ca: [how.ca as string] }) }),
      ...(how.mountFrom === undefined ? {} : { mountFrom: () => how.mountFrom }),
      env: {},
      retryMs: 1,
      access: how.access ?? "push",
    },
    task,
  );
}

if (running) {
  const { host } = running;
  let number = 0;
  let open: Repository | undefined;
  placeSuite(
    "registry",
    async () => {
      // Every time a fresh repository behind the name that the suite knows.
      const fresh = `suite/${++number}`;
      open = await openRepository(
        parseReference("registry.example/app"),
        {
          locate: async () => [locationAt(host, fresh)],
          credentials: { find: async () => undefined },
          env: {},
          retryMs: 1,
          access: "push",
        },
        task,
      );
      return open;
    },
    async () => open?.[Symbol.asyncDispose](),
  );
}

test("an image goes to a registry and comes back, byte for byte; what is there is not sent again", noRegistry, async () => {
  const { host } = running as RunningRegistry;
  const image = await sampleImage({ layers: [{ a: "1" }, { b: "2".repeat(3 << 20) }], compression: "gzip" });
  const name = parseReference("registry.example/round/trip:1");
  {
    await using to = await at(host, "registry.example/round/trip");
    const sent = await copyImage(memoryReader(image.blobs), to, image.root, task);
    assert.equal(sent.blobs, 4);
    await to.publish(name, image.root, task);
  }
  {
    await using to = await at(host, "registry.example/round/trip");
    assert.deepEqual(await copyImage(memoryReader(image.blobs), to, image.root, task), { blobs: 0, bytes: 0 });
    assert.deepEqual(await to.tags(), ["1"]);
  }
  await using from = await at(host, "registry.example/round/trip", { access: "pull" });
  const root = await from.resolve(name, task);
  assert.deepEqual(root, image.root);
  for (const [digest, bytes] of image.blobs) {
    const mediaType = digest === image.root.digest ? MEDIA.manifest : MEDIA.layerGzip;
    await using opened = await from.open({ mediaType, digest, size: bytes.length });
    const pieces: Uint8Array[] = [];
    for await (const piece of opened.read()) pieces.push(piece);
    assert.ok(Buffer.concat(pieces).equals(bytes));
  }
});

test("a large blob of unknown size goes in chunks; one of another repository is mounted", noRegistry, async () => {
  const { host } = running as RunningRegistry;
  const pattern = Buffer.alloc(1 << 20, "chunk by chunk ");
  const source = async function* () {
    for (let n = 0; n < 20; n++) yield Buffer.concat([pattern, Buffer.from(String(n))]);
  };
  await using one = await at(host, "registry.example/big/one");
  const put = await one.put(source());
  const whole: Buffer[] = [];
  for await (const piece of source()) whole.push(piece);
  assert.deepEqual(put, { digest: digestOf(Buffer.concat(whole)), size: Buffer.concat(whole).length });
  await using two = await at(host, "registry.example/big/two", { mountFrom: "big/one" });
  assert.equal(await two.has(put.digest), false);
  const never: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]() {
      throw new Error("nothing need be read");
    },
  };
  await two.put(never, put);
  assert.equal(await two.has(put.digest), true);
  await using three = await at(host, "registry.example/big/three");
  assert.equal(await three.mount(put.digest, "big/two"), true);
  assert.equal(await three.mount(digestOf("nothing"), "big/two"), false);
});

test("a registry that wants a password gets it, and nobody comes in without", noRegistry, async () => {
  const locked = await startRegistry({ auth: true, tls: true });
  try {
    const ca = { ca: locked.ca as string };
    const image = await sampleImage();
    const name = "registry.example/locked:1";
    await using stranger = await at(locked.host, name, ca);
    await assert.rejects(copyImage(memoryReader(image.blobs), stranger, image.root, task), failing("AUTH"));
    await using liar = await at(locked.host, name, { ...ca, who: { kind: "password", username: WHO.username, password: "wrong" } });
    await assert.rejects(liar.resolve(parseReference(name), task), failing("AUTH"));
    await using friend = await at(locked.host, name, { ...ca, who: { kind: "password", ...WHO } });
    await copyImage(memoryReader(image.blobs), friend, image.root, task);
    await friend.publish(parseReference(name), image.root, task);
    assert.equal((await friend.resolve(parseReference(name), task))?.digest, image.root.digest);
    await using unsure = await at(locked.host, name, { who: { kind: "password", ...WHO } });
    await assert.rejects(unsure.resolve(parseReference(name), task), (error: unknown) => {
      return error instanceof Failure && error.code === "AUTH" && /certificate/.test(error.message) && error.message.includes(locked.host);
    });
  } finally {
    await locked.close();
  }
});

test("referrers are found, where the registry keeps no list of them, under a tag", noRegistry, async () => {
  const { host } = running as RunningRegistry;
  await using place = await at(host, "registry.example/refer");
  const image = await sampleImage();
  await fill(place, image);
  await place.publish(parseReference("registry.example/refer:1"), image.root, task);
  assert.deepEqual(await place.referrers(image.root.digest), []);
  const empty = Buffer.from("{}");
  const config = { mediaType: MEDIA.empty, ...(await place.put(empty)) };
  for (const artifactType of ["application/x-one", "application/x-two"]) {
    const { mediaType, digest, size } = image.root;
    const subject = { mediaType, digest, size };
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.manifest, artifactType, config, layers: [config], subject }),
    );
    await place.put(bytes, { mediaType: MEDIA.manifest, digest: digestOf(bytes), size: bytes.length });
  }
  assert.deepEqual(
    (await place.referrers(image.root.digest)).map((one) => one.artifactType),
    ["application/x-one", "application/x-two"],
  );
  assert.equal((await place.referrers(image.root.digest, "application/x-two")).length, 1);
});

test("a manifest is taken away by its digest; another time it is not there", noRegistry, async () => {
  const { host } = running as RunningRegistry;
  await using place = await at(host, "registry.example/gone", { access: "delete" });
  await using writer = await at(host, "registry.example/gone");
  const image = await sampleImage();
  await copyImage(memoryReader(image.blobs), writer, image.root, task);
  await writer.publish(parseReference("registry.example/gone:1"), image.root, task);
  await place.remove({ manifest: image.root.digest });
  assert.equal(await place.resolve(parseReference("registry.example/gone:1"), task), undefined);
  await assert.rejects(place.remove({ manifest: image.root.digest }), failing("NOT_FOUND"));
});

test("a repository that is not there is NOT_FOUND; a host where nobody answers is NETWORK", noRegistry, async () => {
  const { host } = running as RunningRegistry;
  await using place = await at(host, "registry.example/never", { access: "pull" });
  assert.equal(await place.resolve(parseReference("registry.example/never:1"), task), undefined);
  await assert.rejects(place.tags(), failing("NOT_FOUND"));
  await using nobody = await at("127.0.0.1:1", "registry.example/never", { access: "pull" });
  await assert.rejects(
    nobody.tags(),
    (error: unknown) => error instanceof Failure && error.code === "NETWORK" && /127\.0\.0\.1:1/.test(error.message),
  );
});
