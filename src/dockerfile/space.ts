import { isSpace, trim, trimStart } from "../kit/blank.ts";

export { isSpace, trim, trimStart };

/** Without the carriage returns at the end of a line. */
export function trimReturn(line: string): string {
  let end = line.length;
  while (end > 0 && line.charCodeAt(end - 1) === 0x0d) end--;
  return end === line.length ? line : line.slice(0, end);
}

/** What separates the words of a Dockerfile list: BuildKit's `[\t\v\f\r ]+`. */
export const BLANKS = /[\t\v\f\r ]+/;

/** Splits at the first run of blanks. The second part is undefined where there is none. */
export function cut(text: string): readonly [string, string | undefined] {
  const found = BLANKS.exec(text);
  return found ? [text.slice(0, found.index), text.slice(found.index + found[0].length)] : [text, undefined];
}
