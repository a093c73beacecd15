import { csvFields } from "../../dockerfile/csv.ts";
import { Mistake } from "../../dockerfile/mistake.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

/** Attributes of one entry; each is taken once. */
export interface Attributes {
  take(key: string): string | undefined;
  flag(key: string, fallback: boolean): boolean;
  rest(): readonly string[];
}

/** The entries of one flag: `type=…,a=b`, or names in registries alone. No message quotes the text, which may hold keys. Throws USAGE. */
export function entriesOf(text: string, flag: string): readonly Attributes[] {
  let fields: string[];
  try {
    fields = csvFields(text);
  } catch (error) {
    if (error instanceof Mistake) throw new Failure("USAGE", `invalid ${flag}: ${error.message}`);
    throw error;
  }
  if (fields.every((field) => !field.includes("="))) {
    return fields
      .filter((field) => field !== "")
      .map((name) =>
        attributesOf(
          new Map([
            ["type", "registry"],
            ["ref", name],
          ]),
          flag,
        ),
      );
  }
  const given = new Map<string, string>();
  for (const [n, field] of fields.entries()) {
    const at = field.indexOf("=");
    if (at < 0) throw new Failure("USAGE", `invalid ${flag}: field ${n + 1} has no =`);
    given.set(field.slice(0, at).trim().toLowerCase(), field.slice(at + 1).trim());
  }
  return [attributesOf(given, flag)];
}

function attributesOf(given: Map<string, string>, name: string): Attributes {
  const take = (key: string) => {
    const value = given.get(key);
    given.delete(key);
    return value === "" ? undefined : value;
  };
  return {
    take,
    flag(key, fallback) {
      const value = take(key);
      if (value === undefined) return fallback;
      if (/^(?:1|t|true)$/i.test(value)) return true;
      if (/^(?:0|f|false)$/i.test(value)) return false;
      throw new Failure("USAGE", `${name}: ${key}=${printable(value)} is neither true nor false`);
    },
    rest: () => [...given.keys()],
  };
}
