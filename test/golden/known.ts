/** Where nought means to differ from docker 28.5.2. Each row has its reason; a row that no longer matches anything fails the test. */
import type { Difference } from "./compare.ts";

export interface Known {
  /** Name of the case. */
  readonly name: string;
  /** Beginning of the field, as compare.ts names it; for a failure "error". */
  readonly field: string;
  readonly reason: string;
}

export const KNOWN: readonly Known[] = [];

/** Splits differences into those of the table and the rest; `unused` are the rows of this case that nothing matched. */
export function sift(
  name: string,
  all: readonly Difference[],
): { readonly rest: readonly Difference[]; readonly unused: readonly Known[] } {
  const mine = KNOWN.filter((known) => known.name === name);
  const matches = (known: Known, one: Difference) => one.field.startsWith(known.field);
  return {
    rest: all.filter((one) => !mine.some((known) => matches(known, one))),
    unused: mine.filter((known) => !all.some((one) => matches(known, one))),
  };
}
