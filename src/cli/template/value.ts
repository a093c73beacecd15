import { calmJson } from "../render/json.ts";

/**
 * Something with named fields, as templates see it. A `context` is one line of a list (docker's formatter contexts: JSON sorted and
 * escaped), a `struct` a part of an inspected object. Fields that are functions are worked out only when asked for.
 */
export class Row {
  readonly kind: "context" | "struct";
  /** What messages call it. */
  readonly type: string;
  readonly fields: Readonly<Record<string, unknown>>;
  /** A struct as JSON, in its own order, where that differs from its fields. */
  readonly json: unknown;
  constructor(kind: "context" | "struct", type: string, fields: Readonly<Record<string, unknown>>, json?: unknown) {
    this.kind = kind;
    this.type = type;
    this.fields = fields;
    this.json = json;
  }
}

/** A list or map of Go that is nil: prints as an empty one and is `null` in JSON. */
export class Nil {
  readonly shown: "[]" | "map[]";
  constructor(shown: "[]" | "map[]") {
    this.shown = shown;
  }
}

/** A field of a row, worked out. */
export function fieldOf(row: Row, name: string): unknown {
  const value = row.fields[name];
  return typeof value === "function" ? (value as () => unknown)() : value;
}

/** Whether a value is a plain map of names to values. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Row) && !(value instanceof Nil);
}

/** What `if` takes for true: Go's rule, anything but the zero value. */
export function truth(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isMap(value)) return Object.keys(value).length > 0;
  return !(value instanceof Nil) && Boolean(value);
}

/** A value as Go's `%v` prints it; at the top of an action, nothing is `<no value>`. */
export function show(value: unknown, top = true): string {
  if (value === null || value === undefined) return top ? "<no value>" : "<nil>";
  if (value instanceof Nil) return value.shown;
  if (value instanceof Row)
    return `{${Object.keys(value.fields)
      .map((name) => show(fieldOf(value, name), false))
      .join(" ")}}`;
  if (Array.isArray(value)) return `[${value.map((one) => show(one, false)).join(" ")}]`;
  if (isMap(value)) {
    const keys = Object.keys(value).sort();
    return `map[${keys.map((key) => `${key}:${show(value[key], false)}`).join(" ")}]`;
  }
  return String(value);
}

/** The Go type that docker's own data would have here, for messages. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return "nil";
  if (value instanceof Row) return value.type;
  if (value instanceof Nil || Array.isArray(value)) return "[]interface {}";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  return typeof value === "string" ? "string" : "map[string]interface {}";
}

/** JSON as Go's encoder writes it, without blanks: maps sorted, structs in their own order, contexts sorted and `<`, `>`, `&` escaped. */
export function goJson(value: unknown): string {
  return encode(value, false, 0);
}

function encode(value: unknown, escape: boolean, depth: number): string {
  if (depth > 200) throw new Error("nested too deeply for JSON");
  if (value === null || value === undefined || value instanceof Nil) return "null";
  if (value instanceof Row) {
    if (value.kind === "struct") return plain(value.json ?? value.fields, escape);
    const names = Object.keys(value.fields).sort();
    return `{${names.map((name) => `${text(name, true)}:${encode(fieldOf(value, name), true, depth + 1)}`).join(",")}}`;
  }
  if (Array.isArray(value)) return `[${value.map((one) => encode(one, escape, depth + 1)).join(",")}]`;
  if (isMap(value)) {
    const keys = Object.keys(value).sort();
    return `{${keys.map((key) => `${text(key, escape)}:${encode(value[key], escape, depth + 1)}`).join(",")}}`;
  }
  return typeof value === "string" ? text(value, escape) : String(value);
}

/** JSON of plain data in its own order. */
function plain(value: unknown, escape: boolean): string {
  return safe(JSON.stringify(value) ?? "null", escape);
}

/** A JSON string that no terminal can be steered with: control and bidirectional characters are `\u` escapes. */
function text(value: string, escape: boolean): string {
  return safe(JSON.stringify(value), escape);
}

function safe(json: string, escape: boolean): string {
  return escape ? calmJson(json).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`) : calmJson(json);
}
