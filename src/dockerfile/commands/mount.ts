import type { RunMount } from "../command.ts";
import { csvFields } from "../csv.ts";
import { Mistake } from "../mistake.ts";
import { quote } from "../quote.ts";
import { didYouMean } from "../suggest.ts";

const TYPES = ["bind", "cache", "tmpfs", "secret", "ssh"] as const;
const SHARING = ["shared", "private", "locked"] as const;
const ALIASES: ReadonlyMap<string, string> = new Map([
  ["src", "source"],
  ["dst", "target"],
  ["destination", "target"],
  ["ro", "readonly"],
  ["rw", "readwrite"],
]);
const KEYS = [
  "type",
  "from",
  "source",
  "target",
  "readonly",
  "readwrite",
  "id",
  "sharing",
  "required",
  "size",
  "mode",
  "uid",
  "gid",
  "env",
];
const ALL_KEYS = [...KEYS, ...ALIASES.keys()];

type Draft = { -readonly [K in keyof RunMount]: RunMount[K] };

/**
 * Reads the value of one `RUN --mount=…` (docker's reference, "RUN --mount"). `expand` gives the value of a word with
 * variables; without it, options that hold variables and have a closed set of values are left undefined, and `variables`
 * is set: read `text` again when the variables are known. Throws Mistake.
 */
export function parseMount(text: string, expand?: (word: string) => string): RunMount {
  if (text === "") throw new Mistake("failed to parse csv mounts: EOF");
  const draft: Draft = { type: "bind", text };
  const seen = new Set<string>();
  let variables = false;
  for (const field of csvFields(text)) {
    const equals = field.indexOf("=");
    const given = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const key = ALIASES.get(given) ?? given;
    if (!KEYS.includes(key)) {
      if (equals < 0) throw new Mistake(`invalid field '${field}' must be a key=value pair`);
      throw new Mistake(`unexpected key '${given}' in '${field}'${didYouMean(given, ALL_KEYS)}`);
    }
    const slot = key === "readwrite" ? "readonly" : key;
    if (seen.has(slot)) throw new Mistake(`the mount option '${slot}' is given twice in '${text}'`);
    seen.add(slot);
    let value = equals < 0 ? undefined : field.slice(equals + 1);
    if (value === undefined && slot !== "readonly" && key !== "required") {
      throw new Mistake(`invalid field '${field}' must be a key=value pair`);
    }
    if (value?.includes("$")) {
      if (key === "from") throw new Mistake("'from' doesn't support variable expansion, define alias stage instead");
      if (expand) value = expand(value);
      else {
        variables = true;
        if (!WORDS.has(key)) continue;
      }
    }
    set(draft, key, given, value);
  }
  if (variables) return { ...draft, variables };
  return complete(draft, seen);
}

/** Options whose value is any text. */
const WORDS = new Set(["from", "source", "target", "id", "env"]);

function set(draft: Draft, key: string, given: string, value = "true"): void {
  switch (key) {
    case "type":
      draft.type = choice(TYPES, value, "unsupported mount type");
      break;
    case "sharing":
      draft.sharing = choice(SHARING, value, "unsupported sharing value");
      break;
    case "readonly":
      draft.readonly = truth(given, value);
      break;
    case "readwrite":
      draft.readonly = !truth(given, value);
      break;
    case "required":
      draft.required = truth(given, value);
      break;
    case "size":
      draft.size = bytes(value);
      break;
    case "mode":
      if (!/^[0-7]{1,11}$/.test(value) || Number.parseInt(value, 8) > 0xffff_ffff) throw new Mistake(`invalid value ${value} for mode`);
      draft.mode = Number.parseInt(value, 8);
      break;
    case "uid":
    case "gid":
      if (!/^\d{1,10}$/.test(value) || Number(value) > 0xffff_ffff) {
        throw new Mistake(`invalid value ${value} for ${key}`, "Ids are 0 to 4294967295.");
      }
      draft[key] = Number(value);
      break;
    default:
      draft[key as "from" | "source" | "target" | "id" | "env"] = value;
  }
}

function choice<T extends string>(options: readonly T[], value: string, complaint: string): T {
  const found = options.find((option) => option === value.toLowerCase());
  if (found === undefined) throw new Mistake(`${complaint} ${quote(value)}${didYouMean(value, options)}`, `It is ${options.join(", ")}.`);
  return found;
}

/** Go's `strconv.ParseBool`. */
function truth(key: string, value: string): boolean {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw new Mistake(`invalid value for ${key}: ${value}`);
}

/** `64m`, `1.5GiB`: powers of 1024, as docker counts memory. */
function bytes(value: string): number {
  const found = /^(\d{1,16}(?:\.\d{1,16})?) ?([kmgtp]?)(?:i?b)?$/i.exec(value);
  const power = " kmgtp".indexOf(found?.[2]?.toLowerCase() || " ");
  const size = found ? Math.floor(Number(found[1]) * 1024 ** power) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw new Mistake(`invalid value for size: ${value}`, "It is a number of bytes, with k, m, g, t or p.");
  return size;
}

/** The rules between options, as BuildKit checks them, and the default of `readonly`. */
function complete(draft: Draft, seen: ReadonlySet<string>): RunMount {
  const { type } = draft;
  const only = (key: string, types: readonly string[], message: string): void => {
    if (seen.has(key) && !types.includes(type)) throw new Mistake(message);
  };
  for (const key of ["mode", "uid", "gid"]) only(key, ["secret", "ssh", "cache"], `${key} not allowed for "${type}" type mounts`);
  only("size", ["tmpfs"], `unexpected key 'size' for mount type '${type}'`);
  only("required", ["secret", "ssh"], `unexpected key 'required' for mount type '${type}'`);
  only("env", ["secret"], `unexpected key 'env' for mount type '${type}'`);
  if (type === "secret") {
    if (draft.from) throw new Mistake("secret mount should not have a from");
    if (draft.sharing) throw new Mistake("secret mount should not define sharing");
    if (!draft.source && !draft.target && !draft.id && !draft.env) {
      throw new Mistake("invalid secret mount. one of source, target required");
    }
    if (draft.source && draft.id) throw new Mistake("both source and id can't be set");
  }
  if (draft.sharing && type !== "cache") throw new Mistake(`invalid cache sharing set for ${type} mount`);
  if (draft.target !== undefined && isRoot(draft.target)) throw new Mistake(`invalid mount target ${quote(draft.target)}`);
  if (draft.id?.split("/").includes("..")) throw new Mistake(`invalid mount id ${quote(draft.id)}: it must not hold ..`);
  return { ...draft, readonly: draft.readonly ?? (type !== "cache" && type !== "tmpfs") };
}

/** True for a target that is the root of the file system or above the working directory. */
function isRoot(target: string): boolean {
  const parts: string[] = [];
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.length === 0 && (target.startsWith("/") || target.split("/").includes(".."));
}
