import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { type Digest, digestOf } from "../oci/digest.ts";
import { createTask, type Task } from "../task/task.ts";
import type { Draft } from "../tree/entry.ts";
import { mergeTree } from "../tree/merge.ts";
import { adoptUpper } from "./adopt.ts";
import { readUpper } from "./changes.ts";
import { chainOf, prepareLowers, type SourceLayer } from "./lowers.ts";
import { ownHow } from "./open.ts";
import { removeTree } from "./remove.ts";
import { Layers } from "./testing/layers.ts";
import { Overlay, picture, treePicture, whyNot } from "./testing/overlay.ts";
import { type Deed, deeds, layers, perform } from "./testing/steps.ts";

const skip = whyNot();
const how = ownHow();
const task = createTask();

/** A layer that was never written: all its bytes are in memory. */
function source(draft: Draft): SourceLayer {
  const values = draft.map((entry) => ({ ...entry, xattrs: [...(entry.xattrs ?? [])] }));
  return { draft, diffId: digestOf(JSON.stringify(values)) };
}

async function roundTrip(base: readonly Draft[], step: readonly Deed[]): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "nought-round-"));
  using sealed = new Layers(dir);
  const picked = (drafts: readonly Draft[]) => treePicture(mergeTree(drafts), how, (file) => sealed.read(file));
  try {
    // An overlay has at least one layer below.
    const lowest = [source([]), ...base.map(source)];
    const { directories, tree } = await prepareLowers(dir, lowest, sealed.files, how, task);
    let seen: string[];
    {
      await using overlay = await Overlay.mount(directories, dir);
      assert.deepEqual(picture(overlay.root, how), picked(base), "the layers are unpacked as they are");
      perform(step, overlay.root, how);
      seen = picture(overlay.root, how);
    }
    const read = await readUpper(join(dir, "upper"), tree, how, task);
    const added = await sealed.seal(read.draft);
    assert.deepEqual(picked([...base, added.draft]), seen, "the layers say what was seen");
    const again = await prepareLowers(dir, [...lowest, added], sealed.files, how, task);
    mkdirSync(join(dir, "again"));
    {
      await using overlay = await Overlay.mount(again.directories, join(dir, "again"), false);
      assert.deepEqual(picture(overlay.root, how), seen, "and show it again when they are stacked");
    }
    // The same with the upper directory in the place of the layer, in another store.
    const other = join(dir, "other");
    const before = await prepareLowers(other, lowest, sealed.files, how, task);
    const chain = lowest.reduce<Digest | undefined>((below, { diffId }) => chainOf(below, diffId), undefined);
    if (!(await adoptUpper(other, join(dir, "upper"), read, added, { chain, tree: before.tree }, how))) return;
    const quiet: Task = { ...task, emit: () => assert.fail("a layer was unpacked though its upper directory was there") };
    const adopted = await prepareLowers(other, [...lowest, added], sealed.files, how, quiet);
    await using overlay = await Overlay.mount(adopted.directories, join(dir, "again"), false);
    assert.deepEqual(picture(overlay.root, how), seen, "and as well when the upper directory becomes a lower one");
  } finally {
    removeTree(dir);
  }
}

test("whatever a step does on whatever layers, its changes on top of them are what it saw", { skip, timeout: 600_000 }, async () => {
  await fc.assert(fc.asyncProperty(layers, deeds, roundTrip), {
    numRuns: Number(process.env["NOUGHT_RUNS"] ?? 40),
    seed: Number(process.env["NOUGHT_SEED"] ?? 4),
    endOnFailure: false,
  });
});
