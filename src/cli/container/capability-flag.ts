import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { allCapabilities, DEFAULT_CAPABILITIES } from "../../sandbox/capability.ts";

/**
 * The capabilities of a container: docker's list with what `--cap-add` and `--cap-drop` change, `ALL` being all of them. What is both
 * added and dropped by name is dropped unless ALL was dropped. Throws USAGE in docker's words.
 */
export function readCapabilities(add: readonly string[], drop: readonly string[], privileged: boolean): readonly string[] {
  const known = allCapabilities();
  const normal = (text: string) => {
    const name = text.toUpperCase();
    if (name === "ALL") return name;
    const whole = name.startsWith("CAP_") ? name : `CAP_${name}`;
    if (!known.includes(whole))
      throw new Failure("USAGE", `invalid capability: "${printable(text)}"`, { hint: "Names are those of capabilities(7)." });
    return whole;
  };
  const [added, dropped] = [add.map(normal), drop.map(normal)];
  if (privileged) return known;
  const base = dropped.includes("ALL") ? [] : added.includes("ALL") ? known : DEFAULT_CAPABILITIES;
  const all = new Set(dropped.includes("ALL") && added.includes("ALL") ? known : [...base, ...added.filter((one) => one !== "ALL")]);
  if (!dropped.includes("ALL")) for (const one of dropped) all.delete(one);
  return known.filter((one) => all.has(one));
}
