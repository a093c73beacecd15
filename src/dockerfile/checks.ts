import { Failure } from "../kit/error.ts";
import type { PathMatcher } from "../kit/pattern.ts";
import { printableLine } from "../kit/printable.ts";
import type { SourceSpan } from "../kit/span.ts";
import type { Platform } from "../oci/platform.ts";
import { type BaseFacts, walkProgram } from "./check-walk.ts";
import type { Program, Stage } from "./command.ts";
import { expandWord } from "./expand.ts";
import { quote } from "./quote.ts";
import { RULES } from "./rules/all.ts";
import type { Report, Rule } from "./rules/rule.ts";
import { type GlobalScope, globalScope } from "./scope.ts";
import type { Syntax } from "./syntax.ts";

/** Something that a build check found. */
export interface Finding {
  readonly rule: Rule;
  /** Docker's words. */
  readonly message: string;
  readonly span: SourceSpan;
}

/** Which rules are off, which experimental ones are on, and whether findings fail the build. */
export interface CheckConfig {
  readonly skip: "all" | ReadonlySet<string>;
  readonly experimental: "all" | ReadonlySet<string>;
  readonly error: boolean;
}

export interface CheckOptions {
  readonly buildArgs?: ReadonlyMap<string, string>;
  readonly targetPlatform: Platform;
  readonly buildPlatform: Platform;
  /** Name or number of the stage to build. */
  readonly target?: string;
  /** `--check` without a target looks into all stages, a build only into those it needs. */
  readonly allStages?: boolean;
  /** The ignore file of a local context. */
  readonly ignore?: PathMatcher;
  /** What is known of base images. Without it, variables are only judged in stages from scratch. */
  readonly bases?: (stage: Stage, name: string) => BaseFacts | undefined;
  /** Instead of what file and build arguments say. */
  readonly config?: CheckConfig;
}

export const DEFAULT_CHECKS: CheckConfig = { skip: new Set(), experimental: new Set(), error: false };

/**
 * Reads the value of `# check=…`, for example `skip=JSONArgsRecommended,StageNameCasing;error=true;experimental=all`. Rule names that do
 * not exist are no error, as in docker. Throws Failure CHECK with docker's words.
 */
export function parseCheckDirective(value: string): CheckConfig {
  const wrong = (why: string): Failure =>
    new Failure("CHECK", `failed to parse check options: ${why}`, { hint: "Write for example # check=skip=RuleName;error=true" });
  let config = DEFAULT_CHECKS;
  if (value.trim() === "") return config;
  for (const part of value.trim().split(";")) {
    const equals = part.indexOf("=");
    if (equals < 0) throw wrong(`invalid check option ${quote(part)}`);
    const key = part.slice(0, equals).trim();
    const text = part.slice(equals + 1).trim();
    if (key === "skip" || key === "experimental")
      config = { ...config, [key]: text === "all" ? "all" : new Set(text.split(",").map((name) => name.trim())) };
    else if (key !== "error") throw wrong(`invalid check option ${quote(key)}`);
    else if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) config = { ...config, error: true };
    else if (/^(?:0|f|F|false|FALSE|False)$/.test(text)) config = { ...config, error: false };
    else throw wrong(`failed to parse check option ${quote(part)}: strconv.ParseBool: parsing ${quote(text)}: invalid syntax`);
  }
  return config;
}

/**
 * The configuration in force: the build argument BUILDKIT_DOCKERFILE_CHECK alone where it is given, else the file's `# check=` up to
 * the first blank. Throws Failure CHECK.
 */
export function checkConfig(syntax: Syntax, buildArgs?: ReadonlyMap<string, string>): CheckConfig {
  const given = buildArgs?.get("BUILDKIT_DOCKERFILE_CHECK");
  if (given !== undefined) return parseCheckDirective(given);
  return parseCheckDirective(syntax.directives.find(({ name }) => name === "check")?.value.split(" ")[0] ?? "");
}

/**
 * Runs all build checks over a program. Never throws for what is wrong with the file: parts that do not parse or expand are passed
 * over, the errors of parsing and planning tell them. Findings come in BuildKit's order. Throws Failure CHECK for a bad configuration.
 */
export function runChecks(program: Program, options: CheckOptions): Finding[] {
  const config = options.config ?? checkConfig(program.syntax, options.buildArgs);
  const findings: Finding[] = [];
  const active = RULES.filter((rule) => isOn(rule, config)).map((rule) => {
    const report: Report = (span, message) => findings.push({ rule, message: printableLine(message), span });
    return { rule, report };
  });
  for (const { rule, report } of active) rule.syntax?.(program.syntax, report);
  for (const instruction of program.syntax.instructions) for (const { rule, report } of active) rule.instruction?.(instruction, report);
  const global = scopeOf(program, options, options.buildArgs ?? new Map());
  const defaults = scopeOf(program, options, new Map());
  const defaultBases = program.stages.map(
    ({ base }) => defaults && attempt(() => expandWord(base, defaults.lookup, defaults.escape).value),
  );
  for (const { rule, report } of active) rule.file?.({ program, defaultBases }, report);
  if (!global) return findings;
  walkProgram(
    program,
    {
      global,
      targetPlatform: options.targetPlatform,
      target: options.target,
      allStages: options.allStages === true && options.target === undefined,
      ignore: options.ignore,
      bases: options.bases ?? (() => undefined),
    },
    (facts) => {
      for (const { rule, report } of active) rule.from?.(facts, report);
    },
    (facts) => {
      for (const { rule, report } of active) rule.command?.(facts, report);
    },
  );
  return findings;
}

/** The failure that `error=true` makes of findings, undefined where there are none or they are allowed. */
export function checkFailure(findings: readonly Finding[], config: CheckConfig): Failure | undefined {
  if (!config.error || findings.length === 0) return undefined;
  const names = [...new Set(findings.map(({ rule }) => rule.name))].join(", ");
  return new Failure("CHECK", `lint violation found for rules: ${names}`);
}

function isOn(rule: Rule, { skip, experimental }: CheckConfig): boolean {
  if (rule.experimental) return experimental === "all" || experimental.has(rule.name);
  return skip !== "all" && !skip.has(rule.name);
}

function scopeOf(program: Program, options: CheckOptions, buildArgs: ReadonlyMap<string, string>): GlobalScope | undefined {
  return attempt(() => globalScope(program, buildArgs, options.targetPlatform, options.buildPlatform, options.target));
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
