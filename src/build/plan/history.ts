import type { Healthcheck, HistoryEntry } from "../../oci/config.ts";

/** What BuildKit writes as the comment of every entry that the Dockerfile frontend makes. */
export const HISTORY_COMMENT = "buildkit.dockerfile.v0";

/** The entry of an instruction that changes files (`layer`) or only the configuration. */
export function historyEntry(text: string, layer: boolean): HistoryEntry {
  return { created_by: text, comment: HISTORY_COMMENT, ...(layer ? {} : { empty_layer: true }) };
}

/** A string as Go's %q prints it: the form that exec commands have in history. */
export function goQuote(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    if (char === '"' || char === "\\") out += `\\${char}`;
    else if (NAMED[char] !== undefined) out += NAMED[char];
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (code >= 0x80 && code < 0xa0) out += `\\u${code.toString(16).padStart(4, "0")}`;
    else out += char;
  }
  return `${out}"`;
}

const NAMED: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};

/** A list of strings as Go's %q prints it: `["/app" "-x"]`. */
export function goQuoteList(words: readonly string[]): string {
  return `[${words.map(goQuote).join(" ")}]`;
}

/** A list of strings as Go's %v prints it: `[/data /logs]`. */
export function goList(words: readonly string[]): string {
  return `[${words.join(" ")}]`;
}

/** A duration in nanoseconds as Go prints it: `1m30s`, `500ms`, `0s`. */
export function goDuration(ns: number): string {
  if (ns === 0) return "0s";
  const trim = (value: number, digits: number) => value.toFixed(digits).replace(/\.?0+$/, "");
  if (ns < 1e3) return `${ns}ns`;
  if (ns < 1e6) return `${trim(ns / 1e3, 3)}µs`;
  if (ns < 1e9) return `${trim(ns / 1e6, 6)}ms`;
  const hours = Math.floor(ns / 3600e9);
  const minutes = Math.floor((ns % 3600e9) / 60e9);
  const seconds = (ns % 60e9) / 1e9;
  const tail = `${trim(seconds, 9)}s`.replace(/^0s$/, "0s");
  if (hours > 0) return `${hours}h${minutes}m${tail}`;
  return minutes > 0 ? `${minutes}m${tail}` : tail;
}

/** A health check as BuildKit's history has it: Go's %q of the configuration's struct. */
export function goHealthcheck(check: Healthcheck): string {
  const { Test = [], Interval = 0, Timeout = 0, StartPeriod = 0, StartInterval = 0, Retries = 0 } = check;
  const times = [Interval, Timeout, StartPeriod, StartInterval].map((time) => goQuote(goDuration(time))).join(" ");
  return `&{${goQuoteList(Test)} ${times} ${goRune(Retries)}}`;
}

/** A number as Go's %q prints it: as a character. */
function goRune(code: number): string {
  if (code >= 0x20 && code < 0x7f)
    return code === 0x27 || code === 0x5c ? `'\\${String.fromCharCode(code)}'` : `'${String.fromCharCode(code)}'`;
  const named = NAMED[String.fromCharCode(code)];
  if (named !== undefined) return `'${named}'`;
  return code < 0x80 ? `'\\x${code.toString(16).padStart(2, "0")}'` : `'${String.fromCodePoint(code)}'`;
}
