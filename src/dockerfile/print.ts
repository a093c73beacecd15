import { quote } from "./quote.ts";
import { continuation } from "./source.ts";
import { trimStart } from "./space.ts";
import type { Instruction, Syntax } from "./syntax.ts";

/**
 * The syntax tree as JSON for scripts, indented, without a line feed at the end. `args` are words before expansion and
 * unquoting; lines count from 1. Scripts rely on the shape: it only ever grows.
 */
export function printSyntaxJson(syntax: Syntax): string {
  const document = {
    escape: syntax.escape,
    directives: syntax.directives.map(({ name, value, line }) => ({ name, value, line })),
    instructions: syntax.instructions.map(plain),
    warnings: syntax.warnings.map(({ rule, message, line }) => ({ ...(rule === undefined ? {} : { rule }), message, line })),
  };
  return JSON.stringify(document, null, 2);
}

function plain(instruction: Instruction): object {
  const { name, flags, args, json, heredocs, span, original, trigger } = instruction;
  return {
    name,
    flags,
    args,
    json,
    heredocs: heredocs.map((one) => ({ name: one.name, content: one.content, expand: one.expand, chomp: one.chomp, fd: one.fd })),
    startLine: span.line,
    endLine: span.endLine,
    original,
    ...(trigger ? { trigger: plain(trigger) } : {}),
  };
}

/** The tree in the form of BuildKit's parser tests: `(run ["--flag"] "arg" …)`, a line for each instruction. */
export function printSyntaxText(syntax: Syntax): string {
  return syntax.instructions.map((instruction) => `(${sexp(instruction)})`).join("\n");
}

function sexp({ name, flags, args, trigger }: Instruction): string {
  const parts = [name];
  if (flags.length > 0) parts.push(`[${flags.map(quote).join(" ")}]`);
  for (const arg of args) parts.push(quote(arg));
  if (trigger) parts.push(`(${sexp(trigger)})`);
  return trimStart(parts.join(" "));
}

/**
 * The tree as a Dockerfile again: directives, then every instruction on one line with its heredocs below it. Comments are
 * left out. Reading it gives the same tree but for line numbers.
 */
export function printDockerfile(syntax: Syntax): string {
  const out = syntax.directives.map(({ name, value }) => `# ${name}=${value}\n`);
  for (const { original, heredocs } of syntax.instructions) {
    const line = trimStart(original);
    // What ends with the escape character went on to the end of the file. A carriage return would become part of the line's end.
    const open = line === "" || continuation(line, syntax.escape) >= 0;
    out.push(line, open ? syntax.escape : line.endsWith("\r") ? " \n" : "\n");
    for (const { content, name } of heredocs) out.push(content, name, "\n");
  }
  const text = out.join("");
  return text.startsWith("\ufeff") ? `\ufeff${text}` : text;
}
