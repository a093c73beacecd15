import type { Command, Program, Stage } from "../../dockerfile/command.ts";
import { expandWord } from "../../dockerfile/expand.ts";
import { parseTrigger } from "../../dockerfile/program.ts";
import { DEFAULT_PATH, type GlobalScope, globalScope, StageScope } from "../../dockerfile/scope.ts";
import type { Image } from "../../image/layer.ts";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import type { ContainerConfig, HistoryEntry } from "../../oci/config.ts";
import { formatPlatform, type Platform, parsePlatform } from "../../oci/platform.ts";
import { type Base, type BuildGraph, dependenciesOf, type InputRef, type StagePlan, type Step } from "../graph.ts";
import { keyOf } from "../key.ts";
import type { BuildRequest, NamedContext } from "../request.ts";
import { planConfig } from "./config.ts";
import { planFiles, planWorkdir } from "./files.ts";
import { located } from "./located.ts";
import { planRun } from "./run.ts";
import { type OpenStep, StageState } from "./state.ts";

/** The platform to build for, and the one that we build on. */
export interface Platforms {
  readonly target: Platform;
  readonly build: Platform;
}

/** How the planner learns what a base image is: its configuration decides how variables expand. */
export interface FindImage {
  image(name: string, platform: Platform, context: NamedContext | undefined): Promise<{ readonly image: Image; readonly name: string }>;
}

const PATH_LINE = `PATH=${DEFAULT_PATH}`;

/** Plans the target and every stage it needs. Asks for images, and does nothing else that waits. Throws PLAN, EXPANSION, NOT_FOUND. */
export async function plan(program: Program, request: BuildRequest, platforms: Platforms, find: FindImage): Promise<BuildGraph> {
  const planner = new Planner(program, request, platforms, find);
  const target = targetOf(program, request.target);
  const stages = new Map<number, StagePlan>();
  const visit = async (index: number): Promise<void> => {
    if (stages.has(index)) return;
    const stage = await planner.stage(index);
    for (const need of dependenciesOf(stage)) await visit(need);
    stages.set(index, stage);
  };
  await visit(target);
  const filtered = request.noCacheFilter.map((name) => stageNamed(program, name)).filter((index) => index !== undefined);
  return { stages, target, noCache: request.noCache && request.noCacheFilter.length === 0 ? true : new Set(filtered) };
}

/** The index of the stage to build: `--target`, else the last one. Throws NOT_FOUND. */
export function targetOf(program: Program, target: string | undefined): number {
  if (target === undefined || target === "") return program.stages.length - 1;
  const wanted = target.toLowerCase();
  const index = program.stages.findLastIndex((stage) => stage.name === wanted);
  if (index >= 0) return index;
  const names = program.stages.map((stage) => stage.name ?? String(stage.index)).join(", ");
  throw new Failure("NOT_FOUND", `target stage "${printable(target)}" could not be found`, {
    hint: `The file has these stages: ${names}.`,
  });
}

function stageNamed(program: Program, name: string, before = program.stages.length): number | undefined {
  const wanted = name.toLowerCase();
  for (let index = before - 1; index >= 0; index--) if (program.stages[index]?.name === wanted) return index;
  return /^[0-9]+$/.test(name) && Number(name) < program.stages.length ? Number(name) : undefined;
}

class Planner {
  readonly #program: Program;
  readonly #request: BuildRequest;
  readonly #platforms: Platforms;
  readonly #find: FindImage;
  readonly #globals: GlobalScope;
  readonly #stages = new Map<number, Promise<StagePlan>>();
  readonly #scopes = new Map<number, StageScope>();

  constructor(program: Program, request: BuildRequest, platforms: Platforms, find: FindImage) {
    this.#program = program;
    this.#request = request;
    this.#platforms = platforms;
    this.#find = find;
    const args = new Map(Object.entries(request.buildArgs));
    this.#globals = globalScope(program, args, platforms.target, platforms.build, request.target ?? program.stages.at(-1)?.name);
  }

  stage(index: number): Promise<StagePlan> {
    let planned = this.#stages.get(index);
    if (!planned) {
      planned = this.#plan(this.#program.stages[index] as Stage);
      this.#stages.set(index, planned);
    }
    return planned;
  }

  async #plan(stage: Stage): Promise<StagePlan> {
    const { lines } = this.#program.syntax;
    try {
      const { base, platform, config, inherited, author, baseStage } = await this.#base(stage);
      const scope = new StageScope(this.#globals, config.Env ?? [], baseStage === undefined ? undefined : this.#scopes.get(baseStage));
      const { OnBuild: triggers = [], ...rest } = config;
      const state = new StageState(triggers.length > 0 ? rest : config, scope, this.#program.syntax.escape, (from, command) =>
        this.#input(from, stage, command),
      );
      state.author = author;
      if (base.kind === "folder") state.wholeContext(base.name, base.files, stage.span);
      if (triggers.length > LIMITS.onbuildTriggers)
        throw new Failure("LIMIT", `the base has more than ${LIMITS.onbuildTriggers} ONBUILD triggers`);
      const commands = [...triggers.map((trigger) => parseTrigger(trigger, stage.span)), ...stage.commands];
      for (const command of commands) await this.#dispatch(state, command);
      this.#scopes.set(stage.index, scope);
      const name = stage.name ?? (this.#program.stages.length > 1 ? `stage-${stage.index}` : "");
      return {
        index: stage.index,
        name,
        span: stage.span,
        platform,
        base: base.kind === "folder" ? { kind: "scratch" } : base,
        steps: labelled(name, base, state.steps, stage),
        config: state.config,
        ...(state.author === undefined ? {} : { author: state.author }),
        history: [...inherited, ...state.history],
        inherited: inherited.length,
        ...(base.kind === "image" ? { baseConfig: base.image.config } : {}),
      };
    } catch (error) {
      throw located(error, stage.span, lines);
    }
  }

  async #dispatch(state: StageState, command: Command): Promise<void> {
    try {
      if (command.kind === "copy" || command.kind === "add") await planFiles(state, command);
      else if (command.kind === "workdir") planWorkdir(state, command);
      else if (command.kind === "run") await planRun(state, command);
      else planConfig(state, command);
    } catch (error) {
      throw located(error, command.span, this.#program.syntax.lines);
    }
  }

  async #base(stage: Stage): Promise<{
    base: Base | { readonly kind: "folder"; readonly name: string; readonly files: InputRef };
    platform: Platform;
    config: ContainerConfig;
    inherited: readonly HistoryEntry[];
    author?: string;
    baseStage?: number;
  }> {
    const lookup = (name: string) => this.#globals.lookup(name);
    const name = expandWord(stage.base, lookup, this.#program.syntax.escape).value;
    if (name === "")
      throw new Failure("PLAN", `base name (${printable(stage.base)}) should not be blank`, {
        hint: "Give the ARG before FROM a default value, or set it with --build-arg.",
      });
    const wanted = stage.platform === undefined ? "" : expandWord(stage.platform, lookup, this.#program.syntax.escape).value;
    const platform = wanted === "" ? this.#platforms.target : parsePlatform(wanted);
    const context = namedContext(this.#request.contexts, name, platform);
    if (context === undefined) {
      if (name === "scratch") {
        // As with docker, --platform says nothing about nothing.
        return {
          base: { kind: "scratch" },
          platform: this.#platforms.target,
          config: { Env: [PATH_LINE], WorkingDir: "/" },
          inherited: [],
        };
      }
      // Unlike --from, FROM compares with case, and knows no indexes.
      const index = this.#program.stages.slice(0, stage.index).findLastIndex((one) => one.name === name);
      if (index >= 0) {
        const from = await this.stage(index);
        return {
          base: { kind: "stage", index },
          platform: from.platform,
          config: from.config,
          inherited: from.history,
          baseStage: index,
          ...(from.author === undefined ? {} : { author: from.author }),
        };
      }
    } else if (context.kind !== "image" && context.kind !== "layout") {
      return {
        base: { kind: "folder", name, files: { from: "named", name, context } },
        platform,
        config: { Env: [PATH_LINE], WorkingDir: "/" },
        inherited: [],
      };
    }
    const found = await this.#find.image(name, platform, context);
    const { config } = found.image;
    return {
      base: { kind: "image", ...found },
      platform: { os: config.os, architecture: config.architecture, ...(config.variant === undefined ? {} : { variant: config.variant }) },
      config: withDefaults(config.config),
      inherited: config.history,
      ...(config.author === undefined ? {} : { author: config.author }),
    };
  }

  /** What `--from` names: a named context, a stage before this one, its index, else an image. */
  async #input(given: string, stage: Stage, command: Command): Promise<InputRef> {
    const context = namedContext(this.#request.contexts, given, this.#platforms.target);
    if (context !== undefined && context.kind !== "image" && context.kind !== "layout") return { from: "named", name: given, context };
    if (context === undefined) {
      if (given.toLowerCase() === stage.name || given === String(stage.index)) {
        throw new Failure("PLAN", `circular dependency detected on stage: ${stage.name ?? `stage-${stage.index}`}`, {
          hint: "--from names an earlier stage, an image or a --build-context.",
        });
      }
      const index = earlierStage(this.#program, given, stage.index);
      if (index !== undefined) return { from: "stage", index };
      if (/^[0-9]+$/.test(given))
        throw new Failure("PLAN", `invalid stage index ${given}`, { hint: "Stages count from 0, and only earlier ones can be named." });
      const later = stageNamed(this.#program, given);
      if (later !== undefined) {
        throw new Failure("PLAN", `stage "${printable(given)}" is defined after it is used`, {
          source: command.span,
          hint: "Move the stage above the one that takes files from it.",
        });
      }
    }
    const found = await this.#find.image(given, this.#platforms.target, context);
    return { from: "image", ...found };
  }
}

function earlierStage(program: Program, name: string, before: number): number | undefined {
  const index = stageNamed(program, name, before);
  return index !== undefined && index < before ? index : undefined;
}

/** A named context by the very name, or for one platform: `name::linux/arm64`. */
function namedContext(contexts: Readonly<Record<string, NamedContext>>, name: string, platform: Platform): NamedContext | undefined {
  const own = (key: string) => (Object.hasOwn(contexts, key) ? contexts[key] : undefined);
  return own(`${name}::${formatPlatform(platform)}`) ?? own(name);
}

/** What docker fills in for a base that does not say it. */
function withDefaults(config: ContainerConfig): ContainerConfig {
  const env = config.Env ?? [];
  return {
    ...config,
    Env: env.some((line) => line.startsWith("PATH=")) ? env : [...env, PATH_LINE],
    WorkingDir: config.WorkingDir || "/",
  };
}

/** Steps with their labels: `[builder 2/4] WORKDIR /app`. FROM counts as the first, unless it is scratch. */
function labelled(name: string, base: { readonly kind: string }, steps: readonly OpenStep[], stage: Stage): Step[] {
  const first = base.kind === "image" || base.kind === "stage" ? 2 : 1;
  const total = steps.length + first - 1;
  return steps.map(({ text, op, span }, at) => ({
    id: keyOf("step/1", stage.index, at, JSON.stringify(op)),
    label: `[${name === "" ? "" : `${name} `}${first + at}/${total}] ${text}`,
    op,
    span,
  }));
}
