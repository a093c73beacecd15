import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";

/** One character of a pattern; undefined is `?`. */
type Token = string | undefined;
/** A pattern cut at its stars: n stars give n + 1 pieces. */
type Pieces = readonly (readonly Token[])[];
/** Why a pattern is none. docker shows the pattern of `%` reversed, as it works on it. */
export type Wrong = { readonly wrong: string; readonly pattern: string };

/** Comparisons of characters one expansion may cost; patterns that people write need a few per character. */
const WORK = 1 << 27;

/** `${name#pattern}`: without the shortest (or longest) start that matches. `*` and `?` match no line feed, as in BuildKit. */
export function trimPrefix(value: string, pattern: string, longest: boolean): string | Wrong {
  const pieces = readPattern(pattern);
  if ("wrong" in pieces) return pieces;
  const chars = Array.from(value);
  const end = new Search(chars, pieces).endAt(0, longest);
  return end === undefined ? value : chars.slice(end).join("");
}

/** `${name%pattern}`: the same from the end, by reversing both sides. */
export function trimSuffix(value: string, pattern: string, longest: boolean): string | Wrong {
  const turned = trimPrefix(Array.from(value).reverse().join(""), reverse(pattern), longest);
  return typeof turned === "string" ? Array.from(turned).reverse().join("") : turned;
}

/**
 * `${name/pattern/replacement}`, or with `all` `${name//pattern/replacement}`: the longest match from the left is replaced. With `all`,
 * `$0` in the replacement stands for the match, `$$` for `$`, and other `$name` for nothing (Go's Regexp.Expand, which BuildKit calls).
 */
export function replacePattern(value: string, pattern: string, replacement: string, all: boolean): string | Wrong {
  const pieces = readPattern(pattern);
  if ("wrong" in pieces) return pieces;
  const chars = Array.from(value);
  const search = new Search(chars, pieces);
  const template = all ? readTemplate(replacement) : [replacement];
  const out: string[] = [];
  let length = 0;
  const add = (text: string): void => {
    out.push(text);
    length += text.length;
    if (length > LIMITS.expansionBytes) throw new Failure("LIMIT", `a replacement gives more than ${LIMITS.expansionBytes} bytes`);
  };
  let done = 0;
  let from = 0;
  while (from <= chars.length) {
    const found = search.find(from);
    if (!found) break;
    const [start, end] = found;
    add(chars.slice(done, start).join(""));
    // No empty match right behind another match.
    if (end > done || start === 0) for (const part of template) add(part ?? chars.slice(start, end).join(""));
    done = end;
    if (!all) break;
    from = Math.max(end, from + 1);
  }
  add(chars.slice(done).join(""));
  return out.join("");
}

/** `*`, `?` and `\` before one of `*?\}/`; nothing else is special. */
function readPattern(pattern: string): Pieces | Wrong {
  const chars = Array.from(pattern);
  let piece: Token[] = [];
  const pieces = [piece];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] as string;
    if (char === "*") pieces.push((piece = []));
    else if (char === "?") piece.push(undefined);
    else if (char !== "\\") piece.push(char);
    else if (chars[at + 1] !== "}" && chars[at + 1] !== "/") {
      const next = chars[++at];
      if (next !== "*" && next !== "?" && next !== "\\") return { wrong: `invalid escape '\\${next ?? "\ufffd"}'`, pattern };
      piece.push(next);
    }
  }
  return pieces;
}

/** The pattern from its end to its start, each escape kept before what it escapes. */
function reverse(pattern: string): string {
  const out: string[] = [];
  const chars = Array.from(pattern);
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] as string;
    out.push(char === "\\" && at + 1 < chars.length ? char + chars[++at] : char);
  }
  return out.reverse().join("");
}

/** Plain parts and, as undefined, places of the match. */
function readTemplate(text: string): (string | undefined)[] {
  const parts: (string | undefined)[] = [];
  let plain = "";
  for (let at = 0; at < text.length; ) {
    const dollar = text.indexOf("$", at);
    plain += text.slice(at, dollar < 0 ? undefined : dollar);
    if (dollar < 0) break;
    const name = /(?:\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/uy;
    name.lastIndex = dollar + 1;
    const found = name.exec(text);
    at = dollar + 1 + (found?.[0].length ?? (text[dollar + 1] === "$" ? 1 : 0));
    if (!found) plain += "$";
    else if ((found[1] ?? found[2]) === "0") {
      parts.push(plain, undefined);
      plain = "";
    }
  }
  parts.push(plain);
  return parts;
}

/**
 * Finds a pattern in a value. Taking each piece at its earliest place is enough to know whether there is a match, and gives its
 * shortest end; the longest end is the last place of the last piece. A star stays within a line, so pieces stay on certain lines.
 */
class Search {
  readonly #chars: readonly string[];
  readonly #pieces: Pieces;
  #work = 0;
  #lineFrom = 0;
  #lineEnd = -1;

  constructor(chars: readonly string[], pieces: Pieces) {
    this.#chars = chars;
    this.#pieces = pieces;
  }

  /** Where the match that starts exactly here ends. */
  endAt(start: number, longest: boolean): number | undefined {
    const [first = [], ...others] = this.#pieces;
    if (!this.#fits(first, start)) return undefined;
    let end = start + first.length;
    for (const [index, piece] of others.entries()) {
      const last = longest && index === others.length - 1;
      const at = last ? this.#latest(piece, end) : this.#earliest(piece, end);
      if (at === undefined) return undefined;
      end = at + piece.length;
    }
    return end;
  }

  /** The leftmost match at or after a place, as long as can be. */
  find(from: number): readonly [start: number, end: number] | undefined {
    for (let line = from; line <= this.#chars.length; line = this.#endOfLine(line) + 1) {
      const start = this.#earliest(this.#pieces[0] ?? [], line);
      const end = start === undefined ? undefined : this.endAt(start, true);
      if (start !== undefined && end !== undefined) return [start, end];
    }
    return undefined;
  }

  #fits(piece: readonly Token[], start: number): boolean {
    for (let at = 0; at < piece.length; at++) {
      if (++this.#work > WORK) throw new Failure("LIMIT", "a pattern in a substitution is too costly to match");
      const char = this.#chars[start + at];
      const token = piece[at];
      if (token === undefined ? char === undefined || char === "\n" : char !== token) return false;
    }
    return start + piece.length <= this.#chars.length;
  }

  #earliest(piece: readonly Token[], from: number): number | undefined {
    const end = Math.min(this.#endOfLine(from), this.#chars.length - piece.length);
    for (let at = from; at <= end; at++) if (this.#fits(piece, at)) return at;
    return undefined;
  }

  #latest(piece: readonly Token[], from: number): number | undefined {
    for (let at = Math.min(this.#endOfLine(from), this.#chars.length - piece.length); at >= from; at--)
      if (this.#fits(piece, at)) return at;
    return undefined;
  }

  /** Place of the next line feed, or the end. */
  #endOfLine(from: number): number {
    if (this.#lineFrom > from || from > this.#lineEnd) {
      const found = this.#chars.indexOf("\n", from);
      this.#lineFrom = from;
      this.#lineEnd = found < 0 ? this.#chars.length : found;
    }
    return this.#lineEnd;
  }
}
