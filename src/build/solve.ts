import { assert, Failure } from "../kit/error.ts";
import type { Platform } from "../oci/platform.ts";
import { canRun } from "../sandbox/foreign.ts";
import type { Task } from "../task/task.ts";
import { type Built, builtFromNothing, builtOn } from "./built.ts";
import type { BuildGraph, InputRef, StagePlan, Step } from "./graph.ts";
import type { OpenInput } from "./input.ts";
import { located } from "./plan/located.ts";
import { solveStep } from "./step.ts";
import type { Workshop } from "./workshop.ts";

/** How contexts are opened: the one of the build, and the named ones. */
export type OpenContext = (input: InputRef & { readonly from: "context" | "named" }) => Promise<OpenInput>;

/**
 * Builds the target of a graph: the stages it needs, each once, those that do not wait for one another side by side. What a stage
 * comes to is memorised by its index. Throws what steps throw, with their place in the Dockerfile; the stages beside are stopped
 * then by `stop`, with whatever else listens to it, and over when it throws.
 */
export async function solve(
  graph: BuildGraph,
  tools: Omit<Workshop, "open">,
  openContext: OpenContext,
  lines: readonly string[],
  stop = new AbortController(),
): Promise<Built> {
  const stages = new Map<number, Promise<Built>>();
  const contexts = new Map<string, Promise<OpenInput>>();
  /** The failure that stopped the others. */
  let first: unknown;
  const task: Task = { ...tools.task, signal: AbortSignal.any([tools.task.signal, stop.signal]) };
  const shop: Workshop = { ...tools, task, open };

  function stage(index: number): Promise<Built> {
    let built = stages.get(index);
    if (!built) {
      const plan = graph.stages.get(index);
      assert(plan, `stage ${index} was planned`);
      built = solveStage(plan);
      // Whoever waits gets the failure; nobody may wait yet.
      built.catch(() => {});
      stages.set(index, built);
    }
    return built;
  }

  async function open(input: InputRef): Promise<OpenInput> {
    switch (input.from) {
      case "context":
      case "named": {
        const key = input.from === "context" ? "" : `=${input.name}`;
        const opened = contexts.get(key) ?? openContext(input);
        contexts.set(key, opened);
        return opened;
      }
      case "stage":
        return opened(await stage(input.index));
      case "image":
        return opened(imageBuilt(input.image));
      case "scratch":
        return opened(builtFromNothing());
    }
  }

  function imageBuilt(image: (InputRef & { from: "image" })["image"]): Built {
    const created = image.config.created === undefined ? Number.NaN : Date.parse(image.config.created) / 1000;
    const newest = Number.isFinite(created) ? Math.floor(created) : undefined;
    return image.layers.reduce((below, layer) => builtOn(below, layer, newest, shop.shelf), builtFromNothing());
  }

  async function inTurn(step: Step, below: Built, useCache: boolean): Promise<Built> {
    const turn = await shop.turns?.(step, below);
    let succeeded = false;
    try {
      const built = await solveStep(step, below, useCache || turn?.performed === true, shop);
      succeeded = true;
      return built;
    } finally {
      turn?.done(succeeded);
    }
  }

  async function solveStage(plan: StagePlan): Promise<Built> {
    // Stages that steps will need are started now, so that they run beside this one.
    for (const { op } of plan.steps) {
      const inputs = op.kind === "run" ? op.inputs : op.actions.flatMap((action) => (action.do === "copy" ? [action.input] : []));
      for (const input of inputs) if (input.from === "stage") void stage(input.index);
    }
    let built =
      plan.base.kind === "scratch"
        ? builtFromNothing()
        : plan.base.kind === "stage"
          ? await stage(plan.base.index)
          : imageBuilt(plan.base.image);
    const useCache = graph.noCache !== true && !graph.noCache.has(plan.index);
    for (const step of plan.steps) {
      try {
        built = await inTurn(step, built, useCache);
      } catch (error) {
        // Stopped for the failure of another, which is the one to tell of.
        if (stop.signal.aborted) throw error;
        const failure = located(step.op.kind === "run" ? explained(error, plan.platform) : error, step.span, lines);
        first = failure;
        stop.abort();
        task.emit({
          type: "step",
          id: step.id,
          label: step.label,
          state: "failed",
          ...(failure instanceof Error ? { failure: failure as never } : {}),
        });
        throw failure;
      }
    }
    return built;
  }

  try {
    return await stage(graph.target);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(stages.values());
    throw first ?? error;
  }
}

/** A program of a foreign platform that nobody can run here: what would help. */
function explained(error: unknown, platform: Platform): unknown {
  if (!(error instanceof Failure) || !error.message.endsWith("exec format error")) return error;
  const runnable = canRun(platform);
  if (runnable.by !== "nothing") return error;
  return new Failure(error.code, `${error.message}: ${runnable.why}`, { hint: runnable.cure, cause: error, exit: error.exit });
}

function opened(built: Built): OpenInput {
  return { origin: "image", identity: built.chain, layers: built.layers, tree: () => built.tree() };
}
