import { Failure } from "../kit/error.ts";
import { openShelf } from "../shelf/shelf.ts";
import { createTask, type TaskNews } from "../task/task.ts";
import { type Built, builtFromNothing, builtOn } from "./built.ts";
import type { BuildGraph } from "./graph.ts";
import { type OpenContext, solve } from "./solve.ts";
import { type Fetched, Unforeseen, type Workshop } from "./workshop.ts";

/**
 * What a build comes to where caches know every step of it, and hold the layers of its last stage at least; undefined where something would
 * have to be executed, or a layer be read that is only promised. Nothing is told of a look in vain. Throws INTERRUPTED.
 */
export async function foresee(
  graph: BuildGraph,
  shop: Omit<Workshop, "open">,
  context: OpenContext,
  lines: readonly string[],
): Promise<Built | undefined> {
  const { promises, store, turns: _, ...rest } = shop;
  if (!promises) return undefined;
  const news: TaskNews[] = [];
  const fetched: Fetched[] = [];
  const task = { ...createTask(() => {}, shop.task.signal), emit: (one: TaskNews) => void news.push(one) };
  const known = { ...store, available: (blob: Parameters<typeof store.available>[0]) => store.available(blob) || promises.has(blob) };
  let built: Built;
  try {
    const saw = (what: Fetched) => void fetched.push(what);
    const looking = { ...rest, saw, store: known, shelf: openShelf(store, task), task, recall: promises.recall, hitsOnly: true };
    built = await solve(graph, looking, context, lines);
  } catch (error) {
    if (shop.task.signal.aborted) throw error;
    if (error instanceof Failure || error instanceof Unforeseen) return undefined;
    throw error;
  }
  if (!built.layers.every((layer) => store.available(layer.blob))) return undefined;
  for (const one of news) shop.task.emit(one);
  for (const one of fetched) shop.saw?.(one);
  const own = built.layers.reduce((below, layer) => builtOn(below, layer, undefined, shop.shelf), builtFromNothing());
  return { ...own, newest: built.newest };
}
