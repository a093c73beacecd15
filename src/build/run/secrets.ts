import { readFileSync } from "node:fs";
import { csvFields } from "../../dockerfile/csv.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

/** The largest secret, as BuildKit has it: 500 KiB. */
const LARGEST = 500 << 10;

/** Where each secret of `--secret` comes from. */
export type Secrets = ReadonlyMap<string, { readonly file: string } | { readonly variable: string }>;

/** Reads `--secret` values that the command line has checked: `id=ID[,src=FILE|,env=NAME]`. */
export function secretsOf(texts: readonly string[], env: NodeJS.ProcessEnv): Secrets {
  const secrets = new Map<string, { readonly file: string } | { readonly variable: string }>();
  for (const text of texts) {
    const fields = new Map(
      csvFields(text).map((field) => {
        const [key = "", value = ""] = field.split(/=(.*)/s, 2);
        return [key.toLowerCase() === "source" ? "src" : key.toLowerCase(), value];
      }),
    );
    const id = fields.get("id") ?? "";
    const src = fields.get("src");
    const variable = fields.get("env") ?? (fields.get("type") === "env" ? src : undefined);
    if (variable !== undefined) secrets.set(id, { variable });
    else if (src === undefined && Object.hasOwn(env, id) && fields.get("type") !== "file") secrets.set(id, { variable: id });
    else secrets.set(id, { file: src ?? id });
  }
  return secrets;
}

/**
 * The bytes of a secret, read at the moment they are needed; undefined where no such secret was given. They are kept nowhere.
 * Throws NOT_FOUND for a file that is gone, LIMIT.
 */
export function readSecret(secrets: Secrets, id: string, env: NodeJS.ProcessEnv): Uint8Array | undefined {
  const from = secrets.get(id);
  if (from === undefined) return undefined;
  const bytes = "variable" in from ? Buffer.from(env[from.variable] ?? "") : read(id, from.file);
  if (bytes.length > LARGEST) throw new Failure("LIMIT", `secret ${printable(id)} has ${bytes.length} bytes; ${LARGEST} are accepted`);
  return bytes;
}

function read(id: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    throw new Failure("NOT_FOUND", `secret ${printable(id)}: its file ${printable(file)} cannot be read`);
  }
}
