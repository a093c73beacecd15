import type { Digest } from "../oci/digest.ts";
import type { Built } from "./built.ts";
import type { InputRef, Step } from "./graph.ts";
import { keyOf } from "./key.ts";

/** Leave to perform a step. */
export interface Turn {
  /** Whether another build beside this one has performed this very step: then its result counts, cache or not. */
  readonly performed: boolean;
  done(succeeded: boolean): void;
}

/** Hands out turns for one kind of step at a time. */
export type Turns = (step: Step, below: Built) => Promise<Turn>;

/**
 * For builds of one Dockerfile side by side, one for each platform: a step that several of them come to, on the same layers, is performed
 * by one while the others wait, and find it in the cache then. Nobody waits for himself: who holds a turn waits for earlier stages only.
 */
export function createTurns(): Turns {
  const last = new Map<Digest, Promise<void>>();
  const performed = new Set<Digest>();
  return async (step, below) => {
    const key = keyOf("turn/1", JSON.stringify(step.op), below.chain);
    const before = last.get(key);
    let end: () => void = () => {};
    last.set(
      key,
      new Promise<void>((resolve) => {
        end = resolve;
      }),
    );
    await before;
    return {
      // What a stage before holds may differ between platforms; the cache alone can tell.
      performed: performed.has(key) && inputsOf(step).every((input) => input.from === "context" || input.from === "named"),
      done(succeeded) {
        if (succeeded) performed.add(key);
        end();
      },
    };
  };
}

function inputsOf({ op }: Step): readonly InputRef[] {
  return op.kind === "run" ? op.inputs : op.actions.flatMap((action) => (action.do === "copy" ? [action.input] : []));
}
