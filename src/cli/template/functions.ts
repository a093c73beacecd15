import { quote } from "./lex.ts";
import { goJson, isMap, Nil, Row, show, truth, typeName } from "./value.ts";

/** A function of templates. A thrown Error's message is what the user reads after `error calling NAME:`. */
export interface TemplateFunction {
  readonly min: number;
  readonly max?: number;
  readonly call: (...args: readonly unknown[]) => unknown;
}

/** Go's builtins and docker's additions. `and` and `or` are evaluated by the executor, which stops at the first that decides. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  and: { min: 1, call: (...args) => args.find((one) => !truth(one)) ?? args.at(-1) },
  or: { min: 1, call: (...args) => args.find(truth) ?? args.at(-1) },
  not: { min: 1, max: 1, call: (value) => !truth(value) },
  len: { min: 1, max: 1, call: length },
  index: { min: 1, call: (value, ...keys) => keys.reduce(element, value) },
  slice: { min: 1, max: 4, call: slice },
  eq: { min: 1, call: (first, ...rest) => some(first, rest) },
  ne: { min: 2, max: 2, call: (a, b) => !same(a, b) },
  lt: { min: 2, max: 2, call: (a, b) => compare(a, b) < 0 },
  le: { min: 2, max: 2, call: (a, b) => compare(a, b) <= 0 },
  gt: { min: 2, max: 2, call: (a, b) => compare(a, b) > 0 },
  ge: { min: 2, max: 2, call: (a, b) => compare(a, b) >= 0 },
  print: { min: 0, call: (...args) => print(args) },
  println: { min: 0, call: (...args) => `${args.map((one) => show(one, false)).join(" ")}\n` },
  printf: { min: 1, call: (form, ...args) => printf(string(form), args) },
  html: { min: 0, call: (...args) => print(args).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`) },
  urlquery: { min: 0, call: (...args) => encodeURIComponent(print(args)).replaceAll("%20", "+") },
  json: { min: 1, max: 1, call: goJson },
  split: { min: 2, max: 2, call: (text, by) => string(text).split(string(by)) },
  join: { min: 2, max: 2, call: (list, by) => strings(list).join(string(by)) },
  title: {
    min: 1,
    max: 1,
    call: (text) =>
      string(text).replace(/(^|[^\p{L}\p{N}_'])(\p{L})/gu, (_, before: string, letter: string) => before + letter.toUpperCase()),
  },
  lower: { min: 1, max: 1, call: (text) => string(text).toLowerCase() },
  upper: { min: 1, max: 1, call: (text) => string(text).toUpperCase() },
  pad: {
    min: 3,
    max: 3,
    call: (text, before, after) => (string(text) === "" ? "" : " ".repeat(count(before)) + string(text) + " ".repeat(count(after))),
  },
  truncate: { min: 2, max: 2, call: (text, width) => string(text).slice(0, Math.max(0, integer(width))) },
};

/** Longest text that pad, printf and the like may make: their widths come from the user, not from trust. */
const WIDEST = 10_000;

function string(value: unknown): string {
  if (typeof value !== "string") throw new Error(`wrong type for value; expected string; got ${typeName(value)}`);
  return value;
}

function strings(value: unknown): readonly string[] {
  if (value === null || value === undefined || value instanceof Nil) return [];
  if (!Array.isArray(value)) throw new Error(`wrong type for value; expected []string; got ${typeName(value)}`);
  return value.map((one) => show(one, false));
}

function integer(value: unknown): number {
  if (!Number.isInteger(value)) throw new Error(`wrong type for value; expected int; got ${typeName(value)}`);
  return value as number;
}

function count(value: unknown): number {
  return Math.min(Math.max(0, integer(value)), WIDEST);
}

function length(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isMap(value)) return Object.keys(value).length;
  if (value instanceof Nil) return 0;
  throw new Error(value === null || value === undefined ? "len of nil pointer" : `len of type ${typeName(value)}`);
}

function element(value: unknown, key: unknown): unknown {
  if (value === null || value === undefined) throw new Error("index of untyped nil");
  if (Array.isArray(value)) {
    const at = integer(key);
    if (at < 0 || at >= value.length) throw new Error(`index out of range: ${at}`);
    return value[at];
  }
  if (isMap(value)) return Object.hasOwn(value, string(key)) ? value[string(key)] : "";
  if (value instanceof Nil) {
    if (value.shown === "map[]") return "";
    throw new Error(`index out of range: ${integer(key)}`);
  }
  throw new Error(`can't index item of type ${typeName(value)}`);
}

function slice(value: unknown, ...bounds: readonly unknown[]): unknown {
  if (typeof value !== "string" && !Array.isArray(value)) throw new Error(`can't slice item of type ${typeName(value)}`);
  const [from = 0, to = value.length] = bounds.map(integer);
  if (from < 0 || to > value.length || from > to) throw new Error(`index out of range: ${Math.max(from, to)}`);
  return value.slice(from, to);
}

function basic(value: unknown): string {
  const kind = value === null || value === undefined ? "nil" : typeof value;
  if (kind === "object" || value instanceof Row) throw new Error(`non-comparable type ${show(value, false)}: ${typeName(value)}`);
  return kind;
}

function same(a: unknown, b: unknown): boolean {
  const [left, right] = [basic(a), basic(b)];
  if (left !== right && left !== "nil" && right !== "nil") throw new Error("incompatible types for comparison");
  return left === "nil" && right === "nil" ? true : a === b;
}

function some(first: unknown, rest: readonly unknown[]): boolean {
  if (rest.length === 0) throw new Error("missing argument for comparison");
  return rest.some((one) => same(first, one));
}

function compare(a: unknown, b: unknown): number {
  if (basic(a) !== basic(b)) throw new Error("incompatible types for comparison");
  if (typeof a === "boolean" || a === null || a === undefined) throw new Error("invalid type for comparison");
  return (a as string) < (b as string) ? -1 : (a as string) > (b as string) ? 1 : 0;
}

/** Go's Sprint: a blank between two operands when neither is a string. */
function print(args: readonly unknown[]): string {
  let out = "";
  args.forEach((one, i) => {
    if (i > 0 && typeof one !== "string" && typeof args[i - 1] !== "string") out += " ";
    out += show(one, false);
  });
  return out;
}

const VERB = /%([-+# 0]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g;

/** Go's Sprintf for the verbs that make sense here; mistakes show in the output as Go shows them. */
function printf(form: string, args: readonly unknown[]): string {
  let next = 0;
  const out = form.replace(VERB, (_, flags: string, width: string | undefined, precision: string | undefined, verb: string) => {
    if (verb === "%") return "%";
    if (next >= args.length) return `%!${verb}(MISSING)`;
    const value = args[next++];
    let text = verbText(verb, value, precision === undefined ? undefined : Math.min(Number(precision), 100), flags);
    const wide = Math.min(Number(width ?? 0), WIDEST);
    if (flags.includes("-")) text = text.padEnd(wide);
    else if (flags.includes("0") && typeof value === "number")
      text = (text.startsWith("-") ? "-" : "") + text.replace("-", "").padStart(wide - (text.startsWith("-") ? 1 : 0), "0");
    else text = text.padStart(wide);
    return text;
  });
  if (next >= args.length) return out;
  return `${out}%!(EXTRA ${args
    .slice(next)
    .map((one) => `${typeName(one)}=${show(one, false)}`)
    .join(", ")})`;
}

function verbText(verb: string, value: unknown, precision: number | undefined, flags: string): string {
  const bad = () => `%!${verb}(${typeName(value)}=${show(value, false)})`;
  const sign = flags.includes("+") && typeof value === "number" && value >= 0 ? "+" : "";
  switch (verb) {
    case "v":
      return show(value, false);
    case "s":
      if (typeof value === "number" || typeof value === "boolean") return bad();
      return precision === undefined ? show(value, false) : [...show(value, false)].slice(0, precision).join("");
    case "q":
      return typeof value === "string"
        ? quote(value)
        : Array.isArray(value)
          ? `[${value.map((one) => quote(show(one, false))).join(" ")}]`
          : bad();
    case "d":
      return Number.isInteger(value) ? sign + String(value) : bad();
    case "x":
    case "X": {
      const text =
        typeof value === "string" ? Buffer.from(value).toString("hex") : Number.isInteger(value) ? (value as number).toString(16) : bad();
      return verb === "X" ? text.toUpperCase() : text;
    }
    case "o":
      return Number.isInteger(value) ? (value as number).toString(8) : bad();
    case "t":
      return typeof value === "boolean" ? String(value) : bad();
    case "f":
      return typeof value === "number" ? sign + value.toFixed(precision ?? 6) : bad();
    case "T":
      return typeName(value);
    default:
      return bad();
  }
}
