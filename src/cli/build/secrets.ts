import { statSync } from "node:fs";
import { csvFields } from "../../dockerfile/csv.ts";
import { Mistake } from "../../dockerfile/mistake.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

/** Checks `--secret` values: an id, and a file or variable that is there. They are handed on as given. Throws USAGE. */
export function checkSecrets(texts: readonly string[], env: Readonly<Record<string, string | undefined>>): readonly string[] {
  for (const text of texts) {
    const wrong = (why: string) => new Failure("USAGE", `invalid secret "${printable(text)}": ${why}`);
    const given = new Map<string, string>();
    for (const field of fields(text, wrong)) {
      const at = field.indexOf("=");
      const key = field.slice(0, at).toLowerCase();
      if (at < 0) throw wrong(`invalid field '${printable(field)}' must be a key=value pair`);
      if (!["type", "id", "src", "source", "env"].includes(key)) throw wrong(`unexpected key '${printable(key)}'`);
      given.set(key === "source" ? "src" : key, field.slice(at + 1));
    }
    const type = given.get("type");
    if (type !== undefined && type !== "file" && type !== "env") throw wrong(`unsupported secret type "${printable(type)}"`);
    const id = given.get("id") ?? "";
    if (id === "") throw wrong("secret missing ID");
    const variable = given.get("env") ?? (type === "env" ? given.get("src") : undefined);
    if (variable !== undefined) {
      if (!Object.hasOwn(env, variable)) throw wrong(`there is no environment variable ${printable(variable)}`);
      continue;
    }
    const file = given.get("src");
    if (file === undefined && Object.hasOwn(env, id)) continue;
    if (!statSync(file ?? id, { throwIfNoEntry: false })?.isFile()) {
      throw wrong(file === undefined ? `no source: give src=FILE or env=NAME` : `there is no file ${printable(file)}`);
    }
  }
  return texts;
}

function fields(text: string, wrong: (why: string) => Failure): string[] {
  try {
    return csvFields(text);
  } catch (error) {
    if (error instanceof Mistake) throw wrong(error.message);
    throw error;
  }
}
