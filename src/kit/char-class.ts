/** Code points in ranges, ends included. */
export type Ranges = readonly (readonly [low: number, high: number])[];

/** Ranges written as pairs of characters: `azAZ` is all letters. */
function ranges(pairs: string): Ranges {
  return Array.from({ length: pairs.length / 2 }, (_, at) => [pairs.charCodeAt(2 * at), pairs.charCodeAt(2 * at + 1)] as const);
}

const LETTERS = "AZaz";
const DIGITS = "09";

/** What `\w` and `\b` take for part of a word. */
export const WORD: Ranges = ranges(`${LETTERS}${DIGITS}__`);

const PERL = new Map<string, Ranges>([
  ["d", ranges(DIGITS)],
  ["w", WORD],
  ["s", ranges("\t\n\f\r  ")],
]);

const POSIX = new Map<string, Ranges>([
  ["alnum", ranges(LETTERS + DIGITS)],
  ["alpha", ranges(LETTERS)],
  ["ascii", ranges("\u0000\u007f")],
  ["blank", ranges("\t\t  ")],
  ["cntrl", ranges("\u0000\u001f\u007f\u007f")],
  ["digit", ranges(DIGITS)],
  ["graph", ranges("!~")],
  ["lower", ranges("az")],
  ["print", ranges(" ~")],
  ["punct", ranges("!/:@[`{~")],
  ["space", ranges("\t\r  ")],
  ["upper", ranges("AZ")],
  ["word", WORD],
  ["xdigit", ranges(`${DIGITS}AFaf`)],
]);

/** `d`, `s` or `w`, in upper case for all else. Undefined for other letters. */
export function perlClass(letter: string): Ranges | undefined {
  const found = PERL.get(letter.toLowerCase());
  return found && letter !== letter.toLowerCase() ? complement(found) : found;
}

/** The name in `[:alpha:]`, with `^` before it for all else. */
export function posixClass(name: string): Ranges | undefined {
  const found = POSIX.get(name.replace(/^\^/, ""));
  return found && name.startsWith("^") ? complement(found) : found;
}

function complement(ranges: Ranges): Ranges {
  const out: [number, number][] = [];
  let from = 0;
  for (const [low, high] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (low > from) out.push([from, low - 1]);
    from = Math.max(from, high + 1);
  }
  return [...out, [from, 0x10ffff]];
}
