import { compileAutomaton } from "./automaton.ts";
import { trim } from "./blank.ts";
import { Failure } from "./error.ts";
import { checkGlob } from "./glob.ts";
import { printable } from "./printable.ts";

/** What is known of one path after matching: whether it is excluded, and which patterns hit it or a folder above it. */
export interface MatchState {
  readonly excluded: boolean;
  readonly hits: readonly boolean[];
}

/** A list of patterns in order, the last that speaks wins; `!` takes back. Paths are relative, `/`-separated, cleaned. */
export interface PathMatcher {
  /** The patterns in force: blank ones dropped, cleaned, `!` kept. */
  readonly patterns: readonly string[];
  /** Whether the path, by itself or by a folder above it, is matched (moby's MatchesOrParentMatches). */
  matches(path: string): boolean;
  /**
   * The same for a walk from the top down (MatchesUsingParentResults): `parent` is the state of the folder that holds the path,
   * undefined at the top. Docker's context transfer and COPY --exclude decide this way. The two differ in one corner: a pattern
   * that was not asked about a folder, because the folder was matched already, is not asked about that folder again below it.
   */
  step(path: string, parent: MatchState | undefined): MatchState;
  /** Like `step`, for what has nothing below it: no state is made. */
  excludes(path: string, parent: MatchState | undefined): boolean;
  /** Whether a `!` pattern could take back something below this matched folder; if not, a walker need not enter it. */
  mayHaveExceptionsBelow(folder: string): boolean;
}

interface Pattern {
  readonly exception: boolean;
  readonly text: string;
  readonly hits: (path: string) => boolean;
}

/**
 * Reads patterns as `github.com/moby/patternmatcher` does (.dockerignore, COPY --exclude): `*`, `?`, `[…]`, `\`, and `**` for any
 * number of folders; a pattern also matches all below what it matches. Takes time in proportion to pattern × path at most.
 * Throws Failure USAGE for a malformed pattern and for `!` alone.
 */
export function createMatcher(patterns: readonly string[]): PathMatcher {
  const all = patterns.map((given) => trim(given)).filter((given) => given !== "");
  const parts = all.map(readPattern);
  const exceptions = parts
    .filter((part) => part.exception)
    .map((part) => ({ text: part.text, literal: /^[^*?[\]\\^]*/.exec(part.text)?.[0] ?? "" }));

  const step = (path: string, parent: MatchState | undefined, hits: boolean[] | undefined): boolean => {
    let excluded = false;
    for (let at = 0; at < parts.length; at++) {
      const part = parts[at] as Pattern;
      const hit = parent?.hits[at] === true || (part.exception === excluded && part.hits(path));
      if (hit) excluded = !part.exception;
      if (hits) hits[at] = hit;
    }
    return excluded;
  };
  /** State of the folders above a path that is asked about on its own; every top folder is asked all patterns. */
  const above = (path: string): MatchState | undefined => {
    const slash = path.lastIndexOf("/");
    if (slash < 0) return undefined;
    const folder = path.slice(0, slash);
    if (last?.folder === folder) return last.state;
    const parent = above(folder);
    const hits = parts.map((part, at) => parent?.hits[at] === true || part.hits(folder));
    last = { folder, state: { excluded: false, hits } };
    return last.state;
  };
  let last: { folder: string; state: MatchState } | undefined;

  return {
    patterns: parts.map((part) => (part.exception ? `!${part.text}` : part.text)),
    matches: (path) => matchAlone(parts, path, above(path)),
    step(path, parent) {
      const hits: boolean[] = [];
      return { excluded: step(path, parent, hits), hits };
    },
    excludes: (path, parent) => step(path, parent, undefined),
    mayHaveExceptionsBelow(folder) {
      const within = `${folder}/`;
      return exceptions.some(
        ({ text, literal }) => text.startsWith(within) || (literal !== text && (literal.startsWith(within) || within.startsWith(literal))),
      );
    },
  };
}

function matchAlone(parts: readonly Pattern[], path: string, parent: MatchState | undefined): boolean {
  let excluded = false;
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at] as Pattern;
    if (part.exception === excluded && (parent?.hits[at] === true || part.hits(path))) excluded = !part.exception;
  }
  return excluded;
}

function readPattern(given: string): Pattern {
  const cleaned = cleanPath(given);
  const exception = cleaned.startsWith("!");
  const text = exception ? cleaned.slice(1) : cleaned;
  if (text === "") throw new Failure("USAGE", 'illegal exclusion pattern: "!"', { hint: "Write what to take back after the !." });
  checkGlob(text);
  return { exception, text, hits: compile(text) };
}

/**
 * The forms moby knows: a plain path, `x**` and `**x` by comparing strings, anything else by an expression. Its choice is part of the
 * meaning: `**x` also matches `barx`, while `**x*` matches names that begin with `x`. Beside wildcards `|`, `{` and `}` keep what they
 * mean to a regular expression: moby's table of characters to escape loses them.
 */
function compile(text: string): (path: string) => boolean {
  let form: "exact" | "prefix" | "suffix" | "expression" = "exact";
  let expression = "^";
  const chars = Array.from(text);
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] as string;
    if (char === "*" && chars[at + 1] === "*") {
      const first = at === 0;
      at += chars[at + 2] === "/" ? 2 : 1;
      if (at < chars.length - 1) {
        expression += "(.*/)?";
        form = "expression";
      } else if (form === "exact") form = "prefix";
      else {
        expression += ".*";
        form = "expression";
      }
      if (first) form = "suffix";
    } else if (char === "*" || char === "?") {
      expression += char === "*" ? "[^/]*" : "[^/]";
      form = "expression";
    } else if (char === "\\") {
      expression += `\\${chars[++at]}`;
      form = "expression";
    } else {
      if (char === "[" || char === "]") form = "expression";
      expression += ".+()$".includes(char) ? `\\${char}` : char;
    }
  }
  if (form === "exact") return (path) => path === text;
  if (form === "prefix") {
    const prefix = text.slice(0, -2);
    return (path) => path.startsWith(prefix);
  }
  if (form === "suffix") {
    const suffix = text.slice(2);
    return (path) => path.endsWith(suffix) || (suffix.startsWith("/") && path === suffix.slice(1));
  }
  const automaton = compileAutomaton(`${expression}$`);
  if (!automaton) throw new Failure("USAGE", `syntax error in pattern "${printable(text)}"`, { hint: "Put a \\ only before punctuation." });
  return automaton.matches;
}

/** Go's `path.Clean`: no `.`, no doubled or closing `/`, `..` taken back where something is there to take back. Empty becomes `.`. */
export function cleanPath(path: string): string {
  const rooted = path.startsWith("/");
  const out: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") out.push(part);
    else if (out.length > 0 && out.at(-1) !== "..") out.pop();
    else if (!rooted) out.push("..");
  }
  const joined = out.join("/");
  return rooted ? `/${joined}` : joined || ".";
}
