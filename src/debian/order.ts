import type { Asking } from "./candidates.ts";
import type { PackageRecord } from "./face.ts";
import { type Chosen, hardNeeds, keyOf, type Selection } from "./selection.ts";

/**
 * The chosen packages, each after those it depends on. Where dependencies go in circles, their members come in the order of their names.
 * Tarjan's algorithm without recursion: chains of dependencies may be long.
 */
export function unpackOrder(selection: Selection, asking: (from: string) => Asking): PackageRecord[] {
  const nodes = [...selection.chosen.values()].filter((one) => !one.given).sort((a, b) => compare(keyOf(a.record), keyOf(b.record)));
  const edges = new Map<Chosen, Chosen[]>();
  for (const node of nodes) {
    const ask = asking(node.architecture);
    const targets = hardNeeds(node.record).flatMap((group) => {
      const found = selection.satisfied(group, ask);
      return found === undefined || found.given || found === node ? [] : [found];
    });
    edges.set(
      node,
      [...new Set(targets)].sort((a, b) => compare(keyOf(a.record), keyOf(b.record))),
    );
  }
  const out: PackageRecord[] = [];
  const number = new Map<Chosen, number>();
  const low = new Map<Chosen, number>();
  const stack: Chosen[] = [];
  const onStack = new Set<Chosen>();
  for (const root of nodes) {
    if (number.has(root)) continue;
    const work: { readonly node: Chosen; next: number }[] = [{ node: root, next: 0 }];
    while (work.length > 0) {
      const frame = work[work.length - 1] as { readonly node: Chosen; next: number };
      const { node } = frame;
      if (frame.next === 0) {
        number.set(node, number.size);
        low.set(node, number.size - 1);
        stack.push(node);
        onStack.add(node);
      }
      const target = edges.get(node)?.[frame.next++];
      if (target !== undefined) {
        if (!number.has(target)) work.push({ node: target, next: 0 });
        else if (onStack.has(target)) low.set(node, Math.min(low.get(node) as number, number.get(target) as number));
        continue;
      }
      work.pop();
      const parent = work[work.length - 1]?.node;
      if (parent !== undefined) low.set(parent, Math.min(low.get(parent) as number, low.get(node) as number));
      if (low.get(node) !== number.get(node)) continue;
      const circle = stack.splice(stack.indexOf(node));
      for (const one of circle) onStack.delete(one);
      out.push(...circle.map((one) => one.record).sort((a, b) => compare(keyOf(a), keyOf(b))));
    }
  }
  return out;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
