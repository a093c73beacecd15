import { Failure } from "../../kit/error.ts";
import { type Built, builtOn } from "../built.ts";
import type { Step, StepOp } from "../graph.ts";
import { keyOf } from "../key.ts";
import { Unforeseen, type Workshop } from "../workshop.ts";
import { sourcesOf } from "./sources.ts";

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
  refuse(op, shop.allow);
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
  if (record?.layer !== undefined && shop.store.available(record.layer.blob))
    return finish(builtOn(below, record.layer, (record.value as Remembered).newest, shop.shelf), true);
  if (shop.hitsOnly) throw new Unforeseen(step.label);

  task.emit({ type: "step", ...told, state: "started" });
  const { execute } = await import("./execute.ts");
  const { layer, newest } = await execute(step, op, below, sources, shop);
  shop.remember({ key, layer, value: { newest } satisfies Remembered });
  return finish(builtOn(below, layer, newest, shop.shelf), false);
}

/** What of the operation counts for the key: not what secrets and agents are called by, on the host. */
function counted(op: RunOp): unknown {
  const { inputs: _, ...rest } = op;
  return rest;
}

function refuse(op: RunOp, allow: ReadonlySet<string>): void {
  const denied = (what: string) => new Failure("PLAN", `${what} is not allowed`, { hint: `Allow it for this build: --allow ${what}` });
  if (op.security === "insecure" && !allow.has("security.insecure")) throw denied("security.insecure");
  if (op.network === "host" && !allow.has("network.host")) throw denied("network.host");
  const device = op.devices.find((one) => one.required);
  if (device) throw new Failure("UNSUPPORTED", `RUN --device=${device.name}: devices of the host are not given to build steps`);
}
