import { isSpace } from "./space.ts";

/**
 * Splits the arguments of ENV, LABEL and ARG into words: blanks inside quotes and after the escape character belong to a
 * word. Quotes and escapes stay in the words; expansion removes them later. BuildKit's `parseWords`.
 */
export function splitWords(text: string, escape: string): string[] {
  const words: string[] = [];
  let word = "";
  let started = false;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (quote === "" && isSpace(text.charCodeAt(at))) {
      if (started) words.push(word);
      word = "";
      started = false;
      continue;
    }
    if (char === escape && quote !== "'") {
      // At the end of the line it stands for nothing.
      if (at + 1 === text.length) break;
      word += char + (text[++at] as string);
      started = true;
      continue;
    }
    if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = "";
    word += char;
    started = true;
  }
  if (started) words.push(word);
  return words;
}
