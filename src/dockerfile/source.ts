import { Buffer } from "node:buffer";
import { decodeName } from "../kit/bytes.ts";
import { LIMITS } from "../kit/limit.ts";

/** A Dockerfile as lines. What is not UTF-8 is kept as lone surrogates (kit/bytes.ts), so that heredoc bodies lose no byte. */
export interface Source {
  readonly text: string;
  /** Without the line feeds; the last one is "" where the file ends with a line feed. */
  readonly lines: readonly string[];
  /** How many of `lines` are lines to a scanner: all, or all but an empty last one. */
  readonly count: number;
  /** Bytes of the input, when it is longer than a Dockerfile may be; `text` is empty then. */
  readonly tooLong?: number;
}

/** The longest line that BuildKit reads, in bytes without the line feed. */
export const LINE_BYTES = 65_535;

/** Decodes a Dockerfile, dropping a byte order mark. Input above LIMITS.dockerfileBytes is not read at all. */
export function readSource(input: Uint8Array | string): Source {
  const size = typeof input === "string" ? Buffer.byteLength(input) : input.byteLength;
  if (size > LIMITS.dockerfileBytes) return { text: "", lines: [], count: 0, tooLong: size };
  const decoded = typeof input === "string" ? input : decode(Buffer.from(input.buffer, input.byteOffset, input.byteLength));
  const text = decoded.startsWith("\ufeff") ? decoded.slice(1) : decoded;
  const lines = text.split("\n");
  return { text, lines, count: lines.at(-1) === "" ? lines.length - 1 : lines.length };
}

/** Line by line where something is wrong, so that one bad byte does not make a long file slow. */
function decode(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd")) return text;
  const lines: string[] = [];
  for (let at = 0; at <= bytes.length; ) {
    const end = bytes.indexOf(0x0a, at);
    const stop = end < 0 ? bytes.length : end;
    lines.push(decodeName(bytes.subarray(at, stop)));
    at = stop + 1;
  }
  return lines.join("\n");
}

/** True when the line has more bytes than BuildKit's scanner takes. */
export function isTooLong(line: string): boolean {
  return line.length * 3 > LINE_BYTES && Buffer.byteLength(line) > LINE_BYTES;
}

/** Where the escape character stands that continues the line: last but for blanks, and not after another one; else -1. */
export function continuation(text: string, escape: string): number {
  let at = text.length - 1;
  while (at >= 0 && (text[at] === " " || text[at] === "\t")) at--;
  return text[at] === escape && text[at - 1] !== escape ? at : -1;
}
