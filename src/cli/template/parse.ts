import { lex, lineOf, type Piece, quote, TemplateSyntaxError, type Token } from "./lex.ts";

/** Where in the template, for messages: `source` is the text of the node. */
interface Placed {
  readonly at: number;
  readonly source: string;
}

export type Operand = Placed &
  (
    | { readonly kind: "dot" }
    | { readonly kind: "nil" }
    | { readonly kind: "literal"; readonly value: string | number | boolean }
    | { readonly kind: "field"; readonly names: readonly string[] }
    | { readonly kind: "variable"; readonly name: string; readonly names: readonly string[] }
    | { readonly kind: "function"; readonly name: string }
    | { readonly kind: "pipeline"; readonly pipeline: Pipeline; readonly names: readonly string[] }
  );

export interface Pipeline extends Placed {
  readonly declares: readonly string[];
  /** `$x = …` rather than `$x := …`. */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

/** A function with its operands, or one operand alone. `source` is its text, for messages. */
export interface Command {
  readonly operands: readonly [Operand, ...Operand[]];
  readonly source: string;
}

export interface Control {
  readonly kind: "if" | "range" | "with";
  readonly pipeline: Pipeline;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[];
}

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "print"; readonly pipeline: Pipeline }
  | Control
  | { readonly kind: "break" }
  | { readonly kind: "continue" };

/** How deep blocks and parentheses may nest. */
const DEPTH = 200;

/** Parses the part of Go's text/template that docker's users write. `knows` says which functions there are. Throws TemplateSyntaxError. */
export function parseTemplate(source: string, knows: (name: string) => boolean): readonly Node[] {
  const pieces = lex(source);
  const variables = ["$"];
  let next = 0;
  const { nodes, ended } = block(0, 0);
  if (ended) throw new TemplateSyntaxError(lineOf(source, ended.at), `unexpected {{${ended.word}}}`);
  return nodes;

  function block(depth: number, loops: number): { nodes: Node[]; ended?: { word: string; at: number; tokens: readonly Token[] } } {
    if (depth > DEPTH) throw new TemplateSyntaxError(1, "template nests too deeply");
    const nodes: Node[] = [];
    while (next < pieces.length) {
      const piece = pieces[next++] as Piece;
      if (piece.kind === "text") {
        nodes.push(piece);
        continue;
      }
      const tokens = trimmed(piece.tokens);
      const word = tokens[0]?.kind === "word" ? tokens[0].text : "";
      if (word === "end" || word === "else") return { nodes, ended: { word, at: piece.at, tokens: tokens.slice(1) } };
      if (word === "if" || word === "range" || word === "with") {
        nodes.push(control(word, tokens.slice(1), piece.at, depth, word === "range" ? loops + 1 : loops));
      } else if (word === "break" || word === "continue") {
        if (loops === 0) throw new TemplateSyntaxError(lineOf(source, piece.at), `{{${word}}} outside {{range}}`);
        nodes.push({ kind: word });
      } else if (word === "define" || word === "template" || word === "block") {
        throw new TemplateSyntaxError(lineOf(source, piece.at), `{{${word}}} is not supported`);
      } else {
        nodes.push({ kind: "print", pipeline: new Reader(source, tokens, piece.at, knows, variables).whole("command") });
      }
    }
    return { nodes };
  }

  function control(kind: "if" | "range" | "with", tokens: readonly Token[], at: number, depth: number, loops: number): Node {
    const outer = variables.length;
    const pipeline = new Reader(source, trimmed(tokens), at, knows, variables).whole(kind, kind === "range");
    const inner = variables.length;
    const body = block(depth + 1, loops);
    variables.length = inner;
    let otherwise: readonly Node[] = [];
    let ended = body.ended;
    if (ended?.word === "else") {
      const rest = trimmed(ended.tokens);
      if (rest[0]?.kind === "word" && rest[0].text === kind && kind !== "range") {
        return { kind, pipeline, body: body.nodes, otherwise: [control(kind, rest.slice(1), ended.at, depth + 1, loops)] };
      }
      if (rest.length > 0) throw new TemplateSyntaxError(lineOf(source, ended.at), `unexpected ${quote(rest[0]?.text ?? "")} in else`);
      const other = block(depth + 1, loops);
      otherwise = other.nodes;
      ended = other.ended;
      if (ended?.word === "else") throw new TemplateSyntaxError(lineOf(source, ended.at), "expected end; found {{else}}");
    }
    if (!ended) throw new TemplateSyntaxError(lineOf(source, source.length), "unexpected EOF");
    variables.length = outer;
    return { kind, pipeline, body: body.nodes, otherwise };
  }
}

function trimmed(tokens: readonly Token[]): readonly Token[] {
  let from = 0;
  let to = tokens.length;
  while (from < to && tokens[from]?.kind === "space") from++;
  while (to > from && tokens[to - 1]?.kind === "space") to--;
  return tokens.slice(from, to);
}

/** Reads the tokens of one action. */
class Reader {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  readonly #start: number;
  readonly #knows: (name: string) => boolean;
  /** Those in sight; what this action declares is added. */
  readonly #variables: string[];
  #at = 0;

  constructor(source: string, tokens: readonly Token[], start: number, knows: (name: string) => boolean, variables: string[]) {
    this.#variables = variables;
    this.#source = source;
    this.#tokens = tokens;
    this.#start = start;
    this.#knows = knows;
  }

  whole(context: string, two = false): Pipeline {
    const pipeline = this.#pipeline(context, two, 0);
    const left = this.#peek();
    if (left) throw this.#fail(`unexpected ${quote(left.text)} in ${context === "command" ? "operand" : context}`);
    return pipeline;
  }

  #pipeline(context: string, two: boolean, depth: number): Pipeline {
    if (depth > DEPTH) throw this.#fail("template nests too deeply");
    const first = this.#at;
    const { declares, assigns } = this.#declaration(two);
    const commands: Command[] = [];
    for (;;) {
      this.#skip();
      const start = this.#at;
      const operands: Operand[] = [];
      for (let token = this.#peek(); token && !isEnd(token); token = this.#peek()) {
        operands.push(this.#operand(depth));
        const after = this.#peek();
        if (after && after.kind !== "space" && !isEnd(after)) throw this.#fail(`unexpected ${quote(after.text)} in operand`);
        this.#skip();
      }
      if (operands.length === 0) throw this.#fail(`missing value for ${context}`);
      if (commands.length > 0 && (operands[0] as Operand).kind !== "function" && operands[0]?.kind === "literal") {
        throw this.#fail(`non executable command in pipeline stage ${commands.length + 1}`);
      }
      commands.push({ operands: operands as [Operand, ...Operand[]], source: this.#text(start) });
      if (this.#peek()?.text !== "|" || this.#peek()?.kind !== "symbol") break;
      this.#at++;
    }
    if (!assigns) this.#variables.push(...declares);
    const from = this.#tokens[first]?.at ?? this.#start;
    return { declares, assigns, commands, at: from, source: this.#text(first) };
  }

  #declaration(two: boolean): { declares: string[]; assigns: boolean } {
    const start = this.#at;
    const declares: string[] = [];
    for (;;) {
      this.#skip();
      const token = this.#peek();
      if (token?.kind !== "variable") break;
      this.#at++;
      this.#skip();
      const symbol = this.#peek();
      declares.push(token.text);
      if (symbol?.text === ":=" || (symbol?.text === "=" && symbol.kind === "symbol")) {
        this.#at++;
        return { declares, assigns: symbol.text === "=" };
      }
      if (symbol?.text !== "," || !two || declares.length > 1) break;
      this.#at++;
    }
    this.#at = start;
    return { declares: [], assigns: false };
  }

  #operand(depth: number): Operand {
    const first = this.#at;
    const token = this.#tokens[this.#at++] as Token;
    const at = token.at;
    const names = () => {
      const found: string[] = [];
      for (let next = this.#peek(); next?.kind === "field"; next = this.#peek()) {
        found.push(next.text.slice(1));
        this.#at++;
      }
      return found;
    };
    const placed = () => ({ at, source: this.#text(first) });
    if (token.kind === "field") {
      // Messages of Go point at the second name of a chain.
      const second = this.#peek();
      const chain = [token.text.slice(1), ...names()];
      return { kind: "field", names: chain, ...placed(), ...(chain.length > 1 && second ? { at: second.at } : {}) };
    }
    if (token.kind === "dot") {
      const chain = names();
      return chain.length > 0 ? { kind: "field", names: chain, ...placed() } : { kind: "dot", ...placed() };
    }
    if (token.kind === "variable") {
      if (!this.#variables.includes(token.text)) throw this.#fail(`undefined variable ${quote(token.text)}`);
      const chain = names();
      return { kind: "variable", name: token.text, names: chain, ...placed() };
    }
    if (token.kind === "string") return { kind: "literal", value: token.text, ...placed() };
    if (token.kind === "number") return { kind: "literal", value: Number(token.text.replaceAll("_", "")), ...placed() };
    if (token.kind === "word") {
      if (token.text === "true" || token.text === "false") return { kind: "literal", value: token.text === "true", ...placed() };
      if (token.text === "nil") return { kind: "nil", ...placed() };
      if (!this.#knows(token.text)) throw this.#fail(`function ${quote(token.text)} not defined`);
      return { kind: "function", name: token.text, ...placed() };
    }
    if (token.text === "(") {
      const pipeline = this.#pipeline("parenthesized pipeline", false, depth + 1);
      if (this.#peek()?.text !== ")") throw this.#fail("unclosed left paren");
      this.#at++;
      const chain = names();
      return { kind: "pipeline", pipeline, names: chain, ...placed() };
    }
    throw this.#fail(`unexpected ${quote(token.text)} in operand`);
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #skip(): void {
    while (this.#peek()?.kind === "space") this.#at++;
  }

  #text(first: number): string {
    const from = this.#tokens[first]?.at ?? this.#start;
    const end = this.#tokens[this.#at]?.at;
    const last = this.#tokens[this.#at - 1];
    return this.#source.slice(from, end ?? (last ? last.at + sourceLength(this.#source, last) : from)).trimEnd();
  }

  #fail(message: string): TemplateSyntaxError {
    return new TemplateSyntaxError(lineOf(this.#source, this.#start), message);
  }
}

function isEnd(token: Token): boolean {
  return token.kind === "symbol" && (token.text === "|" || token.text === ")");
}

/** Length of a token in the source; strings were unquoted, so theirs is found again. */
function sourceLength(source: string, token: Token): number {
  if (token.kind !== "string") return token.text.length;
  const mark = source[token.at] as string;
  for (let i = token.at + 1; i < source.length; i++) {
    if (source[i] === "\\" && mark === '"') i++;
    else if (source[i] === mark) return i + 1 - token.at;
  }
  return 0;
}
