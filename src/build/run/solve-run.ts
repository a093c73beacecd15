import { join } from "node:path";
import { seal } from "../../image/seal.ts";
import { Failure } from "../../kit/error.ts";
import { type OpenRoot, openRoot, ownLowers } from "../../rootfs/open.ts";
import { runSandbox } from "../../sandbox/run.ts";
import { mountPoints, type SandboxMount, type SandboxSpec } from "../../sandbox/spec.ts";
import type { Task } from "../../task/task.ts";
import type { Draft, Entry } from "../../tree/entry.ts";
import { type Built, builtOn } from "../built.ts";
import type { Step, StepOp } from "../graph.ts";
import { keyOf } from "../key.ts";
import type { Workshop } from "../workshop.ts";
import { failedStep } from "./failed.ts";
import { sourceLayers } from "./layers.ts";
import { outputOf } from "./output.ts";
import { type Sources, sourcesOf } from "./sources.ts";
import { specOf } from "./spec.ts";

export type RunOp = StepOp & { readonly kind: "run" };

/** What a step came to, as it is remembered. */
interface Remembered {
  readonly newest: number;
}

/**
 * Performs RUN, or finds that it is known. Its key says what would be executed on which layers with which files mounted; never a
 * secret, an agent, a proxy or what a cache mount holds, as with BuildKit. Throws SANDBOX for a program that fails, with docker's words.
 */
export async function solveRun(step: Step, op: RunOp, below: Built, useCache: boolean, shop: Workshop): Promise<Built> {
  const { task } = shop;
  const told = { id: step.id, label: step.label };
  refuse(op, (await shop.run()).allow);
  const sources = await sourcesOf(op, shop);
  const definition = keyOf("run/1", JSON.stringify(counted(op)), shop.epoch);
  const key = keyOf("run-on/1", definition, below.chain, sources.digests);
  const finish = (built: Built, cached: boolean): Built => {
    const diffId = built.layers.at(-1)?.diffId;
    if (diffId)
      shop.tellKeys?.({
        label: step.label,
        id: step.id,
        definition,
        below: below.chain,
        selections: sources.digests,
        quick: key,
        cached,
        diffId,
      });
    task.emit({ type: "step", ...told, state: cached ? "cached" : "done" });
    return built;
  };
  const record = useCache ? shop.recall(key) : undefined;
  if (record?.layer !== undefined && shop.store.sizeOf(record.layer.blob.digest) === record.layer.blob.size)
    return finish(builtOn(below, record.layer, (record.value as Remembered).newest, shop.shelf), true);

  task.emit({ type: "step", ...told, state: "started" });
  const { layer, newest } = await execute(step, op, below, sources, shop);
  shop.remember({ key, layer, value: { newest } satisfies Remembered });
  return finish(builtOn(below, layer, newest, shop.shelf), false);
}

/** What of the operation counts for the key: not what secrets and agents are called by, on the host. */
function counted(op: RunOp): unknown {
  const { inputs: _, ...rest } = op;
  return rest;
}

async function execute(step: Step, op: RunOp, below: Built, sources: Sources, shop: Workshop) {
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

function refuse(op: RunOp, allow: ReadonlySet<string>): void {
  const denied = (what: string) => new Failure("PLAN", `${what} is not allowed`, { hint: `Allow it for this build: --allow ${what}` });
  if (op.security === "insecure" && !allow.has("security.insecure")) throw denied("security.insecure");
  if (op.network === "host" && !allow.has("network.host")) throw denied("network.host");
  const device = op.devices.find((one) => one.required);
  if (device) throw new Failure("UNSUPPORTED", `RUN --device=${device.name}: devices of the host are not given to build steps`);
}
