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

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min((row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1), (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    row = next;
  }
  return row[b.length] ?? 0;
}
