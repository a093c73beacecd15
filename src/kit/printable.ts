const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\\]/u;

/**
 * Escapes a string from outside for a terminal or a message: control characters, C1, bidirectional marks and lone
 * surrogates (bytes that are not UTF-8, see bytes.ts) become `\xNN` or `\u{…}`. Everything else stays as it is.
 */
export function printable(text: string): string {
  if (!UNSAFE.test(text)) return text;
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    if (char === "\n") out += "\\n";
    else if (char === "\t") out += "\\t";
    else if (char === "\\") out += "\\\\";
    else if (code >= 0xdc80 && code <= 0xdcff) out += `\\x${(code - 0xdc00).toString(16)}`;
    else if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) out += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (UNSAFE.test(char)) out += `\\u{${code.toString(16)}}`;
    else out += char;
  }
  return out;
}

/** Like `printable`, for lines of output of a process: tabs stay, and a carriage return starts nothing anew. */
export function printableLine(text: string): string {
  return UNSAFE.test(text)
    ? text
        .split("\t")
        .map((part) => printable(part).replaceAll("\\\\", "\\"))
        .join("\t")
    : text;
}
