import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { Directives, frontendWarning } from "./directive.ts";
import { endsHeredoc, heredocsOfLine } from "./heredoc.ts";
import { mayHoldHeredocs, readInstruction } from "./instruction.ts";
import { Faults, Mistake } from "./mistake.ts";
import { continuation, isTooLong, LINE_BYTES, readSource, type Source } from "./source.ts";
import { trim, trimReturn, trimStart } from "./space.ts";
import type { Heredoc, Instruction, Syntax, SyntaxWarning } from "./syntax.ts";

/**
 * Reads a Dockerfile into its syntax tree, as BuildKit's parser does (frontend/dockerfile/parser). Only syntax is judged:
 * unknown instructions and flags are no error here. Never throws for bad input: `errors` holds up to
 * LIMITS.dockerfileErrors failures with their lines, and the tree what could be read. `file` is the name for messages.
 */
export function parseDockerfile(bytes: Uint8Array | string, file: string): Syntax {
  const source = readSource(bytes);
  const parser = new Parser(source, file);
  if (source.tooLong === undefined) parser.run();
  else {
    const message = `the Dockerfile has ${source.tooLong} bytes, more than the ${LIMITS.dockerfileBytes} that nought reads`;
    parser.faults.list.push(new Failure("LIMIT", message, { source: { file, line: 1, endLine: 1 } }));
  }
  return {
    file,
    text: source.text,
    lines: source.lines,
    escape: parser.directives.escape,
    directives: parser.directives.list,
    instructions: parser.instructions,
    warnings: parser.warnings,
    errors: parser.faults.list,
  };
}

class Parser {
  readonly source: Source;
  readonly file: string;
  readonly faults: Faults;
  readonly directives = new Directives();
  readonly instructions: Instruction[] = [];
  readonly warnings: SyntaxWarning[] = [];
  /** Lines read so far: the number of the current one. */
  #at = 0;

  constructor(source: Source, file: string) {
    this.source = source;
    this.file = file;
    this.faults = new Faults(file, source.lines);
  }

  run(): void {
    let comments: string[] = [];
    let found = false;
    for (let next = this.#next(); next !== undefined && !this.faults.full; next = this.#next()) {
      this.faults.attempt(this.#at, this.#at, () => this.directives.look(next as string, this.#at));
      const text = trimStart(next);
      if (text.startsWith("#")) comments.push(trim(text.slice(1)));
      if (text === "" || text.startsWith("#")) continue;
      found = true;
      const instruction = this.#instruction(text, comments);
      if (instruction) this.instructions.push(instruction);
      comments = [];
    }
    if (!found && this.faults.list.length === 0) {
      const line = Math.max(1, this.source.count);
      this.faults.add(line, line, new Mistake("file with no instructions", "A Dockerfile begins with FROM, for example `FROM scratch`."));
    }
    for (const directive of this.directives.list) {
      const warning = directive.name === "syntax" ? frontendWarning(directive) : undefined;
      if (warning) this.warnings.unshift(warning);
    }
  }

  /** The next line without its line end; lines above the limit are reported and left out. */
  #next(): string | undefined {
    while (this.#at < this.source.count) {
      const line = this.source.lines[this.#at++] as string;
      if (!isTooLong(line)) return trimReturn(line);
      this.faults.add(this.#at, this.#at, new Mistake(`dockerfile line greater than max allowed size of ${LINE_BYTES}`));
    }
    return undefined;
  }

  #instruction(first: string, comments: readonly string[]): Instruction | undefined {
    const start = this.#at;
    const line = this.#joined(first);
    const end = this.#at;
    const span = { file: this.file, line: start, endLine: end };
    const escape = this.directives.escape;
    const warn = (message: string): void => void this.warnings.push({ message, line: start });
    return this.faults.attempt(start, end, () => {
      if (line.includes("\0")) throw new Mistake("a NUL byte in an instruction");
      const instruction = readInstruction(this.#clean(line, start), { escape, span, comments, warn });
      return mayHoldHeredocs(instruction) ? this.#withHeredocs(instruction, start) : instruction;
    });
  }

  /** Bytes that are not UTF-8 become U+FFFD, as they do on their way through docker. */
  #clean(line: string, start: number): string {
    if (line.isWellFormed()) return line;
    this.warnings.push({ message: "Bytes that are not UTF-8 were replaced by U+FFFD", line: start });
    return line.toWellFormed();
  }

  /** The line with all that continue it. Comment lines and empty lines between them are left out. */
  #joined(first: string): string {
    const parts: string[] = [];
    let text = first;
    let empty = false;
    for (;;) {
      const cutAt = continuation(text, this.directives.escape);
      parts.push(cutAt < 0 ? text : text.slice(0, cutAt));
      if (cutAt < 0) break;
      let next = this.#next();
      for (; next !== undefined; next = this.#next()) {
        const start = trimStart(next);
        if (start !== "" && !start.startsWith("#")) break;
        empty ||= start === "";
      }
      if (next === undefined) break;
      text = next;
    }
    if (empty) this.warnings.push({ rule: "NoEmptyContinuation", message: "Empty continuation line", line: this.#at });
    return parts.join("");
  }

  #withHeredocs(instruction: Instruction, start: number): Instruction {
    const heredocs: Heredoc[] = [];
    for (const head of heredocsOfLine(instruction.original)) {
      const from = this.#at;
      let closed = false;
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        closed = endsHeredoc(head, next);
        if (closed) break;
      }
      heredocs.push({ ...head, content: this.#raw(from, closed ? this.#at - 1 : this.#at) });
      if (!closed) {
        const shift = /(?:^|[\t ])<<[\t ]/.test(instruction.original)
          ? " A shift in shell arithmetic is written without blanks, 1<<2."
          : "";
        const hint = `End it with a line that is exactly ${head.name}.${shift}`;
        this.faults.add(start, this.#at, new Mistake("unterminated heredoc", hint));
        break;
      }
    }
    if (heredocs.length === 0) return instruction;
    const span = { ...instruction.span, endLine: this.#at };
    const trigger = instruction.trigger;
    if (trigger) return { ...instruction, span, heredocs, trigger: { ...trigger, span, heredocs } };
    return { ...instruction, span, heredocs };
  }

  /** Lines as they are in the file, with their ends. */
  #raw(from: number, to: number): string {
    const { lines } = this.source;
    const text = lines.slice(from, to).join("\n");
    return to > from && to < lines.length ? `${text}\n` : text;
  }
}
