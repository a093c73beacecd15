import { CODES, type ErrorCode } from "./codes.ts";
import type { SourceSpan } from "./span.ts";

export interface FailureDetails {
  /** The way out, when there is a better one than the code's own. */
  readonly hint?: string;
  readonly source?: SourceSpan;
  /** Lines of the file around the place, already marked with `>>>`, newline-separated. */
  readonly excerpt?: string;
  readonly cause?: unknown;
  /** Exit code for this one failure, where it differs from the code's (docker run's 125, say). */
  readonly exit?: number;
}

/**
 * The only error that users see. `message` says what happened and to which object; untrusted names inside it
 * must have gone through `printable()` (kit/printable.ts). Bugs are thrown as plain `Error` by `assert`.
 */
export class Failure extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly source: SourceSpan | undefined;
  readonly excerpt: string | undefined;
  readonly exit: number;

  constructor(code: ErrorCode, message: string, details: FailureDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "Failure";
    this.code = code;
    this.hint = details.hint;
    this.source = details.source;
    this.excerpt = details.excerpt;
    this.exit = details.exit ?? CODES[code].exit;
  }
}

/** Several failures at once: all errors of one Dockerfile. Its own fields are those of the first. */
export class Failures extends Failure {
  readonly all: readonly Failure[];
  constructor(all: readonly [Failure, ...Failure[]]) {
    const first = all[0];
    super(first.code, all.map((one) => one.message).join("\n"), {
      cause: first,
      exit: first.exit,
      ...(first.source ? { source: first.source } : {}),
    });
    this.all = all;
  }
}

/** Stops the program when something that cannot be is: a mistake of ours, never of the user. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`internal: ${what}`);
}
