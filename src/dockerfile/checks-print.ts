import type { Failure } from "../kit/error.ts";
import type { Finding } from "./checks.ts";
import { excerpt } from "./excerpt.ts";
import { ruleUrl } from "./rules/rule.ts";
import type { Syntax } from "./syntax.ts";

/**
 * What `--check` prints: buildx's text, findings in the order of lines, each with its excerpt. Ends in a line feed. What is wrong
 * with the file itself is not in it: buildx prints that as an error, and with `failed` leaves an empty line for it.
 */
export function printChecks(findings: readonly Finding[], syntax: Syntax, failed = false): string {
  const count = findings.length;
  const head =
    count === 0
      ? "Check complete, no warnings found."
      : `Check complete, ${count === 1 ? "1 warning has" : `${count} warnings have`} been found!`;
  const parts = byLine(findings).map((finding) => {
    const url = ruleUrl(finding.rule);
    return `\nWARNING: ${finding.rule.name}${url === "" ? "" : ` - ${url}`}\n${finding.message}\n${excerpt(syntax.lines, finding.span)}\n`;
  });
  return [`${head}\n`, ...parts, failed ? "\n" : ""].join("");
}

/** What `--call check,format=json` prints, as a value: buildx's fields, without its LLB `definition`. */
export function checksJson(findings: readonly Finding[], syntax: Syntax, error?: Failure): unknown {
  return {
    warnings: findings.length === 0 ? null : findings.map(warningJson),
    sources: [{ filename: syntax.file, data: Buffer.from(syntax.text).toString("base64"), language: "Dockerfile" }],
    ...(error === undefined
      ? {}
      : { buildError: { message: error.message, location: error.source ? location(error.source.line, error.source.endLine) : {} } }),
  };
}

/** The line of a finding in the progress of a build: `UndefinedVar: Usage of undefined variable '$x' (line 3)`. */
export function findingLine({ rule, message, span }: Finding): string {
  return `${rule.name}: ${message} (line ${span.line})`;
}

/** Findings by line; those of one line in the order they were found. */
export function byLine(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => a.span.line - b.span.line);
}

function warningJson({ rule, message, span }: Finding): unknown {
  const url = ruleUrl(rule);
  return {
    ruleName: rule.name,
    description: rule.description,
    ...(url === "" ? {} : { url }),
    detail: message,
    location: location(span.line, span.endLine),
  };
}

/** buildx has a range for every line. */
export function location(line: number, endLine: number): unknown {
  const ranges = Array.from({ length: endLine - line + 1 }, (_, at) => ({ start: { line: line + at }, end: { line: line + at } }));
  return { ranges };
}
