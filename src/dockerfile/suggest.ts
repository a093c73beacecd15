/**
 * The option that a mistyped word was probably meant to be: at most two letters away, and not all of it. Case does not
 * count. Undefined where nothing comes close. Linear in the number of options, the words cut to 64 letters.
 */
export function suggest(word: string, options: readonly string[]): string | undefined {
  const from = word.slice(0, 64).toLowerCase();
  let best: string | undefined;
  let least = 3;
  for (const option of options) {
    const away = distance(from, option.toLowerCase());
    if (away < least && away < option.length) {
      least = away;
      best = option;
    }
  }
  return best;
}

/** ` (did you mean X?)` as docker appends it, or "". What is not wholly in upper case is answered in lower case. */
export function didYouMean(word: string, options: readonly string[]): string {
  const found = suggest(word, options);
  if (found === undefined) return "";
  return ` (did you mean ${word === word.toUpperCase() ? found : found.toLowerCase()}?)`;
}

/** Levenshtein's distance. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(same, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
