import { cut, isSpace, trim } from "./space.ts";

/** An instruction's line in three parts. `rest` is trimmed. */
export interface Parts {
  readonly keyword: string;
  readonly flags: readonly string[];
  readonly rest: string;
}

/** Splits a joined line into keyword, `--flags` and the rest. Quotes and backslashes in flags are taken off. */
export function splitLine(line: string): Parts {
  const [keyword, after] = cut(trim(line));
  if (after === undefined) return { keyword, flags: [], rest: "" };
  const flags: string[] = [];
  const rest = takeFlags(after, flags);
  return { keyword, flags, rest: trim(rest) };
}

/**
 * Moves the leading words that begin with `--` into `flags`; a word `--` alone ends them. Returns what follows.
 * The backslash escapes here whatever the `escape` directive says, as in BuildKit. BuildKit goes through the line byte by
 * byte, so a blank outside of ASCII ends a flag but comes before none; unlike there, letters outside of ASCII stay whole.
 */
function takeFlags(text: string, flags: string[]): string {
  let at = 0;
  for (;;) {
    while (isBlank(text.charCodeAt(at))) at++;
    if (!text.startsWith("--", at)) return text.slice(at);
    let word = "";
    let quoted = false;
    let quote = "";
    for (; at < text.length; at++) {
      const char = text[at] as string;
      if (quote === "" && isSpace(text.charCodeAt(at))) break;
      if (char === quote) quote = "";
      else if (quote === "" && (char === "'" || char === '"')) {
        quote = char;
        quoted = true;
      } else if (char !== "\\") word += char;
      else if (at + 1 < text.length) word += text[++at] as string;
    }
    if (word === "--") return text.slice(at);
    if (word !== "" || quoted) flags.push(word);
  }
}

function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}
