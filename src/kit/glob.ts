import { Failure } from "./error.ts";
import { printable } from "./printable.ts";

/**
 * One step of a compiled glob: a literal character, any one character but `/`, any run without `/`, or a character class.
 * A class may match `/` (Go's does).
 */
export type GlobToken =
  | { readonly kind: "literal"; readonly char: string }
  | { readonly kind: "one" }
  | { readonly kind: "star" }
  | { readonly kind: "class"; readonly negated: boolean; readonly ranges: readonly (readonly [low: number, high: number])[] };

/** Whether the text has a character with a meaning in globs (`*`, `?`, `[`, or the escape `\`). */
export function hasGlob(text: string): boolean {
  return /[*?[\\]/.test(text);
}

/**
 * Whether a whole name matches a pattern, as Go's `filepath.Match` on Unix: `*`, `?`, `[a-z]`, `[^a]` and `\` before a character
 * taken as itself. `*` and `?` never match `/`. Time is at most (length of pattern) × (length of name).
 * Throws Failure USAGE when the pattern is malformed.
 */
export function matchGlob(pattern: string, name: string): boolean {
  return compileGlob(pattern)(name);
}

/** Throws Failure USAGE when a pattern is malformed: an open or empty `[…]`, a range without end, or a `\` with nothing after it. */
export function checkGlob(pattern: string): void {
  parseGlob(pattern);
}

/** `matchGlob` for many names: reads the pattern once. */
export function compileGlob(pattern: string): (name: string) => boolean {
  if (!hasGlob(pattern)) return (name) => name === pattern;
  const tokens = parseGlob(pattern);
  return (name) => run(tokens, name);
}

/** Reads a pattern into tokens; adjacent stars become one. */
export function parseGlob(pattern: string): GlobToken[] {
  const chars = Array.from(pattern);
  const tokens: GlobToken[] = [];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] as string;
    if (char === "*") {
      if (tokens.at(-1)?.kind !== "star") tokens.push({ kind: "star" });
    } else if (char === "?") tokens.push({ kind: "one" });
    else if (char === "[") at = readClass(pattern, chars, at, tokens);
    else if (char === "\\") {
      const next = chars[++at];
      if (next === undefined) throw malformed(pattern, "it ends in a lone \\");
      tokens.push({ kind: "literal", char: next });
    } else tokens.push({ kind: "literal", char });
  }
  return tokens;
}

function readClass(pattern: string, chars: readonly string[], open: number, tokens: GlobToken[]): number {
  let at = open + 1;
  const negated = chars[at] === "^";
  if (negated) at++;
  const ranges: [number, number][] = [];
  const bound = (): number => {
    let char = chars[at];
    if (char === "-" || char === "]") throw malformed(pattern, `'${char}' stands where a character of [...] is expected`);
    if (char === "\\") char = chars[++at];
    if (char === undefined || at + 1 >= chars.length) throw malformed(pattern, "a [ is never closed");
    at++;
    return char.codePointAt(0) as number;
  };
  while (ranges.length === 0 || chars[at] !== "]") {
    const low = bound();
    if (chars[at] === "-") {
      at++;
      ranges.push([low, bound()]);
    } else ranges.push([low, low]);
  }
  tokens.push({ kind: "class", negated, ranges });
  return at;
}

function malformed(pattern: string, why: string): Failure {
  return new Failure("USAGE", `syntax error in pattern "${printable(pattern)}": ${why}`, {
    hint: "Put a \\ before a character that is meant as itself.",
  });
}

/** Leftmost-shortest for each star but the last tried one: trying again from the latest star alone is enough. */
function run(tokens: readonly GlobToken[], name: string): boolean {
  let token = 0;
  let at = 0;
  let starToken = -1;
  let starAt = 0;
  for (;;) {
    const current = tokens[token];
    if (current?.kind === "star") {
      starToken = ++token;
      starAt = at;
      continue;
    }
    if (current === undefined && at === name.length) return true;
    const width = current && at < name.length ? step(current, name.codePointAt(at) as number) : 0;
    if (width > 0) {
      at += width;
      token++;
      continue;
    }
    if (starToken < 0 || starAt >= name.length || name[starAt] === "/") return false;
    starAt += (name.codePointAt(starAt) as number) > 0xffff ? 2 : 1;
    at = starAt;
    token = starToken;
  }
}

/** How many code units of the name the token takes, 0 when it does not match. */
function step(token: GlobToken, code: number): number {
  const width = code > 0xffff ? 2 : 1;
  if (token.kind === "literal") return token.char.codePointAt(0) === code ? width : 0;
  if (token.kind === "one") return code === 47 ? 0 : width;
  if (token.kind === "star") return 0;
  return inRanges(token.ranges, code) !== token.negated ? width : 0;
}

/** Whether a code point lies in one of the ranges, ends included. */
export function inRanges(ranges: readonly (readonly [number, number])[], code: number): boolean {
  for (const [low, high] of ranges) if (low <= code && code <= high) return true;
  return false;
}
