/**
 * Names as strings without losing bytes: what is not UTF-8 is kept as lone surrogates U+DC80…U+DCFF, one for each byte
 * (the way Python names `surrogateescape`). A name made of ordinary UTF-8 is the ordinary string.
 */
export function decodeName(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd") || Buffer.from(text, "utf8").equals(bytes)) return text;
  let out = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    out += length > 0 ? bytes.toString("utf8", at, at + length) : String.fromCharCode(0xdc00 + (bytes[at] as number));
    at += Math.max(1, length);
  }
  return out;
}

/** The bytes of a name: the reverse of decodeName. */
export function encodeName(name: string): Buffer {
  if (!/[\udc80-\udcff]/.test(name) || !hasLoneEscape(name)) return Buffer.from(name, "utf8");
  const parts: Buffer[] = [];
  for (const char of name) {
    const code = char.codePointAt(0) as number;
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(char, "utf8"));
  }
  return Buffer.concat(parts);
}

/** Order of two names by their bytes, as tar writers and Go's `sort.Strings` see them. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  // UTF-16 order equals byte order unless a surrogate is involved.
  if (!/[\ud800-\udfff]/.test(a) && !/[\ud800-\udfff]/.test(b)) return a < b ? -1 : 1;
  return Buffer.compare(encodeName(a), encodeName(b));
}

function hasLoneEscape(name: string): boolean {
  for (const char of name) {
    const code = char.codePointAt(0) as number;
    if (code >= 0xdc80 && code <= 0xdcff) return true;
  }
  return false;
}

/** Bytes of the well-formed UTF-8 sequence at `at`, 0 where there is none (RFC 3629). */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] as number;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  const text = bytes.toString("utf8", at, at + length);
  return text.includes("\ufffd") && !(length === 3 && first === 0xef && bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd) ? 0 : length;
}
