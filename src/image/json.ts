import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";

/**
 * A value of a JSON document. Numbers are whole and exact; any other number is kept as it was written (`JSON.rawJSON`), so that a
 * document that is written again says the same, and so that nobody takes 1.0, 1e3 or 2^60 for an integer.
 */
export type JsonValue = null | boolean | number | string | RawNumber | JsonArray | JsonObject;
export type JsonArray = readonly JsonValue[];
export type JsonObject = { readonly [key: string]: JsonValue };
export interface RawNumber {
  readonly rawJSON: string;
}

const rawJSON = (JSON as unknown as { rawJSON(text: string): RawNumber }).rawJSON;
const isRawJSON = (JSON as unknown as { isRawJSON(value: unknown): boolean }).isRawJSON;

/** Whether a value is an object of a document: no array, no null, no number that was kept as text. */
export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isRawJSON(value);
}

/**
 * Reads a JSON document from outside, strictly (RFC 8259, and RFC 7493 where that leaves room): UTF-8 without a mark, no key twice in
 * one object, no lone surrogates, nothing after the value, no nesting beyond LIMITS.jsonDepth. `__proto__` is a key like any other.
 * `where` names the document in messages. Throws MANIFEST with the position, LIMIT for nesting; sizes are the caller's to check.
 */
export function parseJson(bytes: Uint8Array, where: string): JsonValue {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Failure("MANIFEST", `${where}: not UTF-8 text`, { cause });
  }
  const reader = new Reader(text, where);
  reader.space();
  const value = reader.value(0);
  reader.space();
  if (reader.at < text.length) reader.fail("more text after the end of the document");
  return value;
}

const PLAIN = /[^"\\\u0000-\u001f]*/y;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class Reader {
  readonly #text: string;
  readonly #where: string;
  at = 0;

  constructor(text: string, where: string) {
    this.#text = text;
    this.#where = where;
  }

  fail(what: string): never {
    const line = this.#text.slice(0, this.at).split("\n").length;
    throw new Failure("MANIFEST", `${this.#where}: not valid JSON, line ${line}, character ${this.at}: ${what}`);
  }

  space(): void {
    this.#match(SPACE);
  }

  value(depth: number): JsonValue {
    if (depth > LIMITS.jsonDepth) throw new Failure("LIMIT", `${this.#where}: JSON nested deeper than ${LIMITS.jsonDepth}`);
    const next = this.#text[this.at];
    if (next === "{") return this.#object(depth);
    if (next === "[") return this.#array(depth);
    if (next === '"') return this.#string();
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #match(form: RegExp): RegExpExecArray | null {
    form.lastIndex = this.at;
    const found = form.exec(this.#text);
    if (found) this.at = form.lastIndex;
    return found;
  }

  #number(): JsonValue {
    const found = this.#match(NUMBER);
    if (!found || found[0] === "") this.fail(this.at >= this.#text.length ? "it ends too early" : "no value");
    const [text, fraction, exponent] = found as RegExpExecArray;
    const number = Number(text);
    if (fraction === undefined && exponent === undefined && Number.isSafeInteger(number) && !Object.is(number, -0)) return number;
    return rawJSON(text);
  }

  #string(): string {
    this.at++;
    let out = "";
    for (;;) {
      out += this.#match(PLAIN)?.[0] ?? "";
      const next = this.#text[this.at];
      if (next === '"') {
        this.at++;
        if (!out.isWellFormed()) this.fail("a lone surrogate");
        return out;
      }
      if (next !== "\\") this.fail(next === undefined ? "it ends too early" : "a control character in a string");
      out += this.#escape();
    }
  }

  #escape(): string {
    const letter = this.#text[this.at + 1] ?? "";
    if (letter === "u") {
      const hex = this.#text.slice(this.at + 2, this.at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) this.fail("\\u without four hex digits");
      this.at += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const char = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
    if (char === undefined) this.fail("an escape that JSON does not have");
    this.at += 2;
    return char as string;
  }

  #array(depth: number): JsonArray {
    const out: JsonValue[] = [];
    this.at++;
    this.space();
    if (this.#take("]")) return out;
    for (;;) {
      out.push(this.value(depth + 1));
      this.space();
      if (this.#take("]")) return out;
      if (!this.#take(",")) this.fail("a comma or ] is missing");
      this.space();
    }
  }

  #object(depth: number): JsonObject {
    const out: Record<string, JsonValue> = {};
    this.at++;
    this.space();
    if (this.#take("}")) return out;
    for (;;) {
      if (this.#text[this.at] !== '"') this.fail("a key in quotes is missing");
      const key = this.#string();
      if (Object.hasOwn(out, key)) this.fail(`the key "${printable(key.slice(0, 100))}" a second time`);
      this.space();
      if (!this.#take(":")) this.fail("a colon is missing");
      this.space();
      const value = this.value(depth + 1);
      if (key === "__proto__") Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true });
      else out[key] = value;
      this.space();
      if (this.#take("}")) return out;
      if (!this.#take(",")) this.fail("a comma or } is missing");
      this.space();
    }
  }

  #take(char: string): boolean {
    if (this.#text[this.at] !== char) return false;
    this.at++;
    return true;
  }
}

const WORDS: readonly (readonly [string, JsonValue])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

const ESCAPED: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/**
 * Writes a value as Go's encoding/json does, which all builders use: no spaces, `<`, `>`, `&` and the two Unicode line ends escaped.
 * Keys come in the order of the objects, or of a Map, whose order JavaScript does not change for keys that look like numbers;
 * undefined ones are left out. The same value gives the same bytes.
 */
export function encodeJson(value: unknown): Uint8Array {
  return Buffer.from((write(value) ?? "null").replace(/[<>&\u2028\u2029]/g, (char) => ESCAPED[char] as string));
}

function write(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || isRawJSON(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((one) => write(one) ?? "null").join(",")}]`;
  const fields: string[] = [];
  for (const [key, field] of value instanceof Map ? value : Object.entries(value)) {
    const text = write(field);
    if (text !== undefined) fields.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${fields.join(",")}}`;
}
