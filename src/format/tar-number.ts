/**
 * A numeric field of a tar header: octal digits with spaces or zeros around them (POSIX ustar), or GNU's base-256 for what does
 * not fit: the first byte is 0x80 for numbers from zero on and 0xff for those below, the rest is two's complement, high byte first.
 * Undefined for an empty field (zeros, spaces and zeros), NaN for anything that is neither form or too large to be exact. A field
 * of spaces alone is NaN too, since GNU tar complains of it; with `lax` it is empty.
 */
export function readNumber(block: Uint8Array, at: number, length: number, lax = false): number | undefined {
  const end = at + length;
  const first = block[at] as number;
  if (first >= 0x80) return first === 0x80 || first === 0xff ? readBinary(block, at, end) : Number.NaN;
  let from = at;
  while (from < end && block[from] === 0x20) from++;
  if (from === end) return lax ? undefined : Number.NaN;
  if (block[from] === 0) return isBlank(block, from, end) ? undefined : Number.NaN;
  let value = 0;
  for (; from < end; from++) {
    const digit = (block[from] as number) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  // Spaces may follow, and a zero ends the field: some old writers leave bytes of their buffer after that.
  while (from < end && block[from] === 0x20) from++;
  if (from < end && block[from] !== 0) return Number.NaN;
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

function isBlank(block: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at < end; at++) if (block[at] !== 0 && block[at] !== 0x20) return false;
  return true;
}

function readBinary(block: Uint8Array, at: number, end: number): number {
  const negative = block[at] === 0xff;
  let value = 0;
  for (let from = at + 1; from < end; from++) {
    const byte = block[from] as number;
    value = value * 256 + (negative ? 255 - byte : byte);
    if (!Number.isSafeInteger(value)) return Number.NaN;
  }
  return negative ? -1 - value : value;
}
