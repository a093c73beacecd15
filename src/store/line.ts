import { hash } from "node:crypto";

/**
 * One self-checking line: `<kind> <64 hex digits> <16 hex digits of a check sum> <JSON>\n`. A line that was torn, flipped or
 * filled with zeros reads as undefined, so the worst that damage does is to lose that one line.
 */
export interface Line {
  readonly kind: string;
  readonly hex: string;
  readonly value: unknown;
}

const FORM = /^([a-z]) ([0-9a-f]{64}) ([0-9a-f]{16}) ([^\n]*)\n?$/;

/** Writes a line. `kind` is one lower-case letter, `value` anything that JSON knows. */
export function encodeLine(kind: string, hex: string, value: unknown): string {
  const json = JSON.stringify(value);
  return `${kind} ${hex} ${sum(kind, hex, json)} ${json}\n`;
}

/** Reads a line, with or without its line end. */
export function decodeLine(text: string): Line | undefined {
  const match = FORM.exec(text);
  if (!match) return undefined;
  const [, kind = "", hex = "", check = "", json = ""] = match;
  if (sum(kind, hex, json) !== check) return undefined;
  try {
    return { kind, hex, value: JSON.parse(json) };
  } catch {
    return undefined;
  }
}

function sum(kind: string, hex: string, json: string): string {
  return hash("sha256", `${kind} ${hex} ${json}`, "hex").slice(0, 16);
}
