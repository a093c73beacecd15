import type { ErrorCode } from "../kit/codes.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printableLine } from "../kit/printable.ts";
import { excerpt } from "./excerpt.ts";

/** Something wrong in one instruction, thrown by the readers of instructions and caught by who knows the place. */
export class Mistake extends Error {
  readonly hint: string | undefined;
  readonly code: ErrorCode;
  constructor(message: string, hint?: string, code: ErrorCode = "SYNTAX") {
    super(message);
    this.hint = hint;
    this.code = code;
  }
}

/** The failures of one file, at most LIMITS.dockerfileErrors and a last one that says so. */
export class Faults {
  readonly list: Failure[] = [];
  readonly file: string;
  readonly lines: readonly string[];

  constructor(file: string, lines: readonly string[]) {
    this.file = file;
    this.lines = lines;
  }

  get full(): boolean {
    return this.list.length > LIMITS.dockerfileErrors;
  }

  /** Notes a failure with docker's words; `line` and `endLine` count from 1. */
  add(line: number, endLine: number, mistake: Mistake): void {
    if (this.full) return;
    const source = { file: this.file, line, endLine };
    if (this.list.length === LIMITS.dockerfileErrors) {
      const message = `dockerfile parse error on line ${line}: more than ${LIMITS.dockerfileErrors} errors; the rest is not shown`;
      this.list.push(new Failure("SYNTAX", message, { source }));
      return;
    }
    // A few thousand lines of one broken instruction would drown the message.
    const shown = excerpt(this.lines, { ...source, endLine: Math.min(endLine, line + 40) });
    this.list.push(
      new Failure(mistake.code, `dockerfile parse error on line ${line}: ${printableLine(mistake.message)}`, {
        source,
        ...(shown ? { excerpt: shown } : {}),
        ...(mistake.hint === undefined ? {} : { hint: mistake.hint }),
      }),
    );
  }

  /** Runs `read`; a Mistake in it becomes a failure at this place and undefined. */
  attempt<T>(line: number, endLine: number, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      this.add(line, endLine, error);
      return undefined;
    }
  }
}
