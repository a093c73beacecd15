/** Images of a registry that means ill, or that odd tools made: `pull` as a whole program, and every command that looks at what came. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { digestOf } from "../../src/oci/digest.ts";
import { MEDIA } from "../../src/oci/media-type.ts";
import { assertWhole } from "../builds.ts";
import { type Ran, run } from "../golden/run.ts";
import { program } from "../program.ts";
import { type Sample, sampleImage, sampleIndex } from "../sample-image.ts";
import { type Script, type Scripted, scripted } from "../scripted-registry.ts";

const nought = await program();
/** A new one for each registry: what came before is not asked for again. */
let store = "";
let stores = 0;

const told = (...words: string[]): Promise<Ran> =>
  run(nought.command, words, { cwd: nought.dir, env: { ...nought.env, NOUGHT_STORE: store } });

async function served(
  image: Sample,
  use: (name: string, registry: Scripted) => Promise<void>,
  script: Script = () => false,
): Promise<void> {
  const registry = await scripted(image, script);
  store = join(nought.dir, `store-${++stores}`);
  try {
    await use(`${registry.host}/app:1`, registry);
  } finally {
    await registry.close();
  }
}

/** Pulling it fails with these words, nothing is named, and the store is whole. */
async function refused(image: Sample, words: RegExp, status = 1, script?: Script): Promise<void> {
  await served(
    image,
    async (name) => {
      const began = performance.now();
      const ran = await told("pull", name);
      assert.equal(ran.status, status, ran.stderr);
      assert.match(ran.stderr, words);
      assert.doesNotMatch(ran.stderr, /\n {4}at |undefined|internal/);
      assert.ok(performance.now() - began < 20_000);
      assert.equal((await told("images", "-q", name)).stdout, "");
      await assertWhole(store, "after a refused pull");
    },
    script,
  );
}

/** Pulling it works, and so does everything that looks at it. */
async function accepted(image: Sample, look: (name: string) => Promise<void> = async () => {}): Promise<void> {
  await served(image, async (name) => {
    for (const words of [
      ["pull", "-q", name],
      ["image", "inspect", name],
      ["history", name],
      ["images", name],
      ["ls-files", name],
      ["save", "-o", "out.tar", name],
      ["push", "-q", name],
    ]) {
      const ran = await told(...words);
      assert.equal(ran.status, 0, `${words.join(" ")}: ${ran.stderr}`);
      assert.doesNotMatch(ran.stdout, /undefined|NaN|Invalid Date/, words.join(" "));
    }
    await look(name);
    await assertWhole(store, "after a pull");
  });
}

test("M04: a key twice in manifest, index or configuration", async () => {
  const image = await sampleImage({ compression: "gzip" });
  const index = sampleIndex([{ sample: image, architecture: "amd64" }]);
  const twice = (text: string, key: string) => text.replace(`"${key}":`, `"${key}":null,"${key}":`);
  for (const [sample, type, key] of [
    [image, MEDIA.manifest, "layers"],
    [image, MEDIA.manifest, "config"],
    [index, MEDIA.index, "manifests"],
  ] as const) {
    const bytes = Buffer.from(twice((sample.blobs.get(sample.root.digest) as Buffer).toString(), key));
    const root = { mediaType: type, digest: digestOf(bytes), size: bytes.length };
    await refused(
      { ...sample, root, blobs: new Map([...sample.blobs, [root.digest, bytes]]) },
      new RegExp(`the key "${key}" a second time`),
    );
  }
  const config = Buffer.from(twice((image.blobs.get(image.config.digest) as Buffer).toString(), "rootfs"));
  const named = { ...image.config, digest: digestOf(config), size: config.length };
  const changed = await sampleImage({ compression: "gzip", editManifest: (one) => ({ ...one, config: named }) });
  await refused({ ...changed, blobs: new Map([...changed.blobs, [named.digest, config]]) }, /the key "rootfs" a second time/);
});

test("M05: digests of another form in a manifest are refused, and never a path", async () => {
  const hex = "a".repeat(64);
  for (const digest of [
    "sha256:../../../../etc/passwd",
    `sha256:${hex.toUpperCase()}`,
    "sha256:abc",
    `md5:${"a".repeat(32)}`,
    `sha999:${hex}`,
    hex,
    "",
  ]) {
    const edit = (one: Record<string, unknown>) => ({ ...one, layers: [{ mediaType: MEDIA.layerGzip, digest, size: 5 }] });
    await refused(await sampleImage({ editManifest: edit }), /not a sha256 digest/);
    await refused(
      await sampleImage({ editManifest: (one) => ({ ...one, config: { ...(one["config"] as object), digest } }) }),
      /not a sha256 digest/,
    );
  }
});

test("M05: what a registry calls a manifest is no digest unless it is one", async () => {
  const image = await sampleImage({ compression: "gzip" });
  for (const claim of ["sha256:../../x", "sha256:abc", "md5:0", "nonsense"]) {
    const script: Script = ({ kind, method, headers }, response) => {
      if (kind !== "manifest" || headers.accept === undefined) return false;
      const bytes = image.blobs.get(image.root.digest) as Buffer;
      response.writeHead(200, { "docker-content-digest": claim, "content-type": MEDIA.manifest, "content-length": bytes.length });
      response.end(method === "HEAD" ? undefined : bytes);
      return true;
    };
    await served(
      image,
      async (name) => {
        const ran = await told("pull", name);
        assert.ok(ran.status === 0 ? ran.stdout.includes(image.root.digest) : /digest/.test(ran.stderr), `${claim}: ${ran.stderr}`);
      },
      script,
    );
  }
});

test("M09: a layer that is elsewhere by design is not fetched from there, nor asked for; what needs it says so", async () => {
  const asked: string[] = [];
  const elsewhere = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.end("no");
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => elsewhere.once("listening", resolve));
  const url = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/layer`;
  try {
    for (const urls of [[url], ["file:///etc/passwd", "http://169.254.169.254/latest", url]]) {
      const image = await sampleImage({
        compression: "gzip",
        layers: [{ here: "here\n" }, { there: "there\n" }],
        editManifest: (one) => {
          const [here, there] = one["layers"] as object[];
          return { ...one, layers: [here, { ...there, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls }] };
        },
      });
      const blobs = new Map([...image.blobs].filter(([digest]) => digest !== image.layers[1]?.digest));
      await served({ ...image, blobs }, async (name) => {
        const pulled = await told("pull", "-q", name);
        assert.equal(pulled.status, 0, pulled.stderr);
        assert.equal((await told("history", name)).status, 0);
        assert.equal((await told("image", "inspect", name)).status, 0);
        for (const words of [
          ["ls-files", name],
          ["run", "--rm", "--network", "none", name],
        ]) {
          const ran = await told(...words);
          assert.notEqual(ran.status, 0);
          assert.match(ran.stderr, /elsewhere|foreign|not in the store/, words.join(" "));
          assert.doesNotMatch(ran.stderr, /\n {4}at |internal/);
        }
        assert.equal((await told("push", "-q", name)).status, 0, "pushed as it came, without the layer");
      });
    }
    assert.deepEqual(asked, []);
  } finally {
    elsewhere.close();
  }
});

test("M10: configurations as odd tools leave them are pulled and shown; what has the wrong form is refused", async () => {
  const config = (config: unknown, more: object = {}) => sampleImage({ editConfig: (one) => ({ ...one, config, ...more }) });
  for (const odd of [
    await config(null),
    await config({ Env: null, Cmd: null, Entrypoint: null, Labels: null, Volumes: null, ExposedPorts: null }),
    await config({ Entrypoint: "/run it" }),
    await config({ Env: ["ALONE", "=x", "A=b=c", ""] }),
    await config({}, { history: null }),
    await config({}, { history: [] }),
    await config({}, { created: "0001-01-01T00:00:00Z", author: null }),
    await config({ Labels: { big: "x".repeat(3 << 20), "\u001b[31m": "\u001b[2J\u202e" } }),
    await config({}, { os: "plan9", architecture: "vax", variant: "\u001b" }),
    await sampleImage({ editConfig: (one) => ({ ...one, created: undefined, container: "x", docker_version: 1.5, unknown: [{}] }) }),
  ])
    await accepted(odd, async (name) => {
      for (const words of [["image", "inspect", name], ["history", "--no-trunc", name], ["images"]])
        assert.ok(!(await told(...words)).stdout.includes("\u001b"), `${words.join(" ")} shows no control characters`);
    });
  await refused(await config({ Env: "A=1" }), /Env is not a list/);
  await refused(await config({}, { created: "yesterday" }), /created is not a time/);
  await refused(await config({}, { rootfs: { type: "layers" } }), /1 layers? but 0 diffIDs|diff/i);
  await refused(await config({}, { history: [{}, {}, {}] }), /3 entries of the history/);
  await refused(await sampleImage({ editConfig: () => "x" }), /an object is expected/);
  await refused(await config({ Labels: { big: "x".repeat(10 << 20) } }), /bytes/);
});

test("M11: no layer, empty ones, the same twice, and 130", async () => {
  await accepted(await sampleImage({ layers: [] }));
  await accepted(await sampleImage({ layers: [{}] }));
  await accepted(await sampleImage({ layers: [{ a: "a" }, { a: "a" }], compression: "zstd" }));
  await accepted(
    await sampleImage({ layers: Array.from({ length: 130 }, (_, n) => ({ [`f${n % 100}`]: `${n}` })), compression: "gzip" }),
    async (name) => assert.equal((await told("cat", name, "f29")).stdout, "129"),
  );
});

test("M12, M13: parts that the registry lacks are named; what is larger or smaller than announced is refused", async () => {
  const image = await sampleImage({ compression: "gzip" });
  for (const part of [image.config, image.layers[0]]) {
    const digest = part?.digest as string;
    const blobs = new Map([...image.blobs].filter(([one]) => one !== digest));
    await refused({ ...image, blobs }, new RegExp(digest));
    const changed = (bytes: Buffer) => new Map([...image.blobs].map(([one, was]) => [one, one === digest ? bytes : was]));
    const bytes = image.blobs.get(part?.digest as never) as Buffer;
    await refused({ ...image, blobs: changed(Buffer.concat([bytes, Buffer.from("!")])) }, new RegExp(digest), 4);
    await refused({ ...image, blobs: changed(bytes.subarray(1)) }, new RegExp(digest), 4);
    await refused({ ...image, blobs: changed(Buffer.from(bytes.map((byte, at) => (at === 9 ? byte ^ 1 : byte)))) }, new RegExp(digest), 4);
  }
});
