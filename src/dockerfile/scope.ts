import { Failure } from "../kit/error.ts";
import type { SourceSpan } from "../kit/span.ts";
import { formatPlatform, type Platform } from "../oci/platform.ts";
import type { Program } from "./command.ts";
import { type Expansion, expandWord, type Lookup } from "./expand.ts";

/**
 * Where variables are expanded. `word` gives one word each, `words` may give none or several, `heredoc` expands without quotes;
 * an instruction that is not named expands nothing (CMD, ENTRYPOINT, RUN, SHELL, HEALTHCHECK, MAINTAINER; ONBUILD when it is triggered).
 * Key and value of ENV and LABEL, all of one instruction with the variables as they were before it; ARG its default values, one after
 * the other; FROM its name and `--platform`, with global variables only; COPY and ADD their paths, `--chown`, `--chmod`, `--checksum`,
 * heredocs (not `--from` and `--exclude`); of RUN its mounts.
 */
export const EXPANDED: ReadonlyMap<string, "word" | "words"> = new Map([
  ["from", "word"],
  ["arg", "word"],
  ["env", "word"],
  ["label", "word"],
  ["add", "word"],
  ["copy", "word"],
  ["workdir", "word"],
  ["user", "word"],
  ["volume", "word"],
  ["stopsignal", "word"],
  ["expose", "words"],
]);

/** Build arguments that are variables of a RUN without any ARG, and never part of a cache key or of the history. Names in any case. */
export const PROXY_ARGS: readonly string[] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/** Build arguments that steer the build itself. They are not unused when no ARG names them. */
export const STEERING_ARGS: ReadonlySet<string> = new Set([
  "BUILDKIT_BUILD_NAME",
  "BUILDKIT_CACHE_MOUNT_NS",
  "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
  "BUILDKIT_DOCKERFILE_CHECK",
  "BUILDKIT_HISTORY_PROVENANCE_V1",
  "BUILDKIT_INLINE_CACHE",
  "BUILDKIT_MULTI_PLATFORM",
  "BUILDKIT_SANDBOX_HOSTNAME",
  "BUILDKIT_SBOM_SCAN_CONTEXT",
  "BUILDKIT_SBOM_SCAN_STAGE",
  "BUILDKIT_SYNTAX",
  "SOURCE_DATE_EPOCH",
]);

/** ARGs that say something to the builder and are no variables: `$NAME` does not see them. */
export const NOT_VARIABLES: ReadonlySet<string> = new Set(["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"]);

/** What `FROM scratch` has for PATH, and any base that sets none. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** One ARG before the first FROM. */
export interface GlobalArg {
  readonly key: string;
  readonly value: string | undefined;
  /** Global variables that its default was made of. */
  readonly deps: ReadonlySet<string>;
  readonly span: SourceSpan;
}

export interface GlobalScope {
  /** Platform arguments and global ARGs: what FROM sees, and what `ARG NAME` without a default takes over. */
  readonly lookup: Lookup;
  readonly names: readonly string[];
  readonly args: ReadonlyMap<string, GlobalArg>;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly escape: "\\" | "`";
}

/** The predefined platform arguments. TARGETSTAGE is `default` where no stage is asked for by name. */
export function platformArgs(target: Platform, build: Platform, stage = "default"): ReadonlyMap<string, string> {
  const of = (prefix: string, platform: Platform): [string, string][] => [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, platform["os.version"] ?? ""],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ""],
  ];
  return new Map([...of("BUILD", build), ...of("TARGET", target), ["TARGETSTAGE", stage]]);
}

/**
 * The variables before the first FROM. Use: `const global = globalScope(program, buildArgs, target, build)`, expand FROM's words with
 * `global.lookup`, then per stage `new StageScope(global, config.Env, parent)`, and for each instruction in order `declareArg` (ARG),
 * `setEnv` (ENV, after its words were expanded) and `lookup` for the words of all others. `stageName` is the stage to be built.
 * Throws Failure EXPANSION with the place of the ARG.
 */
export function globalScope(
  program: Program,
  buildArgs: ReadonlyMap<string, string>,
  target: Platform,
  build: Platform,
  stageName = program.stages.at(-1)?.name,
): GlobalScope {
  const { escape } = program.syntax;
  const values = new Map(platformArgs(target, build, stageName || "default"));
  for (const key of values.keys()) values.set(key, buildArgs.get(key) ?? (values.get(key) as string));
  const lookup: Lookup = (name) => values.get(name);
  const args = new Map<string, GlobalArg>();
  for (const { args: declared, span } of program.globals) {
    for (const { key, value: word } of declared) {
      const given = buildArgs.get(key);
      const expansion = given === undefined && word !== undefined ? located(span, () => expandWord(word, lookup, escape)) : undefined;
      const value = given ?? expansion?.value;
      const deps = new Set(expansion?.used);
      // A default that builds on the argument's own earlier value hangs on what that one hung on.
      if (deps.delete(key)) for (const dep of args.get(key)?.deps ?? []) deps.add(dep);
      if (value !== undefined) values.set(key, value);
      args.set(key, { key, value, deps, span });
    }
  }
  return { lookup, names: [...values.keys()], args, buildArgs, escape };
}

/** Runs `expand`; a Failure in it gets the place. */
export function located<T>(span: SourceSpan, expand: () => T): T {
  try {
    return expand();
  } catch (error) {
    if (!(error instanceof Failure) || error.source) throw error;
    throw new Failure(error.code, error.message, { source: span, cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) });
  }
}

/** An ARG of a stage as declared: `value` undefined where neither a default nor a build argument nor a global value gives one. */
export interface StageArg {
  readonly key: string;
  readonly value: string | undefined;
  /** Whether the value was taken over from the global scope. */
  readonly inherited: boolean;
  readonly expansion: Expansion | undefined;
}

/**
 * The variables of one stage while its instructions are read in order. ENV and ARG share one set of names and the later wins, as in
 * BuildKit; a stage that starts from another sees that one's ARGs as well, below its ENVs.
 */
export class StageScope {
  readonly #global: GlobalScope;
  readonly #values: Map<string, string>;
  readonly #args: StageArg[];
  readonly #declared: Set<string>;

  /**
   * `env`: the `NAME=value` list of the base's config. It must hold PATH (DEFAULT_PATH where the base has none).
   * `parent`: the scope at the end of the stage that this one starts from, undefined for an image or scratch.
   */
  constructor(global: GlobalScope, env: readonly string[], parent?: StageScope) {
    this.#global = global;
    this.#values = new Map(parent?.variables);
    this.#args = [...(parent?.args ?? [])];
    this.#declared = new Set(this.#args.map(({ key }) => key));
    for (const pair of env) {
      const at = pair.indexOf("=");
      this.#set(at < 0 ? pair : pair.slice(0, at), at < 0 ? "" : pair.slice(at + 1));
    }
  }

  /** For expandWord and expandWords. */
  readonly lookup: Lookup = (name) => this.#values.get(name);

  /** All variables in the order they were first set: what a RUN has as environment. */
  get variables(): ReadonlyMap<string, string> {
    return this.#values;
  }

  /** The ARGs declared so far, in order, one that is declared twice twice: what history shows as `|N key=value …`. */
  get args(): readonly StageArg[] {
    return this.#args;
  }

  /** ENV: key and value already expanded with the variables as they were before the instruction. */
  setEnv(key: string, value: string): void {
    this.#set(key, value);
  }

  /**
   * ARG: `word` is the default as written. A build argument wins over the default, which wins over a global ARG or platform argument of
   * this name. Throws Failure EXPANSION.
   */
  declareArg(key: string, word: string | undefined): StageArg {
    const given = this.#global.buildArgs.get(key);
    const expansion = given === undefined && word !== undefined ? expandWord(word, this.lookup, this.#global.escape) : undefined;
    const inherited = given === undefined && word === undefined && this.#global.lookup(key) !== undefined;
    const value = given ?? expansion?.value ?? this.#global.lookup(key);
    const arg = { key, value, inherited, expansion };
    this.#args.push(arg);
    this.#declared.add(key);
    if (value !== undefined && !NOT_VARIABLES.has(key)) this.#set(key, value);
    return arg;
  }

  /** Names of declared ARGs, with a value or without: a word that uses one is no use of an undefined variable. */
  isDeclared(name: string): boolean {
    return this.#declared.has(name);
  }

  #set(key: string, value: string): void {
    this.#values.set(key, value);
  }
}

/** The proxy settings among the build arguments, under the names (both cases) that a RUN gets them by. */
export function proxyVariables(buildArgs: ReadonlyMap<string, string>): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of PROXY_ARGS)
    for (const [key, value] of buildArgs) if (key.toUpperCase() === name) found.set(name, value).set(name.toLowerCase(), value);
  return found;
}

/**
 * Build arguments that no ARG of the file declares and that steer nothing: probably misspelt. Docker ignores them silently,
 * the classic builder warned. Sorted.
 */
export function unusedBuildArgs(program: Program, buildArgs: ReadonlyMap<string, string>): string[] {
  const known = new Set([...STEERING_ARGS, ...platformArgs({ os: "", architecture: "" }, { os: "", architecture: "" }).keys()]);
  const declared = [...program.globals, ...program.stages.flatMap((stage) => stage.commands)];
  for (const command of declared) if (command.kind === "arg") for (const { key } of command.args) known.add(key);
  return [...buildArgs.keys()].filter((name) => !known.has(name) && !PROXY_ARGS.includes(name.toUpperCase())).sort();
}
