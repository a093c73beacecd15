import { isAlias, isMap, isScalar, isSeq, type Node } from "yaml";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";

/** Where an offset of the text is, for a message: `recipe.yaml:12`. */
export type Mark = (offset: number | undefined) => string;

/** The fields of a map whose keys are known. */
export interface Fields {
  get(key: string): Field | undefined;
  /** Throws USAGE where it is missing. */
  need(key: string): Field;
}

/** A value of a YAML document, read as what it should be. Everything else throws USAGE with its line. Aliases are not taken. */
export class Field {
  readonly #node: Node | null | undefined;
  readonly #mark: Mark;
  readonly #name: string;

  constructor(node: Node | null | undefined, mark: Mark, name: string) {
    this.#node = node;
    this.#mark = mark;
    this.#name = name;
  }

  /** `recipe.yaml:3`. */
  place(): string {
    return this.#mark(this.#node?.range?.[0]);
  }

  bad(why: string): Failure {
    return new Failure("USAGE", `${this.place()}: ${printable(this.#name)} ${why}`);
  }

  map(keys: readonly string[]): Fields {
    const node = this.#node;
    if (isAlias(node) || !isMap(node)) throw this.bad("must be a map of names and values");
    const found = new Map<string, Field>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : "";
      const field = new Field(value as Node | null, this.#mark, name);
      if (!keys.includes(name))
        throw new Failure("USAGE", `${this.#mark((key as Node).range?.[0])}: ${printable(this.#name)} has no "${printable(name)}"`, {
          hint: `Known are ${keys.join(", ")}.`,
        });
      if (!isScalar(value) || value.value !== null) found.set(name, field);
    }
    return {
      get: (key) => found.get(key),
      need: (key) => {
        const field = found.get(key);
        if (!field) throw this.bad(`needs "${key}"`);
        return field;
      },
    };
  }

  list(): Field[] {
    const node = this.#node;
    if (isAlias(node) || !isSeq(node)) throw this.bad("must be a list");
    return node.items.map((item, index) => new Field(item as Node, this.#mark, `${this.#name}[${index + 1}]`));
  }

  text(): string {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value !== "string" || value.includes("\0")) throw this.bad("must be a text");
    return value;
  }

  /** A text or a number, as text. */
  scalar(): string {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    return typeof value === "number" && Number.isSafeInteger(value) ? String(value) : this.text();
  }

  texts(): string[] {
    return this.list().map((one) => one.scalar());
  }

  bool(): boolean {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value !== "boolean") throw this.bad("must be true or false");
    return value;
  }

  number(least: number, most: number): number {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most)
      throw this.bad(`must be a whole number from ${least} to ${most}`);
    return value;
  }

  /** Permission bits, written as octal digits: `"0644"` or `0o644`. */
  mode(): number {
    const node = this.#node;
    const value = isScalar(node) ? node.value : undefined;
    const written = isScalar(node) ? (node.source ?? String(value)) : "";
    const digits = /^(?:0o)?([0-7]{3,5})$/.exec(typeof value === "string" ? value : written)?.[1];
    const mode = digits === undefined ? Number.NaN : Number.parseInt(digits, 8);
    if (!(mode <= 0o7777)) throw this.bad('must be octal digits, like "0644"');
    return mode;
  }

  path(): string {
    const text = this.text();
    if (!text.startsWith("/") || text.split("/").includes("..")) throw this.bad("must be an absolute path");
    return text.replace(/\/+/g, "/").replace(/(.)\/$/, "$1");
  }

  pairs(): Record<string, string> {
    const node = this.#node;
    if (isAlias(node) || !isMap(node)) throw this.bad("must be a map of names and values");
    const entries = node.items.map(({ key, value }) => {
      const name = isScalar(key) ? String(key.value) : "";
      if (name === "" || name === "__proto__" || /[=\0\n]/.test(name)) throw this.bad(`cannot have the name "${printable(name)}"`);
      return [name, new Field(value as Node, this.#mark, name).scalar()] as const;
    });
    return Object.fromEntries(entries);
  }
}
