import type { Layer } from "../image/layer.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import type { Shelf } from "../shelf/shelf.ts";
import { mergeTree, stack } from "../tree/merge.ts";
import type { Tree } from "../tree/tree.ts";

/** What a stage has come to so far. A value: each step makes a new one. */
export interface Built {
  readonly layers: readonly Layer[];
  /** chainID of the layers (OCI image-spec, config.md, "Layer ChainID"); of nothing for scratch. */
  readonly chain: Digest;
  /** Newest time, in seconds, of what the image holds; undefined while it holds nothing. */
  readonly newest: number | undefined;
  /** The merged view; made when first asked for. */
  tree(): Promise<Tree>;
}

const NOTHING = digestOf("");

/** `FROM scratch`. */
export function builtFromNothing(): Built {
  const tree = mergeTree([]);
  return { layers: [], chain: NOTHING, newest: undefined, tree: () => Promise.resolve(tree) };
}

/** One more layer on top. */
export function builtOn(below: Built, layer: Layer, newest: number | undefined, shelf: Shelf): Built {
  let tree: Promise<Tree> | undefined;
  return {
    layers: [...below.layers, layer],
    chain: below.layers.length === 0 ? layer.diffId : digestOf(`${below.chain} ${layer.diffId}`),
    newest: newest === undefined || (below.newest ?? 0) > newest ? below.newest : newest,
    tree: () => {
      tree ??= (async () => stack(await below.tree(), await shelf.index(layer)))();
      return tree;
    },
  };
}
