import { Failure } from "../../kit/error.ts";
import { readUntil } from "../image-filter.ts";

/**
 * `--since` and `--until`: a time, seconds since the epoch, or a duration back from now, in nanoseconds since the epoch. Undefined where
 * nothing is given. Throws USAGE.
 */
export function readMoment(text: string | undefined, flag: string): bigint | undefined {
  if (text === undefined || text === "") return undefined;
  // Dates hold fractions that docker writes itself.
  const [, seconds, fraction = ""] = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\.(\d{1,9})Z$/.exec(text) ?? [];
  if (seconds !== undefined) return BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
  try {
    return BigInt(Math.round(readUntil(text) * 1000)) * 1000n;
  } catch (error) {
    if (error instanceof Failure)
      throw new Failure("USAGE", error.message.replace(/^until=/, `invalid value for "${flag}": `), { exit: 1 });
    throw error;
  }
}
