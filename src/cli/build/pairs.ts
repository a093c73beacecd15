import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

type Pairs = Readonly<Record<string, string>>;

/**
 * `NAME=VALUE` flags as a map; of twins the last counts. A bare NAME is looked up in `env` where one is given and left out when it is not
 * there; without `env` its value is empty. Throws USAGE for an empty name, in buildx's words.
 */
export function readPairs(texts: readonly string[], env?: Readonly<Record<string, string | undefined>>): Pairs {
  const found = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf("=");
    const name = at < 0 ? text : text.slice(0, at);
    if (name === "") throw new Failure("USAGE", `invalid key-value pair "${printable(text)}": empty key`);
    const value = at >= 0 ? text.slice(at + 1) : env ? (Object.hasOwn(env, name) ? env[name] : undefined) : "";
    if (value !== undefined) found.set(name, value);
  }
  return Object.fromEntries(found);
}

/**
 * `--annotation`: `KEY=VALUE`, or `manifest:KEY=VALUE`. Annotations on an index or on a descriptor have no place in an image of one
 * platform. Throws USAGE, UNSUPPORTED.
 */
export function readAnnotations(texts: readonly string[]): Pairs {
  const plain = texts.map((text) => {
    const wrong = new Failure("USAGE", `invalid annotation "${printable(text)}", expected key=value`);
    if (!text.includes("=")) throw wrong;
    const [, types, rest] = /^([a-z,-]+(?:\[[^\]]*\])?(?:,[a-z-]+(?:\[[^\]]*\])?)*):(.*)$/s.exec(text) ?? [];
    if (types === undefined || rest === undefined || !rest.includes("=")) return text;
    const kinds = types.split(",").map((one) => one.replace(/\[.*$/, ""));
    if (kinds.some((one) => !["manifest", "index", "index-descriptor", "manifest-descriptor"].includes(one))) return text;
    if (kinds.some((one) => one !== "manifest")) {
      throw new Failure("UNSUPPORTED", `annotation "${printable(text)}": only the manifest can be annotated yet`, {
        hint: "Leave the part before the colon away.",
      });
    }
    return rest;
  });
  return readPairs(plain);
}
