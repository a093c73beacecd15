/** `nought ls-files` and `nought cat`: the files of images of the store, of layouts and of registries. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { after, test } from "node:test";
import { copyImage } from "../../src/place/copy.ts";
import { createLayout, publishAs } from "../../src/place/layout.ts";
import { createTask } from "../../src/task/task.ts";
import { startFaultyProxy } from "../faulty-proxy.ts";
import { program } from "../program.ts";
import { startOwnRegistry } from "../registries.ts";
import { memoryReader, type Sample, sampleImage } from "../sample-image.ts";

const nought = await program();
const registry = await startOwnRegistry();
after(() => registry.close());

const run = (...args: string[]) => nought.aside(args);

const LAYERS = [
  { "dir/": "", "dir/old": "old", "dir/changed": "first", "dir/large": "large ".repeat(50_000), "other/": "", "other/x": "hidden" },
  { "dir/": "", "dir/changed": "second", "dir/.wh.old": "", "other/": "", "other/.wh..wh..opq": "", "other/y": "y" },
  { "top/": "", "top/new": "new" },
];

/** The image in a layout, and from there in the registry. */
async function put(name: string, sample: Sample): Promise<void> {
  const layout = await createLayout(join(nought.dir, name));
  await copyImage(memoryReader(sample.blobs), layout, sample.root, createTask());
  await publishAs(layout, sample.root, "1");
  assert.equal((await run("copy", "-q", `oci:${name}:1`, `docker://${registry.host}/${name}:1`)).status, 0);
  assert.equal((await run("copy", "-q", `oci:${name}:1`, `store:${name}:1`)).status, 0);
}

const images = { plain: await sampleImage({ layers: LAYERS }), packed: await sampleImage({ layers: LAYERS, compression: "gzip" }) };
for (const [name, sample] of Object.entries(images)) await put(name, sample);

for (const name of ["plain", "packed"]) {
  const places = [`${name}:1`, `oci:${name}:1`, `docker://${registry.host}/${name}:1`];

  test(`${name}: every place shows the same files`, async () => {
    for (const place of places) {
      const listed = await run("ls-files", place);
      assert.deepEqual(
        listed.stdout.trim().split("\n"),
        ["/dir", "/dir/changed", "/dir/large", "/other", "/other/y", "/top", "/top/new"],
        `${place}: ${listed.stderr}`,
      );
      assert.equal((await run("ls-files", place, "top")).stdout, "/top\n/top/new\n");
      assert.match(
        (await run("ls-files", "-l", place, "/dir/changed")).stdout,
        /^-rw-r--r-- +0 +0 +6 2001-09-09T01:46:40Z \/dir\/changed\n$/,
      );
      const json = JSON.parse((await run("ls-files", "--json", place, "/top/new")).stdout) as Record<string, unknown>;
      assert.equal(json["digest"], `sha256:${createHash("sha256").update("new").digest("hex")}`);
    }
  });

  test(`${name}: every place gives the same bytes, and says what is no file`, async () => {
    for (const place of places) {
      assert.equal((await run("cat", place, "/dir/changed", "other/y")).stdout, "secondy");
      assert.equal((await run("cat", place, "/dir/large")).stdout, "large ".repeat(50_000));
      for (const [path, why] of [
        ["/dir/old", /no such file/],
        ["/other/x", /no such file/],
        ["/dir", /is a directory/],
      ] as const) {
        const ran = await run("cat", place, path);
        assert.equal(ran.status, 1);
        assert.match(ran.stderr, why);
      }
    }
  });
}

test("of an image of a registry only the layers come that are needed, and of a plain layer only the part", async () => {
  for (const [name, { layers }] of Object.entries(images)) {
    const proxy = await startFaultyProxy({ upstream: registry.host, seed: 1, rate: 0 });
    // A store that knows nothing of these layers.
    const env = { NOUGHT_STORE: join(nought.dir, `store-of-${name}`) };
    const cat = async (path: string) => (await nought.aside(["cat", `docker://${proxy.host}/${name}:1`, path], env)).stdout;
    const asked = () => layers.map(({ digest }) => proxy.seen.filter((one) => one.url.includes(digest)).length);
    try {
      assert.equal(await cat("/top/new"), "new");
      assert.deepEqual(
        asked().map((times) => times > 0),
        [false, false, true],
        "only the top layer",
      );
      assert.equal(await cat("/dir/changed"), "second");
      assert.equal(asked()[0], 0, "never the lowest");
      const before = asked()[2];
      assert.equal(await cat("/dir/changed"), "second");
      assert.equal(asked()[2], before, "what is known of the top layer need not be read again");
      const ranges = proxy.seen.filter((one) => one.range !== undefined);
      assert.equal(ranges.length > 0, name === "plain");
    } finally {
      await proxy.stop();
    }
  }
});
