import { trim } from "../kit/blank.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { cleanPath, createMatcher, type PathMatcher } from "../kit/pattern.ts";
import { printable } from "../kit/printable.ts";

/** Longest line that docker's reader takes, in bytes without the line's end. */
const LINE_BYTES = 64 * 1024 - 1;

/**
 * The patterns of a .dockerignore file, in order, ready for `createMatcher`: comments (`#` at the very start of a line only) and blank
 * lines dropped, blanks around a pattern and after its `!` dropped, paths cleaned, a leading `/` dropped. A byte order mark and CRLF are
 * fine. As github.com/moby/patternmatcher/ignorefile reads it. Throws Failure LIMIT when the file or a line is too long;
 * malformed patterns are found by `createMatcher`.
 */
export function parseIgnore(text: string, file = ".dockerignore"): string[] {
  if (Buffer.byteLength(text) > LIMITS.dockerfileBytes)
    throw new Failure("LIMIT", `${printable(file)} is larger than ${LIMITS.dockerfileBytes} bytes`);
  const patterns: string[] = [];
  const lines = text.replace(/^\ufeff/, "").split("\n");
  for (const [index, line] of lines.entries()) {
    if (line.length * 3 > LINE_BYTES && Buffer.byteLength(line) > LINE_BYTES)
      throw new Failure("LIMIT", `${printable(file)}: line ${index + 1} is longer than ${LINE_BYTES} bytes`);
    if (line.startsWith("#")) continue;
    let pattern = trim(line);
    if (pattern === "") continue;
    const exception = pattern.startsWith("!");
    if (exception) pattern = trim(pattern.slice(1));
    if (pattern !== "") pattern = cleanPath(pattern);
    if (pattern.length > 1 && pattern.startsWith("/")) pattern = pattern.slice(1);
    patterns.push(exception ? `!${pattern}` : pattern);
  }
  return patterns;
}

/**
 * An ignore file as a matcher: `parseIgnore` and `createMatcher` in one, with the file named in the message.
 * Throws Failure SYNTAX for a malformed pattern, LIMIT when the file is too long.
 */
export function ignoreMatcher(text: string, file = ".dockerignore"): PathMatcher {
  const patterns = parseIgnore(text, file);
  try {
    return createMatcher(patterns);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure("SYNTAX", `${printable(file)}: ${error.message}`, { cause: error, ...(error.hint ? { hint: error.hint } : {}) });
  }
}

/**
 * Where to look for the ignore file of a Dockerfile, the first that exists wins: `NAME.dockerignore` beside the Dockerfile, then
 * `.dockerignore` at the top of the context. The first is undefined when the Dockerfile has no name (standard input).
 * `dockerfile` is the path as the caller knows it; the first result is in the same terms, the second relative to the context.
 */
export function ignoreFileNames(dockerfile: string | undefined): { readonly beside: string | undefined; readonly top: ".dockerignore" } {
  return { beside: dockerfile === undefined || dockerfile === "-" ? undefined : `${dockerfile}.dockerignore`, top: ".dockerignore" };
}
