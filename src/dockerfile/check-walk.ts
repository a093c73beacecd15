import { Failure } from "../kit/error.ts";
import type { PathMatcher } from "../kit/pattern.ts";
import type { SourceSpan } from "../kit/span.ts";
import type { Platform } from "../oci/platform.ts";
import { parsePlatform } from "../oci/platform.ts";
import { readWords } from "./check-words.ts";
import type { Command, Program, Stage } from "./command.ts";
import { type Expansion, expandWord } from "./expand.ts";
import { parseTrigger } from "./program.ts";
import { linkStages, type StageLink } from "./reach.ts";
import type { CommandFacts, FromFacts } from "./rules/rule.ts";
import { DEFAULT_PATH, type GlobalScope, StageScope } from "./scope.ts";

/** What the checks want to know of a base image. */
export interface BaseFacts {
  readonly env: readonly string[];
  readonly shell: readonly string[];
  readonly onbuild: readonly string[];
  readonly platform?: Platform;
}

export interface WalkOptions {
  readonly global: GlobalScope;
  readonly targetPlatform: Platform;
  readonly target: string | undefined;
  /** Look into stages too that the target does not need. */
  readonly allStages: boolean;
  readonly ignore: PathMatcher | undefined;
  /** Facts of the image that a stage starts from; undefined where they are not known, and then no variable counts as unset there. */
  readonly bases: (stage: Stage, name: string) => BaseFacts | undefined;
}

/** The end of a stage, for those that start from it. */
interface StageEnd {
  readonly scope: StageScope;
  /** Config.Env. */
  readonly env: readonly string[];
  readonly known: boolean;
  readonly hasShell: boolean;
  readonly hasWorkdir: boolean;
  readonly onbuild: readonly string[];
}

const SCRATCH: BaseFacts = { env: [], shell: [], onbuild: [] };

/** Goes through a program as a build would, without building: every FROM, then every instruction of every stage that counts. */
export function walkProgram(
  program: Program,
  options: WalkOptions,
  onFrom: (facts: FromFacts) => void,
  onCommand: (facts: CommandFacts) => void,
): void {
  const { global } = options;
  const expanded = program.stages.map((stage) => ({ base: expand(stage.base, global), platform: expand(stage.platform, global) }));
  const links = linkStages(
    program,
    expanded.map(({ base }) => base?.value),
  );
  const bases = links.map(({ stage, parent }) => {
    const name = expanded[stage.index]?.base?.value;
    return parent !== undefined || name === undefined ? undefined : name === "scratch" ? SCRATCH : options.bases(stage, name);
  });
  for (const { stage } of links) {
    const { base, platform } = expanded[stage.index] ?? {};
    const actual = bases[stage.index]?.platform;
    if (base)
      onFrom({
        stage,
        base,
        global,
        ...(platform ? { platform } : {}),
        ...(actual ? { actual, expected: wanted(platform, options) } : {}),
      });
  }
  const reached = reachable(links, options.target);
  const ends: StageEnd[] = [];
  for (const link of links) {
    const facts = link.parent === undefined ? bases[link.stage.index] : undefined;
    const parent = link.parent === undefined ? undefined : ends[link.parent];
    const needed = reached.has(link.stage.index);
    const silent = !needed && !options.allStages;
    ends.push(walkStage(link.stage, startOf(global, facts, parent), needed, program, options, silent ? () => {} : onCommand));
  }
}

function reachable(links: readonly StageLink[], target: string | undefined): Set<number> {
  const wanted = target?.toLowerCase();
  const named = links.findLast(({ stage }) => wanted !== undefined && (stage.name === wanted || String(stage.index) === wanted));
  const seen = new Set<number>();
  const open = [named?.stage.index ?? links.length - 1];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    const link = links[index];
    if (!link || seen.has(index)) continue;
    seen.add(index);
    open.push(...(link.parent === undefined ? [] : [link.parent]), ...link.needs);
  }
  return seen;
}

function startOf(global: GlobalScope, facts: BaseFacts | undefined, parent: StageEnd | undefined): StageEnd {
  if (parent) return { ...parent, scope: new StageScope(global, parent.env, parent.scope) };
  const given = facts?.env ?? [];
  const env = given.some((pair) => pair.startsWith("PATH=")) ? given : [...given, `PATH=${DEFAULT_PATH}`];
  const hasShell = (facts?.shell.length ?? 0) > 0;
  return {
    scope: new StageScope(global, env),
    env,
    known: facts !== undefined,
    hasShell,
    hasWorkdir: false,
    onbuild: facts?.onbuild ?? [],
  };
}

function walkStage(
  stage: Stage,
  start: StageEnd,
  triggered: boolean,
  program: Program,
  options: WalkOptions,
  onCommand: (facts: CommandFacts) => void,
): StageEnd {
  const { scope, known } = start;
  const env = [...start.env];
  const onbuild: string[] = [];
  const previous = new Map<Command["kind"], SourceSpan>();
  let { hasShell, hasWorkdir } = start;
  // BuildKit looks at triggers only where it is going to build.
  const triggers = triggered ? start.onbuild.flatMap((text) => readTrigger(text, stage.span)) : [];
  for (const command of [...triggers, ...stage.commands]) {
    const parts = command.kind === "arg" ? command.args.length : 1;
    for (let part = 0; part < parts; part++) {
      const read = readWords(command, scope, program.syntax.escape, known, part);
      const { span } = command;
      onCommand({
        stage,
        command,
        span,
        keyword: command.instruction.keyword,
        ...read,
        hasShell,
        hasWorkdir,
        previous: previous.get(command.kind),
        ignore: options.ignore,
      });
      if (command.kind === "env") for (const name of read.words) env.push(`${name}=${scope.lookup(name) ?? ""}`);
    }
    previous.set(command.kind, command.span);
    hasShell ||= command.kind === "shell";
    hasWorkdir ||= command.kind === "workdir";
    if (command.kind === "onbuild") onbuild.push(command.expression);
  }
  return { scope, env, known, hasShell, hasWorkdir, onbuild };
}

function readTrigger(text: string, span: SourceSpan): Command[] {
  try {
    return [parseTrigger(text, span)];
  } catch (error) {
    if (error instanceof Failure) return [];
    throw error;
  }
}

function expand(word: string, global: GlobalScope): Expansion | undefined;
function expand(word: string | undefined, global: GlobalScope): Expansion | undefined;
function expand(word: string | undefined, global: GlobalScope): Expansion | undefined {
  try {
    return word === undefined ? undefined : expandWord(word, global.lookup, global.escape);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

function wanted(platform: Expansion | undefined, options: WalkOptions): Platform {
  try {
    return platform ? parsePlatform(platform.value) : options.targetPlatform;
  } catch {
    return options.targetPlatform;
  }
}
