import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

const DEFAULT = "ctrl-p,ctrl-q";

/** The bytes of `--detach-keys`: single characters and `ctrl-X`, apart by commas. Throws USAGE. */
export function readDetachKeys(text: string | undefined): Buffer {
  const keys = (text || DEFAULT).split(",").map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const [, control] = /^ctrl-([a-zA-Z@[\\\]^_])$/.exec(key) ?? [];
    if (control === undefined)
      throw new Failure("USAGE", `invalid detach keys (${printable(text ?? "")}): unknown character: '${printable(key)}'`, { exit: 1 });
    return control.toUpperCase().charCodeAt(0) & 0x1f;
  });
  return Buffer.from(keys);
}

/**
 * Hands input on until the keys come, one after the other; then it calls `detach` and ends. A beginning of them that leads to nothing is
 * handed on late.
 */
export async function* untilKeys(input: AsyncIterable<Uint8Array>, keys: Uint8Array, detach: () => void): AsyncGenerator<Uint8Array> {
  let matched = 0;
  for await (const piece of input) {
    const out: number[] = [];
    for (const byte of piece) {
      if (byte === keys[matched]) {
        if (++matched < keys.length) continue;
        if (out.length > 0) yield Uint8Array.from(out);
        detach();
        return;
      }
      out.push(...keys.subarray(0, matched));
      matched = byte === keys[0] ? 1 : 0;
      if (matched === 0) out.push(byte);
    }
    if (out.length > 0) yield Uint8Array.from(out);
  }
}
