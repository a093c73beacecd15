import { distance } from "../suggest.ts";

/**
 * The name that is at most two changes of one letter away, as BuildKit suggests it: case counts, the first of several equally near
 * wins. Names of more than 64 letters are not compared.
 */
export function nearest(word: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = 3;
  for (const name of names) {
    if (Math.abs(name.length - word.length) >= least || name === "" || name.length > 64) continue;
    const away = distance(word, name);
    if (away === 0) return undefined;
    if (away < least) {
      least = away;
      best = name;
    }
  }
  return best;
}
