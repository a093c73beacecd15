import type { Failure } from "../kit/error.ts";
import type { SourceSpan } from "../kit/span.ts";

/** `# name=value` at the top of the file. Docker's reference, "Parser directives". */
export interface Directive {
  readonly name: string;
  readonly value: string;
  readonly line: number;
}

/** `<<NAME … NAME`. `expand` is false for a quoted name, `chomp` true for `<<-`. */
export interface Heredoc {
  readonly name: string;
  readonly content: string;
  readonly expand: boolean;
  readonly chomp: boolean;
  readonly fd: number;
}

/** One instruction as written: words before expansion and unquoting. */
export interface Instruction {
  /** The keyword in lower case; `keyword` is as written. */
  readonly name: string;
  readonly keyword: string;
  readonly flags: readonly string[];
  readonly args: readonly string[];
  readonly json: boolean;
  readonly heredocs: readonly Heredoc[];
  readonly span: SourceSpan;
  /** The instruction's text with continuations joined, as BuildKit's `original`. */
  readonly original: string;
  /** Comment lines directly above it. */
  readonly comments: readonly string[];
  /** The instruction that ONBUILD holds. */
  readonly trigger?: Instruction;
}

/** What the parser says beside the tree: `line` counts from 1. */
export interface SyntaxWarning {
  readonly rule?: string;
  readonly message: string;
  readonly line: number;
}

/** The whole file. Parsing never stops at the first error: `errors` has them all and the tree holds what could be read. */
export interface Syntax {
  readonly file: string;
  readonly text: string;
  /** The file's lines as read, for excerpts. */
  readonly lines: readonly string[];
  readonly escape: "\\" | "`";
  readonly directives: readonly Directive[];
  readonly instructions: readonly Instruction[];
  readonly warnings: readonly SyntaxWarning[];
  readonly errors: readonly Failure[];
}
