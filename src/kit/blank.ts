/**
 * White space as Go's `unicode.IsSpace` sees it, which docker's readers trim and split by. JavaScript's `\s` differs:
 * it lacks U+0085 and has U+FEFF.
 */
export function isSpace(code: number): boolean {
  if (code < 0x80) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  if (code === 0x85 || code === 0xa0) return true;
  if (code < 0x1680) return false;
  return (
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}

/** Without the white space at its start. */
export function trimStart(text: string): string {
  let at = 0;
  while (at < text.length && isSpace(text.charCodeAt(at))) at++;
  return at === 0 ? text : text.slice(at);
}

/** Without the white space at both ends. */
export function trim(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--;
  return trimStart(text.slice(0, end));
}
