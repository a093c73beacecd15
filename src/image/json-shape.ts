import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { isObject, type JsonArray, type JsonObject, type JsonValue } from "./json.ts";

/**
 * Takes the fields of one object of a document, each with the type it must have. `null` counts as missing, as Go writes it for
 * what is empty. All methods throw MANIFEST with the path of the field.
 */
export class Shape {
  readonly #object: JsonObject;
  readonly where: string;

  /**
   * `known` are the keys that have a meaning. A key that differs from one of them in case only is refused: Go's readers would
   * take it for the same, others would not.
   */
  constructor(value: JsonValue | undefined, where: string, known: readonly string[]) {
    this.where = where;
    if (!isObject(value)) throw new Failure("MANIFEST", `${where}: an object is expected`);
    this.#object = value;
    const lower = new Map(known.map((key) => [key.toLowerCase(), key]));
    for (const key of Object.keys(value)) {
      const meant = lower.get(key.toLowerCase());
      if (meant !== undefined && meant !== key)
        this.fail(`"${printable(key)}" beside or instead of "${meant}", which readers would take differently`);
    }
  }

  fail(what: string): never {
    throw new Failure("MANIFEST", `${this.where}: ${what}`);
  }

  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  string(key: string): string | undefined {
    const value = this.#get(key);
    if (value !== undefined && typeof value !== "string") this.fail(`${key} is not a string`);
    return value as string | undefined;
  }

  boolean(key: string): boolean | undefined {
    const value = this.#get(key);
    if (value !== undefined && typeof value !== "boolean") this.fail(`${key} is not true or false`);
    return value as boolean | undefined;
  }

  /** A whole number that is exact; never negative unless `signed`. */
  integer(key: string, signed = false): number | undefined {
    const value = this.#get(key);
    if (value !== undefined && (typeof value !== "number" || (value < 0 && !signed))) {
      this.fail(`${key} is not a whole number${signed ? "" : " from 0"} to 2^53`);
    }
    return value as number | undefined;
  }

  array(key: string): JsonArray | undefined {
    const value = this.#get(key);
    if (value !== undefined && !Array.isArray(value)) this.fail(`${key} is not a list`);
    return value as JsonArray | undefined;
  }

  strings(key: string): readonly string[] | undefined {
    const list = this.array(key);
    if (list && !list.every((one) => typeof one === "string")) this.fail(`${key} is not a list of strings`);
    return list as readonly string[] | undefined;
  }

  /** The value itself; `null` is missing. */
  value(key: string): JsonValue | undefined {
    return this.#get(key);
  }

  /** An object of strings. */
  map(key: string): Readonly<Record<string, string>> | undefined {
    const value = this.object(key);
    if (value && !Object.values(value).every((one) => typeof one === "string")) this.fail(`${key} is not an object of strings`);
    return value as Readonly<Record<string, string>> | undefined;
  }

  /** An object that serves as a set: only its keys count. */
  set(key: string): Readonly<Record<string, object>> | undefined {
    const value = this.object(key);
    return value && Object.fromEntries(Object.keys(value).map((name) => [name, {}]));
  }

  object(key: string): JsonObject | undefined {
    const value = this.#get(key);
    if (value !== undefined && !isObject(value)) this.fail(`${key} is not an object`);
    return value as JsonObject | undefined;
  }

  /** The fields that are not among `known`; undefined where there are none. */
  rest(known: readonly string[]): Readonly<Record<string, unknown>> | undefined {
    const others = Object.entries(this.#object).filter(([key]) => !known.includes(key));
    return others.length === 0 ? undefined : Object.fromEntries(others);
  }

  #get(key: string): JsonValue | undefined {
    return Object.hasOwn(this.#object, key) ? (this.#object[key] ?? undefined) : undefined;
  }
}

/** An object without the fields that are undefined, as exact optional properties want it. */
export function compact<T extends object>(fields: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
