import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { sampleLayer } from "../../test/sample-image.ts";
import { openImage } from "../image/open.ts";
import { Failure } from "../kit/error.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { openStore } from "../store/store.ts";
import { createTask } from "../task/task.ts";
import { type ImportFacts, importTar } from "./import.ts";

const platform = { os: "linux", architecture: "amd64" };
const plain: ImportFacts = { config: { Cmd: ["/hello"] }, message: "Imported from -", platform };

async function imported(bytes: Uint8Array, facts: ImportFacts = plain) {
  const dir = mkdtempSync(join(tmpdir(), "nought-import-"));
  try {
    await using store = await openStore(dir);
    const source = (async function* () {
      yield bytes;
    })();
    const image = await importTar(store, source, facts, createTask());
    return await openImage(store, image.descriptor, platform);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test("the tar of a file system becomes an image of one plain layer, compressed or not", async () => {
  const tar = await sampleLayer({ hello: "hello\n", "etc/": "" });
  const image = await imported(tar);
  assert.deepEqual(image.layers, [{ diffId: digestOf(tar), blob: { mediaType: MEDIA.layer, digest: digestOf(tar), size: tar.length } }]);
  assert.deepEqual(image.config.history, [{ created: "2001-09-09T01:46:40Z", comment: "Imported from -" }]);
  assert.deepEqual([image.config.config, image.config.os, image.config.architecture], [{ Cmd: ["/hello"] }, "linux", "amd64"]);
  assert.deepEqual(await imported(gzipSync(tar)), image);
  assert.equal((await imported(tar, { ...plain, created: 0 })).config.created, "1970-01-01T00:00:00Z");
});

test("what is no tar is refused by name", async () => {
  const refused = (bytes: Uint8Array, code: string, about: RegExp) =>
    assert.rejects(imported(bytes), (error: unknown) => error instanceof Failure && error.code === code && about.test(error.message));
  await refused(Buffer.alloc(0), "TAR", /is empty/);
  await refused(Buffer.from("\x7fELF and more"), "TAR", /a program/);
  await refused(Buffer.from("just text\n".repeat(100)), "TAR", /tar archive/);
  await refused(gzipSync(await sampleLayer({ a: "b" })).subarray(0, -9), "COMPRESSION", /./);
});
