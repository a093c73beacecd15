import { printSyntaxJson } from "../dockerfile/print.ts";
import { assemble } from "../image/assemble.ts";
import type { ContentStore } from "../store/face.ts";
import { withOffers } from "../store/offers.ts";
import type { Task } from "../task/task.ts";
import { open, steps } from "./build.ts";
import { finalConfig } from "./final-config.ts";
import type { BuildGraph, StagePlan } from "./graph.ts";
import { findImages } from "./images.ts";
import { plan } from "./plan/plan.ts";
import type { RemoteImages } from "./remote.ts";
import type { BuildRequest } from "./request.ts";
import type { StepKeys } from "./workshop.ts";

export type Printable = "syntax" | "plan" | "keys" | "manifest";

/**
 * One of the values that a build goes through, as JSON text: the syntax tree, the plan, the cache keys of every step, or the manifest.
 * `keys` and `manifest` perform the steps, but name nothing and write no output.
 */
export async function print(
  what: Printable,
  request: BuildRequest,
  local: ContentStore,
  task: Task,
  remote?: RemoteImages,
): Promise<string> {
  const opened = await open(request, async () => local, task);
  await using inlet = opened.inlet;
  if (what === "syntax") return printSyntaxJson(opened.program.syntax);
  const store = withOffers(local, task);
  const graph = await plan(opened.program, request, opened.platforms, findImages(store, task, { remote, pull: request.pull }));
  if (what === "plan") return json({ target: graph.target, stages: [...graph.stages.values()].map(stagePicture) });
  const keys: StepKeys[] = [];
  const built = await steps(graph, request, inlet, opened.program.syntax.lines, store, task, (one) => keys.push(one));
  await store.flush();
  if (what === "keys") return json(inOrder(keys, graph));
  const { manifestBytes } = assemble(
    built.layers,
    finalConfig(graph.stages.get(graph.target) as StagePlan, built, request),
    request.annotations,
  );
  return `${Buffer.from(manifestBytes).toString("utf8").trimEnd()}\n`;
}

/** As the Dockerfile has the steps; stages that ran side by side told of theirs as they came. */
function inOrder(keys: readonly StepKeys[], graph: BuildGraph): StepKeys[] {
  const stages = [...graph.stages.values()].sort((a, b) => a.index - b.index);
  const places = new Map(stages.flatMap((stage) => stage.steps).map((step, at) => [step.id, at]));
  const place = (one: StepKeys) => places.get(one.id) ?? 0;
  return [...keys].sort((a, b) => place(a) - place(b));
}

function stagePicture(stage: StagePlan): unknown {
  const { base, baseConfig: _, span: __, ...rest } = stage;
  const from = base.kind === "image" ? { kind: base.kind, name: base.name, digest: base.image.descriptor.digest } : base;
  return { ...rest, base: from };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
