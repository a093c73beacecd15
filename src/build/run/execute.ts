import { join } from "node:path";
import type { Layer } from "../../image/layer.ts";
import { seal } from "../../image/seal.ts";
import { Failure } from "../../kit/error.ts";
import { type OpenRoot, openRoot, ownLowers } from "../../rootfs/open.ts";
import { runSandbox } from "../../sandbox/run.ts";
import { mountPoints, type SandboxMount, type SandboxSpec } from "../../sandbox/spec.ts";
import { sourceLayers } from "../../shelf/source-layers.ts";
import type { Task } from "../../task/task.ts";
import type { Draft, Entry } from "../../tree/entry.ts";
import type { Built } from "../built.ts";
import type { Step } from "../graph.ts";
import type { Workshop } from "../workshop.ts";
import { failedStep } from "./failed.ts";
import { outputOf } from "./output.ts";
import type { RunOp } from "./solve-run.ts";
import type { Sources } from "./sources.ts";
import { specOf } from "./spec.ts";

/** The layer that a step came to, and the newest time in it, in seconds. */
export interface Executed {
  readonly layer: Layer;
  readonly newest: number;
}

/**
 * Executes a RUN step in a sandbox on the layers below, and seals what it changed. Loaded only where a step is not in the cache. Throws
 * SANDBOX for a program that fails, INTERRUPTED, and what preparing its root and mounts throws.
 */
export async function execute(step: Step, op: RunOp, below: Built, sources: Sources, shop: Workshop): Promise<Executed> {
  const { store, shelf } = shop;
  // What is told of unpacking belongs to the step that waits for it.
  const task: Task = { ...shop.task, emit: (news) => shop.task.emit(news.type === "status" ? { ...news, id: step.id } : news) };
  using walk = shelf.walk();
  const lowers = await ownLowers(store.dir, await sourceLayers(below.layers, shelf), walk.files, task, (await shop.run()).lowers);
  const folder = await store.temporary();
  await using ready = await specOf(op, lowers.tree, sources, join(folder, "mounts"), shop);
  await using root = openRoot(lowers, folder, mountPoints(ready.spec));
  const rooted = (open: OpenRoot): SandboxSpec => ({ ...ready.spec, lowers: open.lowers, upper: open.upper, work: open.work });
  try {
    const exit = await runSandbox(rooted(root), { out: outputOf(step.id, task) }, task);
    if (task.signal.aborted) throw new Failure("INTERRUPTED", "the build was interrupted");
    if (exit.code !== 0) throw failedStep(op, exit);
  } catch (error) {
    const look = shop.lookInto;
    if (look && error instanceof Failure && error.code === "SANDBOX") {
      const open = (mounts: readonly SandboxMount[]) => {
        const spec = { ...ready.spec, mounts: [...ready.spec.mounts, ...mounts] };
        return { ...rooted(openRoot(lowers, folder, mountPoints({ ...spec, terminal: true }))), mounts: spec.mounts };
      };
      await look({ label: step.label, failure: error, tree: lowers.tree, open });
    }
    throw error;
  }
  const draft = clamped(await root.changes(task, ready.spec.user), shop.epoch);
  const sealed = await seal(draft, shelf.open, store.writer(), task);
  await shelf.add(sealed.layer, sealed.draft);
  // The next step then need not unpack what this one wrote.
  const { diffId } = sealed.layer;
  await root.adopt(store.dir, { diffId, draft: sealed.draft }, below.layers.length === 0 ? undefined : below.chain);
  return { layer: sealed.layer, newest: draft.reduce((newest, entry) => Math.max(newest, entry.mtime), 0) };
}

/** No time is later than SOURCE_DATE_EPOCH, so that a step that does the same gives the same layer. */
function clamped(draft: Draft, epoch: number | undefined): Draft {
  if (epoch === undefined) return draft;
  return draft.map((entry): Entry => (entry.mtime > epoch ? { ...entry, mtime: epoch } : entry));
}
