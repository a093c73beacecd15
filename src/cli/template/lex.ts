/** A piece of a template: text as it stands, or the tokens of one `{{…}}`. `at` is the offset in the template. */
export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly tokens: readonly Token[]; readonly at: number };

export interface Token {
  readonly kind: "word" | "field" | "variable" | "string" | "number" | "dot" | "symbol" | "space";
  /** As written; strings are already unquoted. */
  readonly text: string;
  readonly at: number;
}

/** What is wrong with a template, before anything was executed. `line` counts from 1. */
export class TemplateSyntaxError extends Error {
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const BLANK = /[ \t\r\n]/;

/** Cuts a Go template into text and actions; trim markers (`{{- -}}`) and comments are done with here. */
export function lex(source: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trim = false;
  for (;;) {
    const open = source.indexOf("{{", at);
    let text = source.slice(at, open < 0 ? source.length : open);
    if (trim) text = text.trimStart();
    const trimLeft = open >= 0 && source.startsWith("{{-", open) && BLANK.test(source[open + 3] ?? "");
    if (trimLeft) text = text.trimEnd();
    if (text !== "") pieces.push({ kind: "text", text });
    if (open < 0) return pieces;
    const inside = open + (trimLeft ? 3 : 2);
    const comment = /^[ \t\r\n]*\/\*/.exec(source.slice(inside, inside + 4));
    if (comment) {
      const close = source.indexOf("*/", inside);
      if (close < 0) throw new TemplateSyntaxError(lineOf(source, open), "unclosed comment");
      const end = /^(?:[ \t\r\n]+-)?\}\}/.exec(source.slice(close + 2));
      if (!end) throw new TemplateSyntaxError(lineOf(source, open), "comment ends before closing delimiter");
      trim = end[0].length > 2;
      at = close + 2 + end[0].length;
      continue;
    }
    const { tokens, end, trimRight } = lexAction(source, inside);
    pieces.push({ kind: "action", tokens, at: inside });
    trim = trimRight;
    at = end;
  }
}

function lexAction(source: string, start: number): { tokens: Token[]; end: number; trimRight: boolean } {
  const tokens: Token[] = [];
  const fail = (message: string): never => {
    throw new TemplateSyntaxError(lineOf(source, start), message);
  };
  const push = (kind: Token["kind"], text: string, from: number) => tokens.push({ kind, text, at: from });
  let depth = 0;
  for (let at = start; ; ) {
    if (at >= source.length) return fail(depth > 0 ? "unclosed left paren" : "unclosed action");
    const char = source[at] as string;
    const rest = source.slice(at, at + 200);
    if (rest.startsWith("}}")) {
      if (depth > 0) return fail("unclosed left paren");
      return { tokens, end: at + 2, trimRight: false };
    }
    const blank = /^[ \t\r\n]+/.exec(rest)?.[0];
    if (blank) {
      if (source.startsWith("-}}", at + blank.length)) return { tokens, end: at + blank.length + 3, trimRight: true };
      push("space", " ", at);
      at += blank.length;
    } else if (char === '"' || char === "`") {
      const { text, end } = lexString(source, at, fail);
      push("string", text, at);
      at = end;
    } else if (char === "(" || char === ")") {
      depth += char === "(" ? 1 : -1;
      if (depth < 0) return fail("unexpected right paren");
      push("symbol", char, at++);
    } else if (rest.startsWith(":=")) {
      push("symbol", ":=", at);
      at += 2;
    } else if (char === "|" || char === "," || char === "=") push("symbol", char, at++);
    else {
      const number = /^[+-]?(?:0[xX][0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)/.exec(rest)?.[0];
      const mark = char === "." || char === "$" ? char : "";
      const name = number ? "" : nameAt(rest, mark.length, char === "$");
      const found = number ?? (name === "" && mark !== "$" ? (mark === "." ? "." : undefined) : mark + name);
      if (found === undefined) return fail(`unexpected ${quote(char)} in command`);
      push(number ? "number" : mark === "$" ? "variable" : mark === "" ? "word" : name === "" ? "dot" : "field", found, at);
      at += found.length;
    }
  }
}

/** The identifier at `at`; empty where there is none. With `digits` it may begin with one, as the rest of a variable may. */
function nameAt(text: string, at: number, digits: boolean): string {
  let end = at;
  while (end < text.length && /[A-Za-z0-9_]/.test(text[end] as string)) end++;
  // Letters beyond ASCII are rare, and the expression that knows them is slow to make.
  if (end < text.length && text.charCodeAt(end) > 0x7f) end += (/^[\p{L}\p{N}_]*/u.exec(text.slice(end)) as RegExpExecArray)[0].length;
  const name = text.slice(at, end);
  return !digits && /^[0-9]/.test(name) ? "" : name;
}

function lexString(source: string, at: number, fail: (message: string) => never): { text: string; end: number } {
  const mark = source[at] as string;
  let text = "";
  for (let i = at + 1; i < source.length; i++) {
    const char = source[i] as string;
    if (char === mark) return { text, end: i + 1 };
    if (mark === "`" || char !== "\\") {
      if (mark === '"' && char === "\n") break;
      text += char;
      continue;
    }
    const escape = source[++i] ?? "";
    const hex = escape === "x" ? 2 : escape === "u" ? 4 : escape === "U" ? 8 : 0;
    const simple = { n: "\n", t: "\t", r: "\r", '"': '"', "\\": "\\", a: "\x07", b: "\b", f: "\f", v: "\v", "0": "\0" }[escape];
    if (hex > 0) {
      const code = Number.parseInt(source.slice(i + 1, i + 1 + hex), 16);
      if (!(code >= 0 && code <= 0x10ffff)) return fail("invalid syntax");
      text += String.fromCodePoint(code);
      i += hex;
    } else if (simple === undefined) return fail("invalid syntax");
    else text += simple;
  }
  return fail(mark === "`" ? "unterminated raw quoted string" : "unterminated quoted string");
}

/** Line of an offset, counted from 1. */
export function lineOf(source: string, at: number): number {
  return source.slice(0, at).split("\n").length;
}

/** A string as Go's %q writes it. */
export function quote(text: string): string {
  return JSON.stringify(text).replaceAll("\u007f", "\\x7f");
}
