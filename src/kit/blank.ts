/** White space by Unicode, as Go's `unicode.IsSpace`: what JavaScript's `\s` is, plus NEL, minus the byte order mark. */
const BLANK = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** Whether a character is white space for Go, and so for docker. */
export function isBlank(char: string): boolean {
  return BLANK.test(char);
}

/** Go's `strings.TrimSpace`. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start] as string)) start++;
  while (end > start && isBlank(text[end - 1] as string)) end--;
  return text.slice(start, end);
}
