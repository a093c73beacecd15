/** A part of a blob: `to` is exclusive. */
export interface Part {
  readonly from: number;
  readonly to: number;
}

/**
 * What a Range header asks of `size` bytes (RFC 9110, 14.2): a part, `whole` where there is no header or one that is to be ignored
 * (another unit, several parts, not well formed), or `none` where nothing of the bytes is in it.
 */
export function readRangeHeader(header: string | undefined, size: number): Part | "whole" | "none" {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "");
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
