import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { SandboxLimits } from "../../sandbox/spec.ts";

/** As docker has it, in the units of setrlimit(2). */
const FORM = /^([a-z]+)=(-1|\d{1,19})(?::(-1|\d{1,19}))?$/;

/** `--ulimit NAME=SOFT[:HARD]`, -1 for unlimited. Throws USAGE. */
export function readUlimits(texts: readonly string[]): SandboxLimits {
  const ulimits = texts.map((text) => {
    const [, name = "", soft = "", hard = soft] = FORM.exec(text) ?? [];
    if (name === "") throw new Failure("USAGE", `invalid ulimit argument: ${printable(text)}`, { hint: "It is NAME=SOFT[:HARD]." });
    const unlimited = (number: string) => (number === "-1" ? Number.POSITIVE_INFINITY : Number(number));
    if (unlimited(soft) > unlimited(hard))
      throw new Failure("USAGE", `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
    return { name, soft: Number(soft), hard: Number(hard) };
  });
  return ulimits.length === 0 ? {} : { ulimits };
}
