import { Mistake } from "./mistake.ts";
import { trimStart } from "./space.ts";

/**
 * Reads the JSON form of a command. Undefined when the text is not a JSON array, which makes it the shell form.
 * Throws Mistake for a JSON array with anything but strings in it, as docker does.
 */
export function readJsonForm(text: string): string[] | undefined {
  const rest = trimStart(text);
  if (!rest.startsWith("[")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(rest);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  return value.map((item: unknown) => {
    if (typeof item !== "string") {
      throw new Mistake("when using JSON array syntax, arrays must be comprised of strings only");
    }
    return item.toWellFormed();
  });
}

/**
 * True for text that was probably meant as a JSON array: a bracket, a quote, and a comma or a closing bracket after a
 * quote. `[ "$a" = b ]` and `[[ …` are tests of the shell, not this.
 */
export function looksLikeJson(text: string): boolean {
  return /^\[[\t ]*["'\u2018\u2019\u201c\u201d]/.test(text) && (/["'\u2019\u201d][\t ]*,/.test(text) || /^\[["'][^"']*["']\]/.test(text));
}
