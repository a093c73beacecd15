import { excerpt } from "../../dockerfile/excerpt.ts";
import { Failure } from "../../kit/error.ts";
import type { SourceSpan } from "../../kit/span.ts";

/** Adds the place in the Dockerfile, and the lines around it, to a failure that has none. Others pass through. */
export function located(error: unknown, span: SourceSpan, lines: readonly string[]): unknown {
  if (!(error instanceof Failure) || error.excerpt !== undefined) return error;
  const source = error.source ?? span;
  return new Failure(error.code, error.message, {
    source,
    excerpt: excerpt(lines, source),
    exit: error.exit,
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
