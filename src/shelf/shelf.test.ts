import assert from "node:assert/strict";
import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { sampleImage } from "../../test/sample-image.ts";
import { Failure } from "../kit/error.ts";
import { openStore } from "../store/store.ts";
import { createTask } from "../task/task.ts";
import { openShelf } from "./shelf.ts";

const root = mkdtempSync(join(tmpdir(), "nought-shelf-"));
after(() => rmSync(root, { recursive: true, force: true }));
const task = createTask();
const missing = (error: unknown) => error instanceof Failure && error.code === "NOT_FOUND";

for (const compression of ["uncompressed", "gzip"] as const)
  test(`S14: a layer that was asked for in vain is found when it is there later (${compression})`, async () => {
    await using store = await openStore(join(root, compression));
    const image = await sampleImage({ compression });
    const [blob] = image.layers;
    const [diffId] = image.diffIds;
    assert(blob && diffId);
    const shelf = openShelf(store, task);
    await assert.rejects(shelf.open(diffId), missing);
    await assert.rejects(shelf.index({ diffId, blob }), missing);
    await store.put(image.blobs.get(blob.digest) as Buffer, blob);
    const draft = await shelf.index({ diffId, blob });
    assert.deepEqual(
      draft.map((entry) => entry.path),
      ["/hello"],
    );
    closeSync(await shelf.open(diffId));
    const [file] = draft;
    assert(file?.kind === "file");
    assert.equal(String(await shelf.read(file)), "hello\n");
  });
