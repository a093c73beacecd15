/** A part of a blob: `to` is exclusive. */
export interface Part {
  readonly from: number;
  readonly to: number;
}

/** Parts of one request; who asks for more gets the whole. */
const PARTS = 1_000;

/**
 * What a Range header asks of `size` bytes (RFC 9110, 14.2): parts in the order asked for, `whole` where there is no header or one that is
 * to
 * be ignored (another unit, not well formed, more bytes than there are), or `none` where nothing of the bytes is in it.
 */
export function readRangeHeader(header: string | undefined, size: number): readonly Part[] | "whole" | "none" {
  const text = header?.trim() ?? "";
  if (!text.startsWith("bytes=")) return "whole";
  const words = text.slice(6).split(",");
  if (words.length > PARTS) return "whole";
  const parts: Part[] = [];
  let total = 0;
  for (const word of words) {
    const part = readPart(word.trim(), size);
    if (part === "whole") return "whole";
    if (part === "none") continue;
    parts.push(part);
    total += part.to - part.from;
  }
  // Parts that overlap so much are no use to anybody.
  if (parts.length > 1 && total > size) return "whole";
  return parts.length === 0 ? "none" : parts;
}

function readPart(word: string, size: number): Part | "whole" | "none" {
  const found = /^(\d{0,15})-(\d{0,15})$/.exec(word);
  const [, first = "", last = ""] = found ?? [];
  if (first === "" && last === "") return "whole";
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "none" : { from: size - length, to: size };
  }
  const from = Number(first);
  const to = last === "" ? size : Math.min(Number(last) + 1, size);
  if (last !== "" && Number(last) < from) return "whole";
  return from >= size ? "none" : { from, to };
}

/** The answer to several parts, `multipart/byteranges`: what goes before each, and at the end. RFC 9110, 14.6. */
export function multipart(
  parts: readonly Part[],
  size: number,
  boundary: string,
): { readonly heads: readonly string[]; readonly tail: string } {
  const heads = parts.map(
    ({ from, to }, at) =>
      `${at === 0 ? "" : "\r\n"}--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${from}-${to - 1}/${size}\r\n\r\n`,
  );
  return { heads, tail: `\r\n--${boundary}--\r\n` };
}

/**
 * What the Content-Range of a pushed chunk says: first and last byte (distribution-spec, "Pushing a blob in chunks": `0-99`, without
 * unit; some clients write `bytes 0-99/1000` or `bytes=0-99`). Undefined where it is not well formed.
 */
export function readContentRange(header: string): { readonly first: number; readonly last: number } | undefined {
  const found = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header.trim());
  if (!found) return undefined;
  const [first, last] = [Number(found[1]), Number(found[2])];
  return last < first ? undefined : { first, last };
}
