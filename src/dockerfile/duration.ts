import { Mistake } from "./mistake.ts";
import { quote } from "./quote.ts";

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["\u00b5s", 1_000n],
  ["\u03bcs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);
const MOST = 2n ** 63n - 1n;

/**
 * Reads a duration like `1h30m` or `1.5s` into nanoseconds. Grammar and messages are those of Go's `time.ParseDuration`.
 * Throws Mistake for anything else, and for what does not fit into 63 bits.
 */
export function parseDuration(text: string): number {
  const invalid = new Mistake(
    `time: invalid duration ${quote(text)}`,
    "A duration is a number with a unit: ns, us, ms, s, m or h, at most 292 years.",
  );
  const sign = /^[-+]/.exec(text)?.[0] ?? "";
  let rest = text.slice(sign.length, 256);
  if (rest === "0") return 0;
  if (rest === "" || text.length > 256) throw invalid;
  let total = 0n;
  while (rest !== "") {
    const found = /^(\d*)(?:\.(\d*))?([^\d.]*)/.exec(rest) as RegExpExecArray;
    const [all, whole, fraction = "", unit] = found as unknown as [string, string, string | undefined, string];
    if (whole === "" && fraction === "") throw invalid;
    if (unit === "") throw new Mistake(`time: missing unit in duration ${quote(text)}`, invalid.hint);
    const scale = UNITS.get(unit);
    if (scale === undefined) throw new Mistake(`time: unknown unit ${quote(unit)} in duration ${quote(text)}`, invalid.hint);
    total += BigInt(whole || "0") * scale + (BigInt(fraction || "0") * scale) / 10n ** BigInt(fraction.length);
    if (total > MOST) throw invalid;
    rest = rest.slice(all.length);
  }
  return Number(sign === "-" ? -total : total);
}
