import { compareNames } from "../kit/bytes.ts";
import type { Entry } from "./entry.ts";

/** One entry of a merged tree with what lies in it. Only directories have `kids`; an empty one may have none. */
export interface Node {
  entry: Entry;
  kids: Kids | undefined;
  /** The run of merge.ts that made this node and may still change it; shared with other trees once that run is over. */
  owner: object;
}

/**
 * The names in a directory. A directory that was changed by stacking keeps the names below (`base`, shared, never changed) and
 * what is different (`over`, `null` for gone), so that one new file in a directory of 300,000 costs a few entries and not all.
 */
export class Kids {
  readonly owner: object;
  #base: Map<string, Node>;
  #ownsBase: boolean;
  #over: Map<string, Node | null>;
  #sorted: readonly Node[] | undefined;

  constructor(owner: object, below?: Kids) {
    this.owner = owner;
    this.#base = below ? below.#base : new Map();
    this.#ownsBase = below === undefined;
    this.#over = below ? new Map(below.#over) : new Map();
  }

  get(name: string): Node | undefined {
    if (this.#over.size > 0) {
      const changed = this.#over.get(name);
      if (changed !== undefined) return changed ?? undefined;
    }
    return this.#base.get(name);
  }

  /** Only for the owner. */
  set(name: string, node: Node): void {
    this.#sorted = undefined;
    if (this.#ownsBase) this.#base.set(name, node);
    else this.#change(name, node);
  }

  /** Only for the owner. */
  delete(name: string): void {
    this.#sorted = undefined;
    if (this.#ownsBase) this.#base.delete(name);
    else this.#change(name, null);
  }

  /** The nodes in canonical order. */
  sorted(): readonly Node[] {
    if (this.#sorted) return this.#sorted;
    const names: string[] = [];
    if (this.#over.size === 0) for (const name of this.#base.keys()) names.push(name);
    else {
      for (const name of this.#base.keys()) if (!this.#over.has(name)) names.push(name);
      for (const [name, node] of this.#over) if (node) names.push(name);
    }
    let ordered = true;
    for (let at = 1; at < names.length && ordered; at++) ordered = compareNames(names[at - 1] as string, names[at] as string) < 0;
    if (!ordered) names.sort(compareNames);
    this.#sorted = names.map((name) => this.get(name) as Node);
    return this.#sorted;
  }

  #change(name: string, node: Node | null): void {
    this.#over.set(name, node);
    // Folded in once the differences are many, so that copying them stays cheap and look-ups stay two.
    if (this.#over.size < 32 + 4 * Math.sqrt(this.#base.size)) return;
    this.#base = new Map(this.#base);
    for (const [key, value] of this.#over) {
      if (value) this.#base.set(key, value);
      else this.#base.delete(key);
    }
    this.#over = new Map();
    this.#ownsBase = true;
  }
}

/** Number of entries below a node, itself included. */
export function countNodes(node: Node): number {
  let count = 1;
  if (node.kids) for (const kid of node.kids.sorted()) count += countNodes(kid);
  return count;
}
