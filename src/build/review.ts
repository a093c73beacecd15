import { type CheckOptions, checkConfig, checkFailure, type Finding, runChecks } from "../dockerfile/checks.ts";
import type { Program } from "../dockerfile/command.ts";
import { ruleUrl } from "../dockerfile/rules/rule.ts";
import { Failure } from "../kit/error.ts";
import type { Task } from "../task/task.ts";
import type { BuildGraph } from "./graph.ts";
import type { Inlet } from "./inlet.ts";
import type { Platforms } from "./plan/plan.ts";
import type { BuildRequest } from "./request.ts";

/** What the build checks find in a file, and the failure they make where the file or the request asks for one. */
export interface Review {
  readonly findings: readonly Finding[];
  readonly failure: Failure | undefined;
}

/**
 * Runs the build checks. With a graph, base images are known too; without one, all stages are looked at. Throws CHECK for a bad
 * configuration.
 */
export function review(program: Program, request: BuildRequest, platforms: Platforms, inlet: Inlet, graph?: BuildGraph): Review {
  const buildArgs = new Map(Object.entries(request.buildArgs));
  if (request.checkOption !== undefined) buildArgs.set("BUILDKIT_DOCKERFILE_CHECK", request.checkOption);
  const options: CheckOptions = {
    buildArgs,
    targetPlatform: platforms.target,
    buildPlatform: platforms.build,
    allStages: graph === undefined,
    ...(request.target === undefined ? {} : { target: request.target }),
    ...(inlet.ignore === undefined ? {} : { ignore: inlet.ignore }),
    ...(graph === undefined ? {} : { bases: (stage) => baseFacts(graph, stage.index) }),
  };
  const findings = runChecks(program, options);
  return { findings, failure: checkFailure(findings, checkConfig(program.syntax, buildArgs)) };
}

/** Tells the findings of a build as warnings; throws CHECK where they are errors. */
export function check(program: Program, request: BuildRequest, platforms: Platforms, inlet: Inlet, graph: BuildGraph, task: Task): void {
  const { findings, failure } = review(program, request, platforms, inlet, graph);
  for (const { rule, message, span } of findings) {
    const url = ruleUrl(rule);
    task.emit({
      type: "finding",
      rule: rule.name,
      level: failure ? "error" : "warning",
      message,
      ...(url === "" ? {} : { url }),
      source: span,
    });
  }
  if (failure) throw failure;
}

function baseFacts(graph: BuildGraph, index: number) {
  const base = graph.stages.get(index)?.base;
  if (base?.kind !== "image") return undefined;
  const { config, os, architecture, variant } = base.image.config;
  return {
    env: config.Env ?? [],
    shell: config.Shell ?? [],
    onbuild: config.OnBuild ?? [],
    platform: { os, architecture, ...(variant === undefined ? {} : { variant }) },
  };
}
