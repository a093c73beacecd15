import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { FUNCTIONS, type TemplateFunction } from "./functions.ts";
import { lineOf, quote, TemplateSyntaxError } from "./lex.ts";
import { type Command, type Control, type Node, type Operand, type Pipeline, parseTemplate } from "./parse.ts";
import { fieldOf, isMap, Nil, Row, show, truth, typeName } from "./value.ts";

export interface Template {
  /** What the template makes of a value. Throws USAGE in Go's words when it cannot. */
  execute(data: unknown): string;
}

/** The exit code of a bad template is docker's 1, not that of wrong flags. */
const EXIT = { exit: 1 } as const;
const MOST = 64 << 20;

/**
 * Prepares a template of the Go subset. `functions` replaces some of the usual ones. Throws USAGE for what does not parse, with
 * `parseExit` (docker's is 1 for lists, 64 for single objects).
 */
export function compileTemplate(source: string, functions: Readonly<Record<string, TemplateFunction>> = {}, parseExit = 1): Template {
  const known = (name: string): TemplateFunction | undefined =>
    Object.hasOwn(functions, name) ? functions[name] : Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  let nodes: readonly Node[];
  try {
    nodes = parseTemplate(source, (name) => known(name) !== undefined);
  } catch (error) {
    if (error instanceof TemplateSyntaxError)
      throw new Failure("USAGE", `template parsing error: template: :${error.line}: ${printable(error.message)}`, { exit: parseExit });
    throw error;
  }
  return { execute: (data) => new Run(source, known, data).whole(nodes) };
}

class Leave extends Error {
  readonly again: boolean;
  constructor(again: boolean) {
    super();
    this.again = again;
  }
}

/** One execution: variables are a stack, as blocks open and close. */
class Run {
  readonly #source: string;
  readonly #known: (name: string) => TemplateFunction | undefined;
  readonly #variables: { name: string; value: unknown }[];
  #out = "";

  constructor(source: string, known: (name: string) => TemplateFunction | undefined, data: unknown) {
    this.#source = source;
    this.#known = known;
    this.#variables = [{ name: "$", value: data }];
  }

  whole(nodes: readonly Node[]): string {
    this.#walk(nodes, this.#variables[0]?.value);
    return this.#out;
  }

  #walk(nodes: readonly Node[], dot: unknown): void {
    for (const node of nodes) {
      if (node.kind === "text") this.#write(node.text);
      else if (node.kind === "print") {
        const value = this.#pipeline(node.pipeline, dot);
        if (node.pipeline.declares.length === 0) this.#write(show(value));
      } else if (node.kind === "break" || node.kind === "continue") throw new Leave(node.kind === "continue");
      else this.#scope(() => this.#control(node, dot));
    }
  }

  #control(node: Control, dot: unknown): void {
    if (node.kind === "range") return this.#range(node.pipeline, node.body, node.otherwise, dot);
    const value = this.#pipeline(node.pipeline, dot);
    if (truth(value)) this.#walk(node.body, node.kind === "with" ? value : dot);
    else this.#walk(node.otherwise, dot);
  }

  #range(pipeline: Pipeline, body: readonly Node[], otherwise: readonly Node[], dot: unknown): void {
    const value = this.#pipeline({ ...pipeline, declares: [] }, dot);
    const items: (readonly [unknown, unknown])[] = Array.isArray(value)
      ? value.map((one, i) => [i, one] as const)
      : isMap(value)
        ? Object.keys(value)
            .sort()
            .map((key) => [key, value[key]] as const)
        : typeof value === "number" && Number.isInteger(value) && value <= 1_000_000
          ? Array.from({ length: Math.max(0, value) }, (_, i) => [i, i] as const)
          : value === null || value === undefined || value instanceof Nil
            ? []
            : this.#fail(pipeline, `range can't iterate over ${printable(show(value, false))}`);
    for (const [key, item] of items) {
      try {
        this.#scope(() => {
          const { declares } = pipeline;
          if (declares.length === 1) this.#assign(pipeline, declares[0] as string, item);
          if (declares.length === 2) {
            this.#assign(pipeline, declares[0] as string, key);
            this.#assign(pipeline, declares[1] as string, item);
          }
          this.#walk(body, item);
        });
      } catch (error) {
        if (!(error instanceof Leave)) throw error;
        if (!error.again) return;
      }
    }
    if (items.length === 0) this.#walk(otherwise, dot);
  }

  #pipeline(pipeline: Pipeline, dot: unknown): unknown {
    let value: unknown;
    pipeline.commands.forEach((command, i) => {
      value = this.#command(command, dot, i === 0 ? [] : [value]);
    });
    for (const name of pipeline.declares) this.#assign(pipeline, name, value);
    return value;
  }

  #command({ operands, source }: Command, dot: unknown, piped: readonly unknown[]): unknown {
    const [first, ...rest] = operands;
    if (first.kind === "function") return this.#call(first, rest, dot, piped, source);
    if (rest.length > 0 || piped.length > 0) {
      const name = first.kind === "field" ? (first.names.at(-1) ?? "") : first.source;
      this.#fail(
        first,
        first.kind === "field"
          ? `${name} has arguments but cannot be invoked as function`
          : `can't give argument to non-function ${first.source}`,
      );
    }
    return this.#operand(first, dot);
  }

  #call(
    node: Operand & { readonly kind: "function" },
    operands: readonly Operand[],
    dot: unknown,
    piped: readonly unknown[],
    source = node.source,
  ): unknown {
    const { name } = node;
    const found = this.#known(name) as TemplateFunction;
    const total = operands.length + piped.length;
    if (total < found.min || (found.max !== undefined && total > found.max)) {
      const want = found.max === found.min ? `${found.min}` : total < found.min ? `at least ${found.min}` : `at most ${found.max}`;
      this.#fail(node, `wrong number of args for ${name}: want ${want} got ${total}`);
    }
    const args: unknown[] = [];
    for (const operand of operands) {
      const value = operand.kind === "function" ? this.#call(operand, [], dot, []) : this.#operand(operand, dot);
      args.push(value);
      if ((name === "and" && !truth(value)) || (name === "or" && truth(value))) return value;
    }
    try {
      return found.call(...args, ...piped);
    } catch (error) {
      if (error instanceof Failure) throw error;
      return this.#fail({ at: node.at, source }, `error calling ${name}: ${printable((error as Error).message)}`);
    }
  }

  #operand(node: Operand, dot: unknown): unknown {
    switch (node.kind) {
      case "dot":
        return dot;
      case "nil":
        return this.#fail(node, "nil is not a command");
      case "literal":
        return node.value;
      case "field":
        return this.#fields(node, node.names, dot);
      case "variable": {
        const found = this.#variables.findLast((one) => one.name === node.name);
        if (!found) return this.#fail(node, `undefined variable ${quote(node.name)}`);
        return this.#fields(node, node.names, found.value);
      }
      case "function":
        return this.#call(node, [], dot, []);
      case "pipeline":
        return this.#fields(
          node,
          node.names,
          this.#scope(() => this.#pipeline(node.pipeline, dot)),
        );
    }
  }

  #fields(node: Operand, names: readonly string[], start: unknown): unknown {
    let value = start;
    for (const name of names) {
      if (value instanceof Row) {
        if (!Object.hasOwn(value.fields, name)) {
          this.#fail(
            node,
            value.kind === "struct" ? `map has no entry for key ${quote(name)}` : `can't evaluate field ${name} in type ${value.type}`,
          );
        }
        value = fieldOf(value, name);
      } else if (isMap(value)) {
        value = Object.hasOwn(value, name) ? value[name] : undefined;
      } else if (value === null || value === undefined) this.#fail(node, `nil pointer evaluating interface {}.${name}`);
      else this.#fail(node, `can't evaluate field ${name} in type ${typeName(value)}`);
    }
    return value;
  }

  #assign(pipeline: Pipeline, name: string, value: unknown): void {
    if (!pipeline.assigns) {
      this.#variables.push({ name, value });
      return;
    }
    const found = this.#variables.findLast((one) => one.name === name);
    if (!found) this.#fail(pipeline, `undefined variable ${quote(name)}`);
    else found.value = value;
  }

  #scope<T>(work: () => T): T {
    const depth = this.#variables.length;
    try {
      return work();
    } finally {
      this.#variables.length = depth;
    }
  }

  #write(text: string): void {
    this.#out += text;
    if (this.#out.length > MOST) throw new Failure("LIMIT", `template: the result is larger than ${MOST} characters`);
  }

  #fail(node: { readonly at: number; readonly source: string }, message: string): never {
    const line = lineOf(this.#source, node.at);
    const column = node.at - (this.#source.lastIndexOf("\n", node.at - 1) + 1);
    const source = printable(node.source.length > 200 ? `${node.source.slice(0, 200)}...` : node.source);
    throw new Failure("USAGE", `template parsing error: template: :${line}:${column}: executing "" at <${source}>: ${message}`, EXIT);
  }
}
