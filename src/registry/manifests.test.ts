import assert from "node:assert/strict";
import { test } from "node:test";
import { type Sample, sampleImage, sampleIndex } from "../../test/sample-image.ts";
import { NAME, type Script, scripted } from "../../test/scripted-registry.ts";
import { openImage } from "../image/open.ts";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { createTask } from "../task/task.ts";
import type { Repository } from "./face.ts";

const task = createTask();
const failing =
  (about: RegExp, ...codes: string[]) =>
  (error: unknown) =>
    error instanceof Failure && codes.includes(error.code) && about.test(error.message);
const image = await sampleImage();
const platform = { os: "linux", architecture: "amd64" };

async function served(sample: Sample, script: Script, use: (place: Repository) => Promise<void>) {
  const registry = await scripted(sample, script);
  try {
    await using place = await registry.open();
    await use(place);
  } finally {
    await registry.close();
  }
}

/** Asks for the tag and reads the image behind it, as a pull does. */
async function pulled(place: Repository) {
  const root = (await place.resolve(NAME, task)) as Descriptor;
  return openImage(place, root, platform);
}

/** A manifest as it is sent, whatever it is. */
function sends(body: Buffer | string, headers: Record<string, string>): Script {
  return ({ kind, method }, response) => {
    if (kind !== "manifest") return false;
    const bytes = Buffer.from(body);
    response.writeHead(200, { "content-length": String(bytes.length), ...headers });
    response.end(method === "HEAD" ? undefined : bytes);
    return true;
  };
}

const good = image.blobs.get(image.root.digest) as Buffer;

test("M01: a body that is not what the registry or the asked digest says is DIGEST", async () => {
  const other = digestOf("something else");
  await served(image, sends(good, { "docker-content-digest": other, "content-type": MEDIA.manifest }), async (place) =>
    assert.rejects(pulled(place), failing(/expected/, "DIGEST")),
  );
  await served(image, sends("{}", { "content-type": MEDIA.manifest }), async (place) =>
    assert.rejects(place.resolve({ ...NAME, digest: image.root.digest }, task), failing(/expected/, "DIGEST")),
  );
});

test("M02: sizes in a manifest that are none", async () => {
  for (const size of [-1, 1.5, "12", 2 ** 60, null]) {
    const bad = await sampleImage({
      editManifest: (manifest) => ({ ...manifest, layers: [{ ...(manifest["layers"] as object[])[0], size }] }),
    });
    await served(
      bad,
      () => false,
      async (place) => assert.rejects(pulled(place), failing(/size/, "MANIFEST")),
    );
  }
});

test("M03 ✚: the media type may be missing or have parameters; what contradicts itself is refused", async () => {
  for (const type of ["", "application/json", `${MEDIA.manifest}; charset=utf-8`, "text/plain"]) {
    await served(
      image,
      sends(good, { "docker-content-digest": image.root.digest, ...(type ? { "content-type": type } : {}) }),
      async (place) => assert.equal((await pulled(place)).descriptor.digest, image.root.digest),
    );
  }
  await served(image, sends(good, { "content-type": MEDIA.dockerManifest }), async (place) =>
    assert.rejects(pulled(place), failing(/calls itself/, "MANIFEST")),
  );
  await served(image, sends(good, { "content-type": "text/html" }), async (place) =>
    assert.rejects(pulled(place), failing(/text\/html, which is no manifest/, "MANIFEST")),
  );
  const both = await sampleImage({ editManifest: (manifest) => ({ ...manifest, manifests: [] }) });
  await served(
    both,
    () => false,
    async (place) => assert.rejects(pulled(place), failing(/also has manifests/, "MANIFEST")),
  );
});

test("M06: an index without the platform tells what it has", async () => {
  const index = sampleIndex([{ sample: image, architecture: "s390x" }]);
  const blobs = index.blobs.get(index.root.digest) as Buffer;
  await served(index, sends(blobs, { "content-type": MEDIA.index }), async (place) =>
    assert.rejects(
      pulled(place),
      (error: unknown) =>
        failing(/no match for platform linux\/amd64/, "NOT_FOUND")(error) && /linux\/s390x/.test((error as Failure).hint ?? ""),
    ),
  );
});

test("M07: documents that are too large, too deep or junk end early", async () => {
  for (const [body, codes] of [
    [Buffer.alloc(5 << 20, " "), ["LIMIT"]],
    ["[".repeat(100_000), ["MANIFEST", "LIMIT"]],
    [`\ufeff${good}`, ["MANIFEST"]],
    [`${good}junk`, ["MANIFEST"]],
    ['{"schemaVersion":NaN}', ["MANIFEST"]],
    ["", ["MANIFEST"]],
  ] as const) {
    const began = performance.now();
    await served(image, sends(body, { "content-type": MEDIA.manifest }), async (place) =>
      assert.rejects(pulled(place), failing(/./, ...codes)),
    );
    assert.ok(performance.now() - began < 5_000);
  }
});

test("M08: schema 1 is refused with words", async () => {
  for (const headers of [{ "content-type": "application/vnd.docker.distribution.manifest.v1+prettyjws" }, {}]) {
    await served(image, sends('{"schemaVersion":1,"fsLayers":[]}', headers as Record<string, string>), async (place) =>
      assert.rejects(
        pulled(place),
        (error: unknown) => failing(/schema 1/, "MANIFEST")(error) && /Push the image again/.test((error as Failure).hint ?? ""),
      ),
    );
  }
});

test("M14: data in a descriptor that is not the blob's", async () => {
  const { readDocuments } = await import("../place/documents.ts");
  const data = Buffer.from("{}").toString("base64");
  await served(
    image,
    () => false,
    async (place) => {
      const root = (await place.resolve(NAME, task)) as Descriptor;
      await assert.rejects(readDocuments(place, { ...root, data }, false, task), failing(/data/, "DIGEST"));
    },
  );
});

test("a registry that does not know HEAD, or tells no digest, is asked with GET", async () => {
  for (const status of [405, 200]) {
    await served(
      image,
      ({ kind, method }, response) => kind === "manifest" && method === "HEAD" && Boolean(response.writeHead(status).end()),
      async (place) => assert.deepEqual(await place.resolve(NAME, task), image.root),
    );
  }
});
